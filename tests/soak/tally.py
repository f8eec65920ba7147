"""The env of a soak: it says how often, and with which actions, it was executed."""

from __future__ import annotations

import zlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

ACTIONS = 1000


def after(digest: int, action: int) -> int:
    """The digest of all actions of a run, after one more."""
    return zlib.crc32(int(action).to_bytes(4, "big"), digest)


class Tally(gymnasium.Env):
    """Observes ``[resets, steps of this run, digest of its actions]``, int64 (3,).

    A request that is executed twice, in another order or not at all shows in the very next observation.
    """

    def __init__(self, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Box(0, 2**62, (3,), np.int64)
        self.action_space = spaces.Discrete(ACTIONS)
        self.render_mode = render_mode
        self._resets = self._steps = self._digest = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._resets += 1
        self._steps = self._digest = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        self._digest = after(self._digest, action)
        return self._observe(), float(self._steps), False, False, {}

    def _observe(self) -> Any:
        return np.array([self._resets, self._steps, self._digest], np.int64)
