"""Catch, after the example of dm_env: a ball falls down a board, and a paddle at the bottom should be under it."""

from __future__ import annotations

import dm_env
import numpy as np
from dm_env import specs


class Catch(dm_env.Environment):
    """An episode is as long as the board is high; its reward is 1 or -1. It may be seeded later, too."""

    def __init__(self, rows: int = 10, columns: int = 5, seed: int = 1) -> None:
        self._board = np.zeros((rows, columns), np.float32)
        self._over = True
        self.seed(seed)

    def seed(self, seed: int) -> None:
        self._random = np.random.RandomState(seed)

    def reset(self) -> dm_env.TimeStep:
        self._over, self._row, self._ball = False, 0, self._random.randint(self._board.shape[1])
        self._paddle = self._board.shape[1] // 2
        return dm_env.restart(self._observe())

    def step(self, action: int) -> dm_env.TimeStep:
        if self._over:
            return self.reset()
        self._paddle = int(np.clip(self._paddle + action - 1, 0, self._board.shape[1] - 1))
        self._row += 1
        if self._row == self._board.shape[0] - 1:
            self._over = True
            return dm_env.termination(reward=1.0 if self._paddle == self._ball else -1.0, observation=self._observe())
        return dm_env.transition(reward=0.0, observation=self._observe())

    def observation_spec(self) -> specs.BoundedArray:
        return specs.BoundedArray(self._board.shape, self._board.dtype, 0.0, 1.0, name="board")

    def action_spec(self) -> specs.DiscreteArray:
        return specs.DiscreteArray(3, dtype=int, name="action")

    def _observe(self) -> np.ndarray:
        self._board.fill(0.0)
        self._board[self._row, self._ball] = self._board[-1, self._paddle] = 1.0
        return self._board  # the same array each time, as in dm_env's own
