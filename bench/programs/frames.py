"""Envs whose observations are four stacked frames, as of Atari games after the usual wrappers."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

SHAPE = (84, 84, 4)
BYTES = 84 * 84 * 4


class Frames(gymnasium.Env[Any, Any]):
    """Shows noise, in turn one of some arrays that were made before: the env itself costs next to nothing."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(0, 255, SHAPE, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(4)
        self._frames = np.random.default_rng(0).integers(0, 256, (16, *SHAPE), np.uint8)
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first of them."""
        super().reset(seed=seed)
        self._steps = 0
        return self._frames[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The next one."""
        self._steps += 1
        return self._frames[self._steps % len(self._frames)], 0.0, False, False, {}


class Ball(Frames):
    """Shows a ball, two paddles and a score on a ground of one colour: most of it repeats itself."""

    def __init__(self) -> None:
        super().__init__()
        places = np.random.default_rng(0).integers(12, 74, (len(self._frames), 4, 4))
        self._frames[:] = 87
        self._frames[:, :10] = 52
        for frames, of_frame in zip(self._frames, places, strict=True):
            for index, (left, right, row, column) in enumerate(of_frame):
                frames[left : left + 8, 4:6, index] = 148
                frames[right : right + 8, 78:80, index] = 92
                frames[row : row + 2, column : column + 2, index] = 236
