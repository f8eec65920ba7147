"""A broker that is slower than we are, falls silent, or takes nothing any more: nobody waits for ever."""

from __future__ import annotations

import re
import secrets
import threading

import pytest

import broker
from broker import Receipt, topology
from broker.amqp import adapter, pump
from tests.broker.site import bodies, eventually, soon
from tests.support.relay import Relay


@pytest.fixture
def broker_url(rabbit) -> str:
    """Its own RabbitMQ: one test sets off its memory alarm."""
    url: str = rabbit.url
    return url


def test_a_broker_that_falls_silent_is_given_up_though_the_socket_stays_open(rabbit):
    """A relay that stops passing anything on is what an unplugged cable looks like."""
    with Relay(rabbit.port) as relay:
        connection = broker.connect(f"amqp://guest:guest@127.0.0.1:{relay.port}/?heartbeat=1", timeout_s=10)
        relay.stop()
        with pytest.raises(broker.ConnectionLost, match="nothing came"):
            connection.mailbox().get(soon(20))
        connection.close()


def test_a_broker_that_takes_nothing_makes_the_sender_wait_and_then_goes_on_in_order(rabbit, site):
    with Relay(rabbit.port) as relay:
        slow = broker.connect(f"amqp://guest:guest@127.0.0.1:{relay.port}/", timeout_s=10)
        acts, key = site.acts(prefetch=64)
        relay.stop()
        sent = [bytes([number]) * 1_000_000 for number in range(40)]

        def send():
            for body in sent:
                slow.send(topology.ACTS, key, body)

        sender = threading.Thread(target=send)
        sender.start()
        sender.join(0.5)
        assert sender.is_alive(), "forty megabytes have gone into a socket that nobody reads"
        small = threading.Thread(target=lambda: slow.send(topology.ACTS, key, b"behind"))
        small.start()
        relay.resume()
        sender.join(60)
        small.join(60)
        assert sorted(bodies(acts, 41)) == sorted([*sent, b"behind"])
        slow.close()


def test_a_confirm_that_does_not_come_is_a_timeout_that_names_what_was_asked(rabbit):
    with Relay(rabbit.port) as relay:
        connection = broker.connect(f"amqp://guest:guest@127.0.0.1:{relay.port}/", timeout_s=10)
        connection.publish(topology.REQUESTS, "x", b"", deadline=soon())
        relay.stop()
        with pytest.raises(broker.BrokerTimeout, match=re.escape("'gym.requests'")):
            connection.publish(topology.REQUESTS, "x", b"", deadline=soon(0.1))
        with pytest.raises(broker.BrokerTimeout, match="declaring exchanges"):
            connection.declare_exchanges(soon(0.1))
        relay.resume()
        connection.declare_exchanges(soon())
        assert connection.publish(topology.REQUESTS, secrets.token_hex(4), b"", deadline=soon()) is Receipt.UNROUTABLE
        connection.close()


def test_a_broker_that_takes_nothing_for_too_long_is_given_up(rabbit, monkeypatch):
    monkeypatch.setattr(pump, "STALL_S", 0.5)
    with Relay(rabbit.port) as relay:
        connection = broker.connect(f"amqp://guest:guest@127.0.0.1:{relay.port}/", timeout_s=10)
        relay.stop()
        caught: list[str] = []

        def send():
            with pytest.raises(broker.ConnectionLost) as lost:
                while True:
                    connection.send(topology.ACTS, "key", bytes(1_000_000))
            caught.append(str(lost.value))

        senders = [threading.Thread(target=send) for _ in range(3)]
        for thread in senders:
            thread.start()
        with pytest.raises(broker.ConnectionLost, match="taken nothing"):
            connection.mailbox().get(soon(30))
        for thread in senders:
            thread.join(30)
        assert len(caught) == 3
        connection.close()


def test_a_memory_alarm_is_told_and_given_up_and_others_go_on_after_it(rabbit, site, monkeypatch, caplog):
    monkeypatch.setattr(adapter, "BLOCKED_S", 1)
    publisher = broker.connect(rabbit.url, timeout_s=10)
    percepts, key = site.percepts()
    site.env.send(topology.PERCEPTS, key, b"before")
    rabbit.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        with pytest.raises(broker.ConnectionLost, match="memory or disk alarm"):
            while True:  # the alarm goes off a moment after it was set
                publisher.publish(topology.REQUESTS, secrets.token_hex(4), b"", deadline=soon(30))
        assert any("takes no messages for now" in record.getMessage() for record in caplog.records)
        assert bodies(percepts, 1) == [b"before"]
    finally:
        rabbit.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
        publisher.close()
    again = broker.connect(rabbit.url, timeout_s=10)
    answers = again.publish(topology.REQUESTS, secrets.token_hex(4), b"", deadline=soon(30))
    assert answers is Receipt.UNROUTABLE
    again.close()


def test_an_inbox_that_is_not_declared_in_time_leaves_no_queue(rabbit, site):
    """The connection may live for long, and nobody would ever take what comes there."""
    with Relay(rabbit.port) as relay:
        agent = broker.connect(f"amqp://guest:guest@127.0.0.1:{relay.port}/", timeout_s=10)
        key = f"late.{agent.incarnation}"
        relay.stop()
        with pytest.raises(broker.BrokerTimeout):
            agent.inbox(topology.PERCEPTS, [key], agent.mailbox(), "late", prefetch=0, deadline=soon(0.3))
        relay.resume()
        agent.inbox(topology.PERCEPTS, [f"next.{agent.incarnation}"], agent.mailbox(), "", prefetch=0, deadline=soon())
        eventually(lambda: key not in rabbit.ctl("list_queues", "name").split(), "no queue is left")
        found = agent.inbox(topology.PERCEPTS, [key], agent.mailbox(), "again", prefetch=0, deadline=soon())
        assert site.env.publish(topology.PERCEPTS, key, b"", deadline=soon()) is Receipt.ROUTED
        agent.cancel(found)
        agent.close()
