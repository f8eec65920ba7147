"""The in-process queues behind ``memory://``, where they can be asked directly."""

from __future__ import annotations

import pytest

from broker import topology
from broker.port import Receipt
from broker.queues import Exchanges, Message, topic_matches


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("#", ["", "a", "a.b.c"], []),
        ("a.b", ["a.b"], ["a", "a.b.c", "a.c", "ab"]),
        ("a.*", ["a.b", "a."], ["a", "a.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c"], ["b", "ab"]),
        ("#.c", ["c", "a.c", "a.b.c"], ["a.b", "c.a"]),
        ("a.#.c", ["a.c", "a.b.c", "a.b.b.c"], ["a", "c", "a.b"]),
        ("*.#", ["a", "a.b", ""], []),
        ("#.a.#.a", ["a.a", "x.a.y.a"], ["a", "x.a.y"]),
    ],
)
def test_topic_patterns_match_as_in_amqp(pattern, matching, others):
    words = pattern.split(".")
    assert [key for key in (*matching, *others) if topic_matches(words, key.split("."))] == matching


def test_dead_letters_are_bounded_and_expire():
    exchanges = Exchanges()
    exchanges.declare_all()
    queue = exchanges.declare(topology.requests_spec("Env-v0"), owner=None)
    exchanges.bind(topology.REQUESTS, ["Env-v0"], queue)
    for number in range(topology.DEAD_LENGTH + 5):
        message = Message(b"%d" % number, "Env-v0", expires=1.0)
        assert exchanges.publish(topology.REQUESTS, message, now=0.0) is Receipt.ROUTED
        queue.drop_expired(now=2.0)
    dead = exchanges.queues[topology.DEAD]
    assert len(dead.ready) == topology.DEAD_LENGTH
    assert (dead.ready[0].body, dead.ready[0].key) == (b"5", "Env-v0")
    dead.drop_expired(now=2.0 + topology.DEAD_TTL_S)
    assert not dead.ready


def test_a_full_requests_queue_refuses_and_an_expired_message_makes_room():
    exchanges = Exchanges()
    exchanges.declare_all()
    queue = exchanges.declare(topology.requests_spec("Env-v0"), owner=None)
    exchanges.bind(topology.REQUESTS, ["Env-v0"], queue)
    for number in range(topology.REQUESTS_LENGTH):
        message = Message(b"", "Env-v0", expires=1.0 if number == 0 else None)
        assert exchanges.publish(topology.REQUESTS, message, now=0.0) is Receipt.ROUTED
    assert exchanges.publish(topology.REQUESTS, Message(b"", "Env-v0"), now=0.0) is Receipt.REFUSED
    assert exchanges.publish(topology.REQUESTS, Message(b"", "Env-v0"), now=2.0) is Receipt.ROUTED


def test_nothing_is_left_of_a_deleted_queue():
    exchanges = Exchanges()
    exchanges.declare_all()
    queue = exchanges.declare(topology.inbox_spec(topology.ACTS, "a"), owner="me")
    exchanges.bind(topology.ACTS, ["a", "b", "a"], queue)
    exchanges.bind(topology.EVENTS, ["a.#"], queue)
    exchanges.delete(queue)
    assert exchanges.route(topology.ACTS, "a") == exchanges.route(topology.EVENTS, "a.b") == []
    assert exchanges.direct[topology.ACTS] == {}
    assert exchanges.topics[topology.EVENTS] == []
    assert list(exchanges.queues) == [topology.DEAD]
