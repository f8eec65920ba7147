"""``agent-worker ping``, from within."""

from __future__ import annotations

import gymnasium
import pytest

from agent_worker.errors import EnvError, UnknownEnv
from agent_worker.pinging import ping
from tests.support.commands import eventually

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


def test_nobody_to_ping_is_told(empty_url):
    with pytest.raises(UnknownEnv, match="no env worker is at"):
        ping(None, empty_url, 5, 20.0)
