"""What is kept at the broker: the newest message under a key, for whoever asks, even if who put it there is gone."""

from __future__ import annotations

import secrets
import threading

import pytest

import broker
from broker import topology
from tests.broker.site import soon

EVALUATIONS = topology.EVALUATIONS


@pytest.fixture
def key():
    return topology.evaluation_kept_key(topology.evaluation_key(secrets.token_hex(4)))


def test_what_was_kept_last_is_found_again_and_again_by_anybody(site, key):
    assert site.agent.kept(EVALUATIONS, key, soon()) is None
    for body in (b"", b"first", b"x" * 300_000):
        site.agent.keep(EVALUATIONS, key, body, soon())
        assert [one.kept(EVALUATIONS, key, soon()) for one in (site.agent, site.agent, site.env)] == [body] * 3
    assert site.agent.kept(EVALUATIONS, f"{key}2", soon()) is None


def test_what_is_kept_outlives_the_connection_that_kept_it(site, connect, key):
    first = connect()
    first.keep(EVALUATIONS, key, b"kept", soon())
    first.close()
    assert site.agent.kept(EVALUATIONS, key, soon()) == b"kept"
    site.agent.keep(EVALUATIONS, key, b"newer", soon())
    assert connect().kept(EVALUATIONS, key, soon()) == b"newer"


def test_keeping_and_asking_go_on_beside_other_requests_of_the_same_connection(site, key):
    found = []

    def ask(number):
        mine = f"{key}{number}"
        for round_ in range(20):
            site.agent.keep(EVALUATIONS, mine, b"%d %d" % (number, round_), soon())
            found.append(site.agent.kept(EVALUATIONS, mine, soon()) == b"%d %d" % (number, round_))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20):
        mailbox, percept_key = site.percepts(f"percept.{number}.{site.agent.incarnation}")
        site.env.send(topology.PERCEPTS, percept_key, b"reply")
        assert mailbox.get(soon()).body == b"reply"
    for thread in threads:
        thread.join(30)
    assert found == [True] * 60


def test_nothing_can_be_kept_where_no_env_worker_has_ever_been(empty_url, key):
    connection = broker.connect(empty_url, timeout_s=10)
    try:
        with pytest.raises(broker.TopologyMissing, match=r"gym\.evaluations"):
            connection.keep(EVALUATIONS, key, b"", soon())
        with pytest.raises(broker.TopologyMissing, match=r"gym\.evaluations"):
            connection.kept(EVALUATIONS, key, soon())
        assert not connection.closed
    finally:
        connection.close()


def test_a_closed_connection_keeps_nothing(connect, key):
    connection = connect()
    connection.close()
    with pytest.raises(broker.ConnectionLost):
        connection.keep(EVALUATIONS, key, b"", soon())
    with pytest.raises(broker.ConnectionLost):
        connection.kept(EVALUATIONS, key, soon())


def test_a_queue_that_keeps_is_durable_holds_one_message_and_goes_when_nobody_asks_for_a_day():
    spec = topology.kept_spec("key")
    assert spec.durable
    assert spec.arguments() == {
        "x-queue-type": "classic", "x-max-length": 1, "x-overflow": "drop-head", "x-expires": 86_400_000,
    }  # fmt: skip


def test_names_of_evaluations_are_hashed_and_their_queues_apart():
    key = topology.evaluation_key("my evaluation " * 100)
    assert len(key) == len("evaluation.") + 32
    names = {key, topology.evaluation_kept_key(key), topology.player_key(key, "i"), topology.evaluation_key("another")}
    assert len(names) == 4
