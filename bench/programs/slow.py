"""An env that waits, as a simulator on another machine or a game at its own pace does: no core is busy meanwhile."""

from __future__ import annotations

import time
from typing import Any

import gymnasium
import numpy as np

STEP_S = 0.005


class Slow(gymnasium.Env[Any, Any]):
    """Each step sleeps for ``STEP_S``."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self._observation = np.zeros(4, np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Does not sleep."""
        super().reset(seed=seed)
        return self._observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Sleeps."""
        time.sleep(STEP_S)
        return self._observation, 0.0, False, False, {}
