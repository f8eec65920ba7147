"""``agent-worker ping``, from within."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import gymnasium
import pytest

from agent_worker.census import Census
from agent_worker.errors import EnvError, UnknownEnv
from agent_worker.pinging import ping
from gymbroker.doctor import workers_at
from tests.support.commands import eventually
from tests.support.paced import GATED, WAIT, Gated

BROKEN, COUNTING = "tests.e2e.test_pinging:Broken", "tests.support.envs:Counting"


class Broken(gymnasium.Env):
    """It cannot be made."""

    def __init__(self):
        raise ImportError("no simulator here")


def test_an_env_that_can_be_made_is_found_where_none_is_named(serve, broker_url):
    one = serve(BROKEN, COUNTING)
    found = ping(None, broker_url, 5, 20.0)
    assert (found.env_id, found.count) == (COUNTING, 5)
    eventually(lambda: not one._stepper.slots, "the slot is free")


def test_what_is_wrong_with_the_only_one_is_told(serve, broker_url):
    serve(BROKEN)
    with pytest.raises(EnvError, match="no simulator here"):
        ping(None, broker_url, 5, 20.0)


@pytest.mark.parametrize(
    "found",
    [lambda url: [ping(None, url, 5, 20.0).env_id], lambda url: next(one["envs"] for one in workers_at(url, 20.0))],
    ids=["ping", "status"],
)
def test_who_is_at_a_step_when_it_is_asked_whether_it_is_there_is_found(
    serve, remote, broker_url, gate, monkeypatch, found
):
    serve(GATED)
    env = remote(GATED)
    env.reset()
    look, looks = Census.look, []

    def looking(census):
        looks.append(look(census))
        gate.set()
        return looks[-1]

    monkeypatch.setattr(Census, "look", looking)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(env.step, WAIT)
        assert Gated.waiting.acquire(timeout=20)
        assert found(broker_url) == [GATED]
        assert pending.result(20)[0] == [1]
    assert looks[0] == []


def test_nobody_to_ping_is_told(empty_url):
    with pytest.raises(UnknownEnv, match="no env worker is at"):
        ping(None, empty_url, 5, 20.0)
