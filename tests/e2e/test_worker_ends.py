"""``env-worker serve`` ends when it is told to: also without a broker, and with a log that nobody reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from agent_worker import RemoteEnv
from agent_worker.errors import WorkerLost
from env_worker import EmbeddedWorker, WorkerSettings
from tests.support.commands import ROOT, Worker, as_child, environment, eventually, worker
from tests.support.processes import gone
from tests.support.relay import Relay
from tools.rabbit import Rabbit

COUNTING = "tests.support.envs:Counting"
LINGERING = "tests.support.envs:Lingering"
NOBODY = "amqp://guest:guest@127.0.0.1:1/"
HOLD = f"""
import agent_worker, time
env = agent_worker.RemoteEnv({COUNTING!r})
env.reset()
print("it holds an episode", flush=True)
time.sleep(600)
"""
TOO_LATE = """
import gc, os, signal
from multiprocessing.connection import Connection, wait

os.kill(os.getppid(), signal.SIGTERM)
wait([one for one in gc.get_objects() if isinstance(one, Connection)])  # the supervisor says: drain
raise ImportError("too late")
"""
both_signals = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])


class Unread(Worker):
    """Its log is a pipe. Call ``fill``, and each line that it logs from then on blocks."""

    def __init__(self, url: str, log: Path, *arguments: str) -> None:
        os.mkfifo(log)
        self._end, self._heard = os.open(log, os.O_RDONLY | os.O_NONBLOCK), b""
        super().__init__(url, log, *arguments)

    @property
    def said(self) -> str:
        with suppress(BlockingIOError):
            while more := os.read(self._end, 4096):
                self._heard += more
        return self._heard.decode()

    def fill(self) -> None:
        """Nobody reads it any more, and it is full."""
        pipe = os.open(self._log, os.O_WRONLY | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while True:
                os.write(pipe, b"x")
        os.close(pipe)

    def kill(self) -> None:
        """Whatever has happened, nothing of it runs on."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def own_rabbit():
    """A RabbitMQ that a test may kill."""
    with Rabbit() as node:
        yield node


@pytest.fixture
def hold():
    """``hold(url)`` opens an episode of ``COUNTING``, and holds it until the test ends."""
    with ExitStack() as agents:

        def begin(url: str) -> None:
            agent = subprocess.Popen(
                [sys.executable, "-c", HOLD], cwd=ROOT, env=environment(url), stdout=subprocess.PIPE, text=True,
                preexec_fn=as_child,
            )  # fmt: skip
            agents.enter_context(agent)
            agents.callback(agent.kill)
            assert agent.stdout is not None
            assert agent.stdout.readline() == "it holds an episode\n"

        yield begin


@pytest.fixture
def unread(tmp_path):
    """``unread(url)`` starts a worker whose log is a pipe; returns when it serves."""
    with ExitStack() as workers:

        def start(url: str) -> Unread:
            one = Unread(url, tmp_path / "pipe", COUNTING, "--drain-timeout", "1")
            workers.callback(one.kill)
            one.wait_for("serving")
            return one

        yield start


@both_signals
def test_where_the_broker_is_gone_it_waits_only_for_episodes_and_in_bounds(own_rabbit, hold, tmp_path, number):
    idle = worker(own_rabbit.url, tmp_path / "idle", "CartPole-v1", "--drain-timeout", "600")
    busy = worker(own_rabbit.url, tmp_path / "busy", COUNTING, "--drain-timeout", "1")
    with idle as one, busy as other:
        hold(own_rabbit.url)
        own_rabbit.kill()
        for each in (one, other):
            each.wait_for("connecting again")
        assert (one.stop(number), other.stop(number)) == (0, 0)


@both_signals
def test_a_log_that_nobody_reads_does_not_keep_a_stepper_whose_broker_is_gone(own_rabbit, hold, unread, number):
    one = unread(own_rabbit.url)
    hold(own_rabbit.url)
    pids = one.steppers()
    one.fill()
    own_rabbit.kill()  # it says so, with the lock of its log
    assert one.stop(number) == 0
    eventually(lambda: gone(*pids), "no stepper is left")


