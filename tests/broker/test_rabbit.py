"""The private RabbitMQ of the tests, and what a RabbitMQ keeps when it dies."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import broker
from broker import Receipt, topology
from tests.broker.site import soon
from tests.support.commands import ROOT, environment, eventually
from tests.support.processes import gone
from tools import rabbit as rig
from tools.rabbit import Rabbit, RabbitFailed, answers_amqp


def test_where_rabbitmq_is_missing_the_tests_fail_and_say_what_to_do(monkeypatch):
    monkeypatch.setattr(rig, "BIN", Path("/no/such/folder"))
    with pytest.raises(RabbitFailed, match="make test.*apt-get install rabbitmq-server.*GYMBROKER_TEST_URL"):
        Rabbit()


def test_a_make_that_was_confirmed_survives_the_sudden_death_of_the_broker(rabbit):
    """On a second node beside the first, which nobody else has connections to."""
    env_id = f"Env-{secrets.token_hex(4)}"
    with Rabbit() as mortal:
        worker = broker.connect(mortal.url, timeout_s=10)
        worker.declare_exchanges(soon())
        served = worker.serve(env_id, worker.mailbox(), "make", soon())
        worker.cancel(served)
        worker.outlive(served, soon())
        sent = worker.publish(topology.REQUESTS, env_id, b"make", deadline=soon(), persistent=True)
        assert sent is Receipt.ROUTED
        mortal.kill()
        with pytest.raises(broker.ConnectionLost):
            worker.mailbox().get(soon())
        worker.close()
        assert not answers_amqp(mortal.port)
        assert answers_amqp(rabbit.port)

        mortal.start()
        worker = broker.connect(mortal.url, timeout_s=30)
        mailbox = worker.mailbox()
        worker.serve(env_id, mailbox, "make", soon())
        arrival = mailbox.get(soon())
        assert arrival.body == b"make"
        worker.ack(arrival)
        worker.close()
        folder, port = mortal.folder, mortal.port
    assert not folder.exists()
    assert not answers_amqp(port)


OWNER = """
import time
from tools.rabbit import Rabbit
with Rabbit() as node:
    print(node.pid, node.folder, flush=True)
    time.sleep(60)
"""


def test_a_broker_ends_with_the_process_that_started_it_even_if_that_is_killed():
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().split()
        owner.kill()
    eventually(lambda: gone(int(pid)), "it has ended")
    shutil.rmtree(folder)


DRAWING = """
import sys
from tools import rabbit
draw, wanted = rabbit.secrets.randbelow, [int(sys.argv[1])]
rabbit.secrets.randbelow = lambda count: wanted.pop() if wanted else draw(count)
print(*rabbit.free_ports(1), wanted)
"""


def test_a_port_on_which_nobody_listens_yet_is_given_to_no_other_process():
    (given,) = rig.free_ports(1)
    command = [sys.executable, "-c", DRAWING, str(given - rig.LOWEST_PORT)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True)
    port, wanted = done.stdout.split()
    assert wanted == "[]", "it drew the one that was given"
    assert int(port) != given


def test_marks_of_ports_do_not_use_up_the_files_of_a_process():
    rig.free_ports(rig.MOST_MARKS + 1)
    assert len(rig._marks) == rig.MOST_MARKS


def test_fetching_rabbitmq_4_removes_nothing_that_is_not_its_own(tmp_path):
    """Whoever names a folder that holds more keeps it."""
    (tmp_path / "debootstrap").write_text("#!/bin/sh\necho there is no network >&2\nexit 1\n")
    (tmp_path / "debootstrap").chmod(0o755)
    (tmp_path / "forky/root").mkdir(parents=True)
    (tmp_path / "forky/root/half").touch()
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GYMBROKER_RABBITMQ_4": str(tmp_path)}
    command = [ROOT / "tools/rabbitmq-4", "forky"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no network" in done.stderr
    assert (tmp_path / "debootstrap").exists()
    assert not (tmp_path / "forky/root").exists()
