"""What is made for an episode and cannot be hosted: it is closed, and the error says why not."""

from __future__ import annotations

import gymnasium
import pytest

from env_worker.catalogue import Entry
from env_worker.hosted_world import HostedWorld
from env_worker.hosts import host
from env_worker.multi_hosts import UnsupportedAgents
from env_worker.settings import WorkerSettings
from env_worker.spaces import UnsupportedSpace
from protocol.messages import Make
from tests.support.oddities import Unbatchable

SETTINGS = WorkerSettings(("Odd-v0",))


class Closing:
    """Counts how often it was closed, and has trouble with it."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self):
        self.closed += 1
        raise RuntimeError("it does not like to be closed")


class Riddled(Closing, Unbatchable):
    """Observes what nobody knows."""


class Anonymous(Closing):
    """Has many agents, and nobody knows which."""

    def observation_space(self, agent):
        """One agent's."""

    def action_space(self, agent):
        """One agent's."""

    def reset(self, seed=None, options=None):
        """Never called."""

    def step(self, actions):
        """Never called."""


class RiddledLanes(Closing, gymnasium.vector.VectorEnv):
    """Lanes of the same."""

    num_envs = 2
    metadata = {"autoreset_mode": gymnasium.vector.AutoresetMode.NEXT_STEP}
    single_observation_space = Unbatchable.observation_space
    single_action_space = Unbatchable.action_space


def asked(env, **fields):
    """The request for it, and the entry that gives it."""
    make = Make("0" * 32, -1, "0" * 16, "Odd-v0", versions=[1], **fields)
    return make, Entry("Odd-v0", "class", lambda **kwargs: env, {})


@pytest.mark.parametrize(("kind", "error"), [(Riddled, UnsupportedSpace), (Anonymous, UnsupportedAgents)])
def test_an_env_that_cannot_be_hosted_is_closed_and_its_own_trouble_hides_nothing(kind, error):
    env = kind()
    with pytest.raises(error):
        host(*asked(env), SETTINGS)
    assert env.closed == 1


def test_lanes_that_cannot_be_hosted_are_closed(monkeypatch):
    lanes = RiddledLanes()
    gymnasium.register("Riddled-v0", vector_entry_point=lambda num_envs: lanes)
    monkeypatch.setattr(gymnasium, "make_vec", lambda *args, **kwargs: lanes)
    make = Make("0" * 32, -1, "0" * 16, "Riddled-v0", versions=[1], num_envs=2)
    entry = Entry("Riddled-v0", "gymnasium", lambda **kwargs: None, {})
    try:
        with pytest.raises(UnsupportedSpace):
            host(make, entry, WorkerSettings(("Riddled-v0",), vector="entry-point"))
    finally:
        del gymnasium.registry["Riddled-v0"]
    assert lanes.closed == 1


def test_a_world_that_cannot_be_is_closed_and_says_why():
    env = Anonymous()
    world = HostedWorld("world.x")
    with pytest.raises(UnsupportedAgents):
        world.open(*asked(env, world="x"), SETTINGS)
    assert (env.closed, world.state) == (1, None)
