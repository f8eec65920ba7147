"""The slots of a worker: none is lost by what goes wrong while an episode ends; nobody turns a full one in circles."""

from __future__ import annotations

import secrets
import threading
import time

import pytest

from agent_worker.errors import StepTimeout
from broker import connect, topology
from broker.errors import BrokerTimeout
from broker.port import Kind
from protocol.agent_dialogue import AgentDialogue
from protocol.codec import decode
from tests.support.commands import eventually

SUM, SOLITAIRE, COUNTING = "tests.support.worlds:Sum", "tests.support.worlds:Solitaire", "tests.support.envs:Counting"


def at_next_cancel(connection, trouble):
    """``trouble`` strikes when the worker deletes its next queue."""
    cancel = connection.cancel

    def once(subscription):
        connection.cancel = cancel
        trouble()
        cancel(subscription)

    connection.cancel = once


def test_a_full_worker_whose_connection_breaks_while_its_world_ends_takes_requests_again(serve, remote):
    worker = serve(SUM, capacity=1)
    env = remote(SUM, world="first").open()
    connection = worker._stepper._connection
    at_next_cancel(connection, connection.close)
    env.close()
    assert remote(SUM, world="second").open().description.world["name"] == "second"


def test_a_full_worker_whose_broker_is_slow_to_delete_a_queue_takes_requests_again(serve, remote):
    worker = serve(COUNTING, capacity=1)
    env = remote(COUNTING).open()

    def stall():
        raise BrokerTimeout("the broker did not answer in time")

    at_next_cancel(worker._stepper._connection, stall)
    env.close()
    remote(COUNTING).open()


def test_a_make_that_lies_in_the_queue_of_another_world_is_not_given_back_to_it(serve, remote, broker_url):
    worker = serve(SUM, capacity=1, env_kwargs={"agents": 1})
    env = remote(SUM, world="host").open()
    given_back = []
    requeue = worker._stepper._connection.requeue
    worker._stepper._connection.requeue = lambda arrival: (given_back.append(arrival), requeue(arrival))
    stranger = connect(broker_url, timeout_s=10.0)
    try:
        dialogue = AgentDialogue(secrets.token_hex(16), stranger.incarnation)
        for fields in ({"world": "another"}, {}):
            make = dialogue.make(SUM, **fields)
            stranger.publish(topology.WORLDS, topology.world_key(SUM, "host"), make, deadline=time.monotonic() + 10)
        env.reset()
        for _ in range(3):
            env.step(1)
    finally:
        stranger.close()
    assert given_back == []


def test_a_make_that_comes_again_after_its_seat_was_refused_is_not_answered_again(serve, remote, broker_url):
    """Agents ask the host of a world every second, and may stand in line, too."""
    serve(SUM, capacity=1)
    env = remote(SUM, world="w", seat="player_0").open()
    agent, deadline = connect(broker_url, timeout_s=10.0), time.monotonic() + 30
    try:
        for _ in range(10):
            dialogue, mailbox = AgentDialogue(secrets.token_hex(16), agent.incarnation), agent.mailbox()
            key = topology.percept_key(dialogue.episode, agent.incarnation)
            agent.inbox(topology.PERCEPTS, [key], mailbox, "", prefetch=0, deadline=deadline)
            make = dialogue.make(SUM, world="w", seat="player_0")
            for _ in range(3):
                agent.publish(topology.WORLDS, topology.world_key(SUM, "w"), make, deadline=deadline)
            other = remote(SUM, world="w").open()  # comes after the three
            other.close()
            heard = [decode(mailbox.get(deadline).body).performative for _ in range(2)]
            assert heard == ["accepted", "error"]
            assert mailbox.get(time.monotonic()) is None
    finally:
        agent.close()
    assert env.description.world["seat"] == "player_0"


def test_a_make_that_was_handed_on_to_a_host_that_died_is_taken_by_another_worker(serve, remote, broker_url):
    """The host of the world, and the worker that handed on to it, are played by a connection of the test."""
    host = connect(broker_url, timeout_s=10.0)
    deadline = time.monotonic() + 30
    host.declare_exchanges(deadline)
    mailbox = host.mailbox()
    line = host.serve(SUM, mailbox, "line", deadline)
    found = []
    thread = threading.Thread(target=lambda: found.append(remote(SUM, world="w", make_timeout=30.0).open()))
    thread.start()
    arrival = mailbox.get(deadline)
    assert (arrival.kind, arrival.token) == (Kind.MESSAGE, "line")
    host.inbox(topology.WORLDS, [topology.world_key(SUM, "w")], mailbox, "world", prefetch=4, deadline=deadline)
    host.ack(arrival)  # as if handed on to the host, the same connection here
    arrival = mailbox.get(deadline)
    assert (arrival.kind, arrival.token) == (Kind.MESSAGE, "world")
    host.cancel(line)
    host.close()
    serve(SUM)
    eventually(lambda: found != [], "the agent has its seat", timeout=25.0)
    thread.join()
    assert found[0].description.world["name"] == "w"


def test_a_game_that_goes_on_by_itself_without_end_stops_nobody_else(serve, remote):
    serve(SOLITAIRE, COUNTING, seat_timeout=0.2)
    env, neighbour = remote(SOLITAIRE, world="w", seat="player_0"), remote(COUNTING)
    env.reset()
    neighbour.reset()
    env.step_timeout = 3.0
    with pytest.raises(StepTimeout):
        env.step(0)
    assert neighbour.step(0)[0] == [1]
