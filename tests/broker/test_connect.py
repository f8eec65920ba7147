"""Waiting for a broker that is not there yet."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time

import pytest

import broker
from tests.broker.site import eventually
from tests.support.relay import Relay
from tools.rabbit import free_ports


def test_a_broker_that_comes_up_late_is_waited_for_and_each_wait_is_told(rabbit, caplog):
    (port,) = free_ports(1)
    opened: list[Relay] = []

    def come_up():
        eventually(lambda: len(caplog.records) >= 2, "two attempts have failed")
        opened.append(Relay(rabbit.port, port))

    thread = threading.Thread(target=come_up)
    thread.start()
    with caplog.at_level(logging.WARNING, logger="gymbroker"):
        connection = broker.connect(f"amqp://guest:guest@127.0.0.1:{port}/", timeout_s=30)
    thread.join()
    with opened[0]:
        assert connection.server["product"] == "RabbitMQ"
        connection.close()
    assert len(caplog.records) >= 2
    for record in caplog.records:
        assert f"no broker at amqp://127.0.0.1:{port}/" in record.getMessage()
        assert "giving up in" in record.getMessage()
        assert "guest" not in record.getMessage()


def test_the_wait_ends_at_its_deadline():
    (port,) = free_ports(1)
    before = time.monotonic()
    with pytest.raises(broker.BrokerUnreachable, match=str(port)):
        broker.connect(f"amqp://127.0.0.1:{port}/", timeout_s=0.3)
    assert time.monotonic() >= before + 0.3


def test_the_wait_ends_when_it_is_given_up(caplog):
    (port,) = free_ports(1)
    given_up, failures = threading.Event(), []

    def wait():
        try:
            broker.connect(f"amqp://127.0.0.1:{port}/", timeout_s=600, given_up=given_up)
        except broker.BrokerUnreachable as error:
            failures.append(error)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    eventually(lambda: caplog.records, "an attempt has failed")
    given_up.set()
    waiter.join(30)
    assert not waiter.is_alive()
    assert len(failures) == 1


def test_what_waiting_cannot_help_is_not_waited_for(rabbit, caplog):
    with pytest.raises(broker.AccessRefused):
        broker.connect(rabbit.url_of("guest", "wrong"), timeout_s=600)
    with pytest.raises(broker.InvalidBrokerUrl):
        broker.connect("amqp://h?nonsense=1", timeout_s=600)
    assert caplog.records == []


SLOW = "amqp://127.0.0.1:1/slow"


@pytest.fixture
def patient(monkeypatch):
    """A thread that waits for the broker at ``SLOW`` until the test ends."""
    connect, begun, go_on = broker.connect, threading.Event(), threading.Event()

    def slow(url: str, **given: object) -> broker.Connection:
        if url != SLOW:
            return connect(url, **given)
        begun.set()
        go_on.wait(60)
        raise broker.BrokerUnreachable("never there")

    def give_up() -> None:
        with pytest.raises(broker.BrokerUnreachable):
            broker.shared(SLOW, timeout_s=2)

    monkeypatch.setattr(sys.modules["broker.connect"], "connect", slow)
    thread = threading.Thread(target=give_up)
    thread.start()
    assert begun.wait(20)
    yield thread
    go_on.set()
    thread.join(20)


def test_a_broker_that_is_down_keeps_nobody_from_another(patient):
    broker.shared("memory://beside-a-broker-that-is-down", timeout_s=1).close()
    assert patient.is_alive()


def test_who_waits_for_a_connection_that_another_opens_waits_no_longer_than_it_said(patient):
    with pytest.raises(broker.BrokerUnreachable, match=r"another thread has not reached it in 0\.1 s"):
        broker.shared(SLOW, timeout_s=0.1)
    assert patient.is_alive()


def test_shared_connections_are_closed_when_the_interpreter_ends(rabbit):
    code = (
        "import broker, sys, time; c = broker.shared(sys.argv[1], timeout_s=10); "
        "c.declare_exchanges(time.monotonic() + 10); print(c.server['product'])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code, rabbit.url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "RabbitMQ", "")


def test_the_pause_after_connections_that_break_is_at_random_and_grows_to_a_second():
    for breaks, longest in ((1, 0.1), (2, 0.2), (4, 0.8), (5, 1.0), (10_000, 1.0)):
        pauses = [broker.backoff(breaks) for _ in range(200)]
        assert all(0.0 <= pause <= longest for pause in pauses)
        assert max(pauses) - min(pauses) > longest / 2
