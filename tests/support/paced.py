"""Envs that a test drives from outside: they wait for a gate in this process, or tell of themselves what it needs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from tests.support.envs import Counting, Everything

GATED = "tests.support.paced:Gated"
TELLING = "tests.support.paced:Telling"
SIZED = "tests.support.paced:Sized"
SLOW = "tests.support.paced:Slow"
ENDING = "tests.support.paced:Ending"

WAIT, RAISE = 2, 1
"""Actions of ``Gated``; 0 counts on."""


class Gated(Counting):
    """Counts; the action ``WAIT`` first waits until the test opens the gate, and ``RAISE`` raises.

    So waits a reset with ``options={"wait": True}``.

    ``slow``: making it waits as well.
    """

    gate = threading.Event()
    waiting = threading.Semaphore(0)
    """Released by each that begins to wait."""

    def __init__(self, slow: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        if slow:
            self._wait()

    def _wait(self) -> None:
        Gated.waiting.release()
        assert Gated.gate.wait(60), "the test never opened the gate"

    def pause(self):
        """To be called."""
        self._wait()

    def reset(self, *, seed=None, options=None):
        if options and options.get("wait"):
            self._wait()
        return super().reset(seed=seed, options=options)

    def step(self, action):
        if action == WAIT:
            self._wait()
        if action == RAISE:
            raise RuntimeError("told to")
        return super().step(action)


class Telling(gymnasium.Env):
    """Short runs of random lengths, with infos of all kinds that come and go: what ``VectorEnv`` gathers by key."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observe(), self._tell()

    def step(self, action):
        return self._observe(), self.np_random.normal(), *(self.np_random.random(2) < 0.1), self._tell()

    def _observe(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def _tell(self) -> dict[str, Any]:
        random = self.np_random
        told = {
            "int": int(random.integers(100)), "float": random.random(), "bool": bool(random.random() < 0.5),
            "float32": np.float32(random.random()), "text": "x" * int(random.integers(4)), "none": None,
            "array": random.integers(0, 9, (2, 3)), "list": [1, "two"],
            "nested": {"deep": {"int": int(random.integers(9))}, "array": random.random(2)},
        }  # fmt: skip
        kept = [key for key in told if random.random() < 0.4]
        random.shuffle(kept)
        return {key: told[key] for key in kept}


class Sized(Counting):
    """Observes ``size`` numbers."""

    def __init__(self, size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.observation_space = spaces.Box(0, 2**31 - 1, (size,), np.int64)

    def _observe(self):
        return np.full(self.observation_space.shape, self.count, np.int64)


class Slow(Counting):
    """The first step of each run takes a while, until there is the file ``gate``. It may be of another process."""

    def __init__(self, gate: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self._gate = Path(gate)

    def step(self, action):
        until = time.monotonic() + 0.5
        while self.count == 0 and not self._gate.exists() and time.monotonic() < until:
            time.sleep(0.01)
        return super().step(action)


class Ending(Everything):
    """Observes values of all ten spaces, in short runs of random lengths."""

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            return super().reset(seed=seed)
        return self.observation_space.sample(), {}  # drawn on, as after a seed

    def step(self, action):
        observation, _, _, _, info = super().step(action)
        return observation, 1.0, *(self.np_random.random(2) < 0.1), info
