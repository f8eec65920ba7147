"""Joined mailboxes: who waits for several dialogues waits on one."""

from __future__ import annotations

import threading

import pytest

import broker
from broker import Kind, topology
from tests.broker.site import bodies, come_in, quiet, soon


def test_what_comes_to_joined_mailboxes_comes_to_one_and_says_whose_it_is(site):
    boxes, keys = zip(*[site.percepts(f"{name}.{site.agent.incarnation}", token=name) for name in "abc"], strict=True)
    for box in boxes[1:]:
        box.join(boxes[0])
    for round_ in range(3):
        for key in keys:
            site.env.send(topology.PERCEPTS, key, b"%d" % round_)
    arrived = [boxes[0].get(soon()) for _ in range(9)]
    for name in "abc":
        assert [arrival.body for arrival in arrived if arrival.token == name] == [b"0", b"1", b"2"]


def test_what_a_mailbox_held_comes_before_what_follows(site):
    one, key = site.percepts()
    other = site.agent.mailbox()
    site.env.send(topology.PERCEPTS, key, b"held")
    come_in(site.agent, one)
    one.join(other)
    site.env.send(topology.PERCEPTS, key, b"next")
    assert bodies(other, 2) == [b"held", b"next"]


def test_returns_come_to_the_mailbox_that_their_own_is_joined_to(site):
    one, other = site.agent.mailbox(), site.agent.mailbox()
    site.agent.watch("nobody.a", one, "a")
    one.join(other)
    site.agent.watch("nobody.b", one, "b")
    for key in ("nobody.a", "nobody.b"):
        site.agent.send(topology.ACTS, key, b"")
        arrival = other.get(soon())
        assert (arrival.kind, arrival.token) == (Kind.RETURNED, key[-1])


def test_a_thread_that_waits_already_hears_what_comes_to_a_mailbox_that_is_joined_to_its_own(site):
    other = site.agent.mailbox()
    heard: list[bytes] = []
    thread = threading.Thread(target=lambda: heard.extend(bodies(other, 2)))
    thread.start()
    for number in range(2):
        box, key = site.percepts(f"{number}.{site.agent.incarnation}")
        box.join(other)
        site.env.send(topology.PERCEPTS, key, b"%d" % number)
    thread.join(30)
    assert sorted(heard) == [b"0", b"1"]  # of two queues, in any order


def test_a_mailbox_that_nobody_joined_is_not_disturbed(site):
    lone, key = site.percepts(f"lone.{site.agent.incarnation}")
    joined, other = site.agent.mailbox(), site.agent.mailbox()
    joined.join(other)
    site.env.send(topology.PERCEPTS, key, b"mine")
    assert bodies(lone, 1) == [b"mine"]
    assert quiet(other)


def test_after_a_loss_what_had_arrived_is_given_out_and_then_the_loss(site):
    one, key = site.percepts()
    other = site.agent.mailbox()
    one.join(other)
    site.env.send(topology.PERCEPTS, key, b"in time")
    come_in(site.agent, other)
    site.agent.close()
    assert bodies(other, 1) == [b"in time"]
    with pytest.raises(broker.ConnectionLost):
        other.get(soon())


def test_what_cannot_be_joined_is_refused_and_nothing_changes(site):
    one, key = site.percepts()
    first, second = site.agent.mailbox(), site.agent.mailbox()
    with pytest.raises(TypeError, match="expected a mailbox"):
        one.join(site.env.mailbox())
    with pytest.raises(ValueError, match="joined once"):
        one.join(one)
    one.join(first)
    for source, target in ((one, second), (first, second), (second, one)):
        with pytest.raises(ValueError, match="no chains"):
            source.join(target)
    site.env.send(topology.PERCEPTS, key, b"as before")
    assert bodies(first, 1) == [b"as before"]
