"""Waiting for a broker that is not there yet."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time

import pytest

import broker
from tests.support.rabbit import free_ports


def test_a_broker_that_comes_up_late_is_waited_for_and_each_wait_is_told(rabbit, caplog):
    (port,) = free_ports(1)
    pumps: list[threading.Thread] = []
    ended = threading.Event()

    def relay():
        """Opens the port only after the first attempts have failed, and leads to RabbitMQ."""
        while len(caplog.records) < 2:
            time.sleep(0.01)
        with socket.create_server(("127.0.0.1", port)) as server:
            client, _ = server.accept()
        upstream = socket.create_connection(("127.0.0.1", rabbit.port))
        with client, upstream:
            for source, sink in ((client, upstream), (upstream, client)):
                pumps.append(threading.Thread(target=carry, args=(source, sink)))
                pumps[-1].start()
            ended.wait(30)
            for one in (client, upstream):
                one.shutdown(socket.SHUT_RDWR)
            for pump in pumps:
                pump.join()

    def carry(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)

    thread = threading.Thread(target=relay)
    thread.start()
    with caplog.at_level(logging.WARNING, logger="gymbroker"):
        connection = broker.connect(f"amqp://guest:guest@127.0.0.1:{port}/", timeout_s=30)
    connection.publish("gym.requests", "x", b"", deadline=time.monotonic() + 10)
    ended.set()
    thread.join()
    connection.close()
    for record in caplog.records:
        assert f"no broker at amqp://127.0.0.1:{port}/" in record.getMessage()
        assert "giving up in" in record.getMessage()
        assert "guest" not in record.getMessage()
    assert len(caplog.records) >= 2


def test_the_wait_ends_at_its_deadline():
    (port,) = free_ports(1)
    before = time.monotonic()
    with pytest.raises(broker.BrokerUnreachable, match=str(port)):
        broker.connect(f"amqp://127.0.0.1:{port}/", timeout_s=0.3)
    assert time.monotonic() >= before + 0.3


def test_what_waiting_cannot_help_is_not_waited_for(rabbit, caplog):
    with pytest.raises(broker.AccessRefused):
        broker.connect(rabbit.url_of("guest", "wrong"), timeout_s=600)
    with pytest.raises(broker.InvalidBrokerUrl):
        broker.connect("amqp://h?nonsense=1", timeout_s=600)
    assert caplog.records == []


def test_a_broker_that_is_down_keeps_nobody_from_another():
    (port,) = free_ports(1)
    down = threading.Thread(target=lambda: give_up(f"amqp://127.0.0.1:{port}/"))
    down.start()
    broker.shared("memory://beside a broker that is down".replace(" ", "-"), timeout_s=1).close()
    assert down.is_alive()
    down.join()


def give_up(url: str) -> None:
    with pytest.raises(broker.BrokerUnreachable):
        broker.shared(url, timeout_s=2)


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