@both_signals
def test_a_log_that_nobody_reads_does_not_keep_the_supervisor(rabbit, unread, number):
    one = unread(rabbit.url)
    (pid,) = one.steppers()
    one.fill()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the supervisor knows, and says so")
    assert one.stop(number) == 0


def test_all_agents_are_told_though_the_log_blocks(rabbit, unread):
    one = unread(rabbit.url)
    first, second = (RemoteEnv(COUNTING, rabbit.url, step_timeout=20.0) for _ in range(2))
    first.reset()
    one.fill()
    second.open()  # the stepper says so, after its answer
    assert one.stop() == 0
    for env in (first, second):
        with pytest.raises(WorkerLost, match="the env worker is being shut down"):
            env.reset()
        env.close()


def test_sigterm_does_not_wait_for_a_broker_that_was_never_there(tmp_path):
    one = Worker(NOBODY, tmp_path / "log", COUNTING, "--drain-timeout", "600", "--connect-timeout", "600")
    try:
        one.wait_for("waiting for the broker")
        assert one.stop() == 0
    finally:
        one.end()


def test_what_fails_after_sigterm_is_no_failure_of_the_worker(tmp_path):
    (tmp_path / "too_late.py").write_text(TOO_LATE)
    one = Worker(NOBODY, tmp_path / "log", COUNTING, "--import", "too_late", "--isolation", "none", cwd=tmp_path)
    try:
        assert one.process.wait(60) == 0, one.said
    finally:
        one.end()


def test_an_embedded_worker_waits_for_no_broker_when_it_is_stopped(rabbit):
    with Relay(rabbit.port) as relay:
        one = EmbeddedWorker(WorkerSettings((COUNTING,), broker=f"amqp://guest:guest@127.0.0.1:{relay.port}/")).start()
        env = RemoteEnv(COUNTING, rabbit.url)
        env.reset()
    eventually(lambda: not one._control.connected, "it has no connection")
    one.stop()
    assert not one.alive
    env.close()


@pytest.mark.parametrize("strike", [lambda timeout: False, lambda timeout: signal.raise_signal(signal.SIGINT)])
def test_an_embedded_worker_that_nobody_waits_for_any_more_is_stopped(monkeypatch, strike):
    embedded = EmbeddedWorker(WorkerSettings((COUNTING,), broker=NOBODY, connect_timeout=60.0))
    monkeypatch.setattr(embedded._ready, "wait", strike)
    with pytest.raises((TimeoutError, KeyboardInterrupt)):
        embedded.start()
    assert not embedded.alive


@both_signals
def test_a_thread_that_an_env_has_left_does_not_keep_a_stepper_that_is_done(rabbit, tmp_path, number):
    with worker(rabbit.url, tmp_path / "log", LINGERING, "--drain-timeout", "600") as one:
        env = RemoteEnv(LINGERING, rabbit.url, step_timeout=20.0)
        env.reset()
        env.close()
        assert one.stop(number, timeout=20.0) == 0


def test_a_thread_that_an_env_has_left_does_not_keep_a_stepper_that_the_broker_refuses(rabbit, tmp_path):
    rabbit.ctl("add_user", "lingerer", "s3cret")
    rabbit.ctl("set_permissions", "lingerer", ".*", ".*", ".*")
    url = rabbit.url_of("lingerer", "s3cret")
    with worker(url, tmp_path / "log", LINGERING, "--isolation", "none") as one:
        env = RemoteEnv(LINGERING, rabbit.url, step_timeout=20.0)
        env.reset()
        rabbit.ctl("delete_user", "lingerer")  # which ends its connection
        one.wait_for("refuses user 'lingerer'")
        one.wait_for("replacing it")
        env.close()
