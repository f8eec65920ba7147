"""Acks that are kept back: the broker hears of every settlement, and none stops a message that could be handed out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker import topology
from broker.amqp import framing
from broker.amqp.acks import Acks
from tests.broker.site import bodies, quiet, soon

CHANNEL = 3


def acked(frames: bytes) -> list[tuple[int, bool]]:
    """Delivery tag, and whether all before it are meant too, of each frame; no other frame is among them."""
    size = framing.SETTLE.size
    found = [framing.SETTLE.unpack_from(frames, at) for at in range(0, len(frames), size)]
    assert all(one[:4] == (framing.METHOD, CHANNEL, 13, framing.ACK) for one in found)
    return [(one[4], bool(one[5])) for one in found]


def test_of_a_prefetch_of_four_every_third_settlement_acks_all_before_it():
    acks = Acks(CHANNEL)
    acks.begin("1", 4)
    sent = []
    for tag in range(1, 10):
        acks.deliver(tag, "1")
        sent += acked(acks.settle(tag))
    assert sent == [(3, True), (6, True), (9, True)]


@pytest.mark.parametrize("prefetch", [1, 2])
def test_where_each_ack_counts_none_is_kept_back(prefetch):
    acks = Acks(CHANNEL)
    acks.begin("1", prefetch)
    acks.deliver(1, "1")
    assert acked(acks.settle(1)) == [(1, True)]
    assert acks.settle(1) == b""


def test_what_came_before_and_is_not_settled_is_not_acked_by_what_came_after():
    acks = Acks(CHANNEL)
    acks.begin("held", 4)
    acks.begin("quick", 4)
    acks.deliver(1, "held")
    for tag in (2, 3, 4):
        acks.deliver(tag, "quick")
    assert acked(acks.settle(2) + acks.settle(3) + acks.settle(4)) == [(2, False), (3, False), (4, False)]
    assert acks.settle(1) == b""
    assert acked(acks.flush()) == [(1, True)]
    assert acks.flush() == b""


def test_what_goes_back_to_its_queue_is_not_acked():
    acks = Acks(CHANNEL)
    acks.begin("1", 1)
    acks.deliver(1, "1")
    assert acks.reject(1) == framing.requeue(CHANNEL, 1)
    assert acks.settle(1) == acks.reject(1) == acks.flush() == b""


def test_what_an_ended_consumer_left_stops_nobody_and_is_acked_by_nobody():
    acks = Acks(CHANNEL)
    acks.begin("1", 4)
    acks.deliver(1, "1")
    acks.end("1")
    acks.begin("2", 1)
    acks.deliver(2, "2")
    assert acked(acks.settle(2)) == [(2, True)]
    assert acks.settle(1) == b""


@settings(max_examples=300)
@given(st.data())
def test_every_settlement_is_acked_once_and_each_consumer_can_always_be_handed_more(data):
    prefetches = {str(number): data.draw(st.integers(1, 9)) for number in range(3)}
    acks = Acks(CHANNEL)
    for consumer, prefetch in prefetches.items():
        acks.begin(consumer, prefetch)
    ours: dict[int, str] = {}
    """What the broker has handed out and heard nothing of."""
    unsettled: list[int] = []
    for tag in range(1, 60):
        consumer = data.draw(st.sampled_from(list(prefetches)))
        if list(ours.values()).count(consumer) < prefetches[consumer]:
            ours[tag] = consumer
            unsettled.append(tag)
            acks.deliver(tag, consumer)
        while unsettled and data.draw(st.booleans()):
            done = unsettled.pop(data.draw(st.integers(0, len(unsettled) - 1)))
            for last, all_before in acked(acks.settle(done)):
                gone = [one for one in ours if one == last or (all_before and one < last)]
                assert last in gone
                assert not set(gone) & set(unsettled)
                for one in gone:
                    del ours[one]
        for consumer, prefetch in prefetches.items():
            kept = sum(ours[one] == consumer for one in ours if one not in unsettled)
            assert kept < prefetch


def test_a_flood_is_taken_to_the_end_whoever_settles_when(site):
    acts, key = site.acts(prefetch=4)
    for number in range(40):
        site.agent.send(topology.ACTS, key, b"%d" % number)
    held = []
    for number in range(40):
        arrival = acts.get(soon())
        assert arrival is not None, f"{number} were handed out"
        assert arrival.body == b"%d" % number
        held.append(arrival)
        if number % 4 == 3:
            for one in reversed(held):
                site.env.ack(one)
            held.clear()
    assert quiet(acts)
    site.agent.send(topology.ACTS, key, b"more")
    assert bodies(acts, 1) == [b"more"]


def test_settlements_of_a_deleted_queue_and_requeues_stop_no_other_queue_of_the_channel(site):
    key, gone_key = (f"act.{site.env.incarnation}.{name}" for name in ("here", "gone"))
    here, gone = site.env.mailbox(), site.env.mailbox()
    site.env.inbox(topology.ACTS, [key], here, "here", prefetch=4, deadline=soon())
    ended = site.env.inbox(topology.ACTS, [gone_key], gone, "gone", prefetch=4, deadline=soon())
    site.agent.send(topology.ACTS, key, b"held")
    held = here.get(soon())
    for number in range(3):
        site.agent.send(topology.ACTS, gone_key, b"%d" % number)
    first, second, _ = (gone.get(soon()) for _ in range(3))
    site.env.ack(first)
    site.env.requeue(second)
    site.env.cancel(ended)
    for number in range(20):  # each third settlement acks one by one, as the first message is not settled
        site.agent.send(topology.ACTS, key, b"%d" % number)
        arrival = here.get(soon())
        assert arrival.body == b"%d" % number
        if number % 2 and not arrival.redelivered:
            site.env.requeue(arrival)
            arrival = here.get(soon())
            assert arrival.redelivered
            assert arrival.body == b"%d" % number
        site.env.ack(arrival)
    site.env.ack(held)
    site.agent.send(topology.ACTS, key, b"last")
    assert bodies(here, 1) == [b"last"]
    assert not site.env.closed
