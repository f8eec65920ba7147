"""Telling multi-agent envs from others."""

from __future__ import annotations

import gymnasium
import pytest

from env_worker.compat import import_gym
from env_worker.multi import kind_of
from tests.support.envs import Counting, OldApi


class Methods:
    """Spaces by agent, as envs of many agents have them."""

    def observation_space(self, agent):
        """One agent's."""

    def action_space(self, agent):
        """One agent's."""


class TurnsTaken(Methods):
    """Of no class of PettingZoo's."""

    def observe(self, agent):
        """What one agent sees."""

    def last(self):
        """What the agent whose turn it is needs."""

    @property
    def agent_selection(self):
        raise AttributeError("cannot be accessed before reset")


class Wrapped:
    """Looks into what it wraps, as wrappers of PettingZoo and others do."""

    def __init__(self, env):
        self._env = env

    def __getattr__(self, name):
        return getattr(self._env, name)


def test_an_env_of_one_agent_has_no_kind():
    for env in (Counting(), OldApi(), gymnasium.make("CartPole-v1"), import_gym().make("CartPole-v1"), object()):
        assert kind_of(env) is None


def test_lanes_of_an_env_of_one_agent_have_no_kind():
    assert kind_of(gymnasium.make_vec("CartPole-v1", num_envs=2)) is None


@pytest.mark.parametrize("around", [lambda env: env, Wrapped])
def test_agents_that_act_at_once_and_agents_that_take_turns_are_told_apart(around):
    assert kind_of(around(Methods())) == "parallel"
    assert kind_of(around(TurnsTaken())) == "aec"
