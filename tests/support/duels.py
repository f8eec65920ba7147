"""Envs of two agents as they were before PettingZoo: lists of spaces, observations, rewards and flags."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces


class Duel:
    """As those of ma_gym. Who is done sooner has to act on until both are: player 0 is after 2 steps, player 1 after 3.

    Observations are the number of the seed, of steps, and what that agent did last.
    """

    metadata = {"render.modes": ["human", "rgb_array"]}

    def __init__(self) -> None:
        self.observation_space = [spaces.Box(0, 100, (3,), np.float32)] * 2
        self.action_space = [spaces.Discrete(3), spaces.Discrete(4)]
        self.start = 0

    def seed(self, seed=None):
        self.start = seed

    def reset(self):
        self.steps, self.did = 0, [0, 0]
        return self._observe()

    def step(self, actions):
        self.steps, self.did = self.steps + 1, list(actions)
        rewards = [float(actions[0]), -float(actions[1])]
        return self._observe(), rewards, [self.steps >= 2, self.steps >= 3], {"steps": self.steps}

    def render(self, mode="human"):
        assert mode == "rgb_array"
        return np.full((2, 2, 3), self.steps, np.uint8)

    def _observe(self):
        return [np.array([self.start, self.steps, did], np.float32) for did in self.did]
