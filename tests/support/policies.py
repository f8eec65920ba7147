"""A user's policies."""

from __future__ import annotations

import numpy as np


def always_two(observation):
    """The simplest policy: a function."""
    return 2


def broken(observation):
    """A policy with a fault of its own."""
    return 1 / 0


class Drawing:
    """Draws its actions, anew for each episode, as its seed and the episode's number say."""

    learns = False

    def __init__(self, *, observation_space, action_space, seed):
        self._space, self._seed, self._generators = action_space, seed, {}

    def begin(self, lane, number):
        self._generators[lane] = np.random.default_rng([self._seed, number])

    def _draw(self, lane):
        return tuple(int(self._generators[lane].integers(part.n)) for part in self._space)

    def act(self, observation, info):
        return self._draw(0)

    def act_batch(self, observations, infos):
        return tuple(np.array(part) for part in zip(*(self._draw(lane) for lane in range(len(infos))), strict=True))

    def learn(self, *step):
        raise AssertionError("it said that it does not learn")


def leaning(observation):
    """Push the cart to where the pole leans: deterministic, and of some use."""
    return int(observation[2] + observation[3] > 0)
