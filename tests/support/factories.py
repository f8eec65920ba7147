"""Objects for ``--factory``: good ones, and such as are none."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from tests.support import dm
from tests.support.envs import Counting, OldApi


def make(env_id: str, **kwargs: Any) -> Any:
    """The least that a factory can be."""
    kinds = {"Counting-v0": Counting, "Old-v0": OldApi, "Walk-v0": dm.Walk, "Thing-v0": dict}
    return kinds[env_id](**kwargs)


def limited(env_id: str, limit: int) -> Counting:
    """Needs to be told one thing more."""
    return Counting(limit=limit)


class Processing:
    """Makes one id, and changes all that its env gives: the observation is twice as long, as its space is."""

    ids = ("Twice-v0",)

    def make(self, env_id: str, **kwargs: Any) -> Any:
        return Counting(**kwargs)

    def observation_space(self, space: spaces.Box) -> spaces.Box:
        return spaces.Box(0, 2**31 - 1, (2,), np.int64)

    def on_reset(self, observation, info):
        return np.repeat(observation, 2), {**info, "processed": True}

    def on_step(self, observation, reward, terminated, truncated, info):
        return np.repeat(observation, 2), reward * 10, terminated, bool(np.max(observation) >= 3), info


class OldProcessing(Processing):
    """Of an env of four results, whose observation is a number."""

    ids = ["Old-v0"]

    def make(self, env_id: str, **kwargs: Any) -> Any:
        return OldApi(**kwargs)

    def observation_space(self, space: spaces.Discrete) -> spaces.Box:
        return spaces.Box(0, int(space.n), (2,), np.int64)


class Careless(Processing):
    """Its step gives four results, its reset what is not in the space."""

    ids = None

    def on_reset(self, observation, info):
        return np.zeros(5), info

    def on_step(self, observation, reward, terminated, truncated, info):
        return observation, reward, terminated, info


class Many:
    """As an env of many agents: its spaces are methods."""

    def reset(self, seed=None, options=None):
        return {}, {}

    def step(self, actions):
        return {}, {}, {}, {}, {}

    def observation_space(self, agent):
        return spaces.Discrete(2)

    action_space = observation_space


class ManyProcessing(Processing):
    ids = None

    def make(self, env_id: str, **kwargs: Any) -> Any:
        return Many()


class NoSpace(Careless):
    def observation_space(self, space: spaces.Box) -> Any:
        raise ValueError("no such space")


class Raising:
    """It cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("no licence")


class WithoutMake:
    """It has no make, and cannot be called."""


class WrongHook:
    def make(self, env_id: str) -> Any:
        return Counting()

    def on_step(self, results):
        return results


class WrongIds:
    ids = "Counting-v0"

    def make(self, env_id: str) -> Any:
        return Counting()


def without_id() -> Any:
    """It makes one env only, and is not told which."""
    return Counting()
