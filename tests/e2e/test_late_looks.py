"""An agent in line looks again and again; a last look that comes too late hides nothing of what is known."""

from __future__ import annotations

import time
from itertools import count

import pytest

from agent_worker.errors import NoFreeWorker, UnknownEnv
from broker import shared, topology
from broker.errors import BrokerTimeout

SUM = "tests.support.worlds:Sum"
COUNTING = "tests.support.envs:Counting"


@pytest.fixture
def slow_from(monkeypatch, broker_url):
    """From a given message on, the broker confirms nothing that comes to an exchange before its deadline."""

    def set_up(exchange, first):
        one, sent = shared(broker_url, timeout_s=10.0), count()
        kind, publish = type(one), type(one).publish

        def late(self, to, *args, deadline, **kwargs):
            if to == exchange and next(sent) >= first:
                time.sleep(max(0.0, deadline - time.monotonic()))
                raise BrokerTimeout("the broker did not answer in time")
            return publish(self, to, *args, deadline=deadline, **kwargs)

        monkeypatch.setattr(kind, "publish", late)

    return set_up


def test_an_env_that_nobody_serves_is_unknown(serve, remote, slow_from, patience):
    serve(COUNTING)
    slow_from(topology.REQUESTS, 1)
    with pytest.raises(UnknownEnv, match=r"'Nothing-v0' is not served.*test.*Counting") as caught:
        remote("Nothing-v0", make_timeout=patience).open()
    assert isinstance(caught.value.__cause__, BrokerTimeout)


def test_who_stands_in_line_for_a_world_is_told_of_the_line(serve, remote, slow_from, patience):
    serve(SUM, capacity=1)
    remote(SUM, world="one", seat="player_0").open()
    slow_from(topology.WORLDS, 1)
    with pytest.raises(NoFreeWorker, match=f"no worker took the request within {patience:g} s"):
        remote(SUM, world="another", seat="player_0", make_timeout=patience).open()


def test_a_broker_that_never_confirms_is_told_of_itself(serve, remote, slow_from):
    serve(COUNTING)
    slow_from(topology.REQUESTS, 0)
    with pytest.raises(BrokerTimeout):
        remote(COUNTING, make_timeout=1.0).open()
