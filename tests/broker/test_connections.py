"""How connections end, by intent, by loss and by fork, and what is left then; over both transports."""

from __future__ import annotations

import gc
import threading
import tracemalloc

import pytest

import broker
from broker import topology
from broker.amqp import framing
from broker.errors import ConnectionLost
from tests.broker.site import bodies, come_in, eventually, quiet, soon
from tests.support.forks import in_a_child


def test_closing_twice_is_fine_and_what_is_closed_says_so(site):
    assert not site.env.closed
    site.env.close()
    site.env.close()
    assert site.env.closed


def test_a_closed_connection_refuses_everything_and_names_itself(site):
    mailbox, key = site.percepts()
    subscription = site.agent.listen(topology.EVENTS, ["#"], mailbox, "token", soon())
    agent = site.agent
    agent.close()
    for use in (
        lambda: agent.send(topology.ACTS, "key", b""),
        lambda: agent.publish(topology.ACTS, "key", b"", deadline=soon()),
        lambda: agent.announce(topology.EVENTS, "key", b""),
        lambda: agent.inbox(topology.PERCEPTS, [key], mailbox, "token", prefetch=0, deadline=soon()),
        lambda: agent.serve(site.env_id, mailbox, "token", soon()),
        lambda: agent.listen(topology.EVENTS, ["#"], mailbox, "token", soon()),
        lambda: agent.declare_exchanges(soon()),
        lambda: agent.watch("key", mailbox, "token"),
        lambda: agent.cancel(subscription),
        lambda: mailbox.get(soon()),
        lambda: mailbox.run(lambda arrival: None, soon()),
        agent.mailbox,
    ):
        with pytest.raises(broker.ConnectionLost) as caught:
            use()
        assert agent.label in str(caught.value)
        assert "closed by this process" in str(caught.value)


def test_all_who_wait_learn_of_the_end_of_their_connection(site):
    causes: list[str] = []

    def wait(mailbox):
        with pytest.raises(broker.ConnectionLost) as caught:
            mailbox.get(soon(60))
        causes.append(str(caught.value))

    waiting = [threading.Thread(target=wait, args=(site.agent.mailbox(),)) for _ in range(5)]
    for thread in waiting:
        thread.start()
    site.agent.close()
    for thread in waiting:
        thread.join(20)
    assert len(causes) == 5
    assert len(set(causes)) == 1


def test_what_had_arrived_is_given_out_after_the_end_unless_it_needs_settling(site):
    acts, act_key = site.acts()
    percepts, percept_key = site.percepts()
    site.agent.send(topology.ACTS, act_key, b"lost with the connection")
    site.env.send(topology.PERCEPTS, percept_key, b"first")
    site.env.send(topology.PERCEPTS, percept_key, b"second")
    assert bodies(percepts, 1) == [b"first"]
    come_in(site.agent, percepts)
    site.agent.close()
    assert bodies(percepts, 1) == [b"second"]
    with pytest.raises(broker.ConnectionLost):
        percepts.get(soon())
    assert quiet(site.env.mailbox())
    site.env.close()
    with pytest.raises(broker.ConnectionLost):
        acts.get(soon())


def test_the_queues_of_a_connection_end_with_it(site):
    _, key = site.percepts()
    returns = site.env.mailbox()
    site.env.watch(key, returns, "gone")
    site.agent.close()

    def comes_back():
        site.env.send(topology.PERCEPTS, key, b"")
        return returns.get(soon(0.05)) is not None

    eventually(comes_back, "a message to a closed connection comes back")


def test_a_forked_child_is_refused_and_its_parent_goes_on(site):
    percepts, key = site.percepts()
    site.env.send(topology.PERCEPTS, key, b"before")
    assert bodies(percepts, 1) == [b"before"]

    def child():
        refused = 0
        for use in (
            lambda: site.agent.send(topology.ACTS, "key", b""),
            lambda: percepts.get(soon()),
            lambda: site.agent.publish(topology.ACTS, "key", b"", deadline=soon()),
            site.agent.mailbox,
        ):
            try:
                use()
            except broker.ConnectionForked as error:
                refused += site.agent.label in str(error)
        site.agent.close()
        site.env.close()
        return f"{refused} {site.agent.closed}"

    assert in_a_child(child) == "4 True"
    site.env.send(topology.PERCEPTS, key, b"after")
    assert bodies(percepts, 1) == [b"after"]
    assert not site.env.closed


def test_a_forked_child_opens_connections_of_its_own(site, broker_url):
    def child():
        connection = broker.connect(broker_url, timeout_s=10)
        connection.declare_exchanges(soon())
        mailbox = connection.mailbox()
        connection.inbox(topology.ACTS, ["child"], mailbox, "token", prefetch=0, deadline=soon())
        connection.send(topology.ACTS, "child", b"hello")
        arrival = mailbox.get(soon())
        connection.close()
        return arrival.body.decode()

    assert in_a_child(child) == "hello"


def test_shared_gives_one_connection_until_it_ends_or_the_process_forks(broker_url):
    first = broker.shared(broker_url, timeout_s=10)
    assert broker.shared(broker_url, timeout_s=10) is first
    found: list[broker.Connection] = []
    threads = [threading.Thread(target=lambda: found.append(broker.shared(broker_url, timeout_s=10))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(one) for one in found} == {id(first)}

    def child():
        mine = broker.shared(broker_url, timeout_s=10)
        said = f"{mine is first} {mine.closed} {first.closed}"
        mine.close()
        return said

    assert in_a_child(child) == "False False True"
    first.close()
    second = broker.shared(broker_url, timeout_s=10)
    assert second is not first
    assert not second.closed
    second.close()


def test_a_connection_that_has_broken_gives_its_memory_back_before_the_collector_comes(amqp_url):
    def come_and_go() -> None:
        connection = broker.connect(amqp_url, timeout_s=10, name="test")
        connection.wire.shut_down()
        with pytest.raises(ConnectionLost):
            connection.mailbox().get(soon())
        eventually(lambda: connection.wire._socket.fileno() == -1, "its socket is closed")

    come_and_go()  # what is loaded once
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(4):
            come_and_go()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held / 4 < framing.FRAME_MAX / 2
