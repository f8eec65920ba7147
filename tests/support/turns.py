"""An env whose steps wait at a gate, and are written down: who had his turn when."""

from __future__ import annotations

import threading
from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces


class Turns(gymnasium.Env):
    """Steps only while ``gate`` is open, and notes its name in ``log``."""

    observation_space = spaces.Discrete(2)
    action_space = spaces.Discrete(3)
    gate: ClassVar[threading.Event] = threading.Event()
    waits: ClassVar[threading.Event] = threading.Event()
    """A step stands before the gate, or has passed it."""
    log: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        self.waits.set()
        assert self.gate.wait(60.0), "nobody opens the gate"
        self.log.append(self.name)
        return 1, 0.0, False, False, {}


class Wide(gymnasium.Env):
    """Observes 64 KiB."""

    observation_space = spaces.Box(0, 255, (2**16,), "uint8")
    action_space = spaces.Discrete(3)
    _observation = np.zeros(2**16, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observation, {}

    def step(self, action):
        return self._observation, 0.0, False, False, {}
