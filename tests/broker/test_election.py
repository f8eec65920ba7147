"""An exclusive queue elects: of all who declare it one gets it, over both transports. Worlds stand on this."""

from __future__ import annotations

import secrets
import threading
from contextlib import closing

import pytest
from pika import spec

import broker
from broker import Kind, Receipt, topology
from broker.amqp import channel as methods
from tests.broker.site import bodies, eventually, quiet, soon


@pytest.fixture
def key() -> str:
    """Of a world that no other test has."""
    return topology.world_key("Env-v0", secrets.token_hex(4))


def test_of_many_that_ask_at_once_one_is_the_host_and_all_others_go_on(site, connect, key):
    candidates = [connect() for _ in range(8)]
    boxes = [one.mailbox() for one in candidates]
    start, outcomes = threading.Barrier(8), [None] * 8

    def stand(number: int) -> None:
        start.wait(10)
        try:
            outcomes[number] = candidates[number].inbox(
                topology.WORLDS, [key], boxes[number], "world", prefetch=4, deadline=soon()
            )
        except broker.QueueTaken as refusal:
            outcomes[number] = refusal

    threads = [threading.Thread(target=stand, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elected = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, broker.QueueTaken)]
    assert len(elected) == 1
    for one in candidates:  # whoever lost hands on what it has
        assert one.publish(topology.WORLDS, key, b"make", deadline=soon()) is Receipt.ROUTED
    assert bodies(boxes[elected[0]], 4) == [b"make"] * 4  # prefetch
    assert all(quiet(box) for number, box in enumerate(boxes) if number != elected[0])


def test_who_is_refused_keeps_the_queues_and_the_messages_that_it_has(site, connect, key):
    acts, act_key = site.acts()
    host = connect()
    host.inbox(topology.WORLDS, [key], host.mailbox(), "world", prefetch=4, deadline=soon())
    for number in range(20):
        site.agent.send(topology.ACTS, act_key, b"%d" % number)
        with pytest.raises(broker.QueueTaken, match=key):
            site.env.inbox(topology.WORLDS, [key], acts, "world", prefetch=4, deadline=soon())
        arrival = acts.get(soon())
        assert (arrival.token, arrival.body) == ("acts", b"%d" % number)
        site.env.ack(arrival)


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_the_name_is_free_when_the_host_has_gone(site, connect, key, end):
    host, heir = connect(), site.env
    found = host.inbox(topology.WORLDS, [key], host.mailbox(), "world", prefetch=4, deadline=soon())
    if end == "cancel":
        host.cancel(found)
    else:
        host.close()

    def is_heir():
        try:
            heir.inbox(topology.WORLDS, [key], heir.mailbox(), "world", prefetch=4, deadline=soon())
        except broker.QueueTaken:
            return False
        return True

    eventually(is_heir, "the heir hosts")


def test_a_name_that_is_given_up_can_be_had_again_at_once(site, key):
    """What it takes to delete the old queue must not hit the new one."""
    box = site.env.mailbox()
    for _ in range(100):
        found = site.env.inbox(topology.WORLDS, [key], box, "world", prefetch=4, deadline=soon())
        assert site.agent.publish(topology.WORLDS, key, b"make", deadline=soon()) is Receipt.ROUTED
        assert bodies(box, 1) == [b"make"]
        site.env.cancel(found)


@pytest.fixture
def host(rabbit):
    with closing(broker.connect(rabbit.url, timeout_s=10.0)) as found:
        found.declare_exchanges(soon())
        yield found


def test_a_queue_that_is_deleted_while_it_is_declared_is_not_had(host, key, monkeypatch):
    """RabbitMQ deletes exclusive queues of who is gone by their names, a little later."""
    with monkeypatch.context() as patched:
        patched.setattr(methods, "declare_queue", lambda spec: methods.delete_queue(spec.name))
        with pytest.raises(broker.QueueTaken, match=key):
            host.inbox(topology.WORLDS, [key], host.mailbox(), "world", prefetch=4, deadline=soon())
    host.inbox(topology.WORLDS, [key], host.mailbox(), "world", prefetch=4, deadline=soon())


def test_a_queue_that_is_deleted_before_it_is_consumed_is_cancelled_and_no_other_is(host, key, monkeypatch):
    others, box, bind = host.mailbox(), host.mailbox(), methods.bind
    act_key = f"act.{host.incarnation}"
    host.inbox(topology.ACTS, [act_key], others, "acts", prefetch=1, deadline=soon())
    with monkeypatch.context() as patched:
        patched.setattr(methods, "bind", lambda queue, *rest: [*bind(queue, *rest), spec.Queue.Delete(queue=queue)])
        host.inbox(topology.WORLDS, [key], box, "world", prefetch=4, deadline=soon())
    arrival = box.get(soon())
    assert (arrival.kind, arrival.token) == (Kind.CANCELLED, "world")
    host.send(topology.ACTS, act_key, b"act")
    assert bodies(others, 1) == [b"act"]
    host.inbox(topology.WORLDS, [key], box, "world", prefetch=4, deadline=soon())
    assert host.publish(topology.WORLDS, key, b"make", deadline=soon()) is Receipt.ROUTED
    assert bodies(box, 1) == [b"make"]


def test_a_queue_of_one_s_own_may_be_had_again_at_once_too(site):
    acts, act_key = site.acts()
    keys = [topology.act_key("e" * 32, site.env.incarnation), topology.act_control_key("e" * 32)]
    for number in range(100):
        box = site.env.mailbox()
        found = site.env.inbox(topology.ACTS, keys, box, number, prefetch=8, deadline=soon())
        site.agent.send(topology.ACTS, keys[0], b"act")
        assert box.get(soon()).token == number
        site.env.cancel(found)
        site.env.cancel(found)
    site.agent.send(topology.ACTS, act_key, b"still there")
    assert acts.get(soon()).body == b"still there"


def test_what_the_broker_says_of_a_queue_does_not_show_the_id_of_its_episode(site, connect):
    episode = secrets.token_hex(16)
    key = topology.act_key(episode, "a" * 16)
    site.env.inbox(topology.ACTS, [key], site.env.mailbox(), "", prefetch=1, deadline=soon())
    with pytest.raises(broker.QueueTaken, match=topology.public_id(episode)) as caught:
        connect().inbox(topology.ACTS, [key], site.env.mailbox(), "", prefetch=1, deadline=soon())
    assert episode not in str(caught.value)


def test_a_queue_that_is_given_up_at_once_harms_nobody(site):
    acts, act_key = site.acts()
    for number in range(200):
        site.env.cancel(site.env.listen(topology.PRESENCE, [f"nobody.{number}"], site.env.mailbox(), "", soon()))
    site.agent.send(topology.ACTS, act_key, b"still there")
    assert acts.get(soon()).body == b"still there"


def test_a_make_for_a_world_that_nobody_hosts_comes_back(site, key):
    assert site.env.publish(topology.WORLDS, key, b"make", deadline=soon()) is Receipt.UNROUTABLE


def test_a_world_is_named_by_its_env_and_its_name_and_by_nothing_else():
    pairs = [("a", "bc"), ("ab", "c"), ("a", "b"), ("1:a", ""), ("a", "1:a"), ("", "a")]
    keys = {topology.world_key(*pair) for pair in pairs}
    assert len(keys) == len(pairs)
    assert topology.world_key("a", "bc") in keys
    assert all(len(key) == len("world.") + 32 for key in keys)
