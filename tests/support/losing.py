"""Workers that are lost, as a test wants it, and envs that show what became of them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from tests.support.envs import Counting

if TYPE_CHECKING:
    from env_worker import EmbeddedWorker

DRIFTING = "tests.support.losing:Drifting"
ADJUSTABLE = "tests.support.losing:Adjustable"
JOURNALED = "tests.support.losing:journaled"


def vanish(worker: EmbeddedWorker) -> None:
    """What a worker has is gone at once, without a word, as if its process had been killed and started again."""
    worker._stepper.slots.clear()
    worker._stepper._connection.close()


def kill(description: Any) -> None:
    """End the process of the worker that ``description`` is of by SIGKILL."""
    os.kill(int(description.worker.rpartition("/")[2]), signal.SIGKILL)


class Drifting(Counting):
    """Not reproducible: from ``at`` on it observes how many of its kind there have been in this process."""

    made = 0

    def __init__(self, at: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        Drifting.made += 1
        self._at, self._number = at, Drifting.made

    def _observe(self) -> np.ndarray:
        return np.array([self.count + 1000 * self._number * (self.count >= self._at)], np.int64)


class Adjustable(Counting):
    """Its rewards are ``gain`` times the action; ``push`` adds to what it has counted."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain = 1.0

    def push(self, by: int) -> int:
        self.count += by
        return self.count

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward * self.gain, *rest


class Journaled(gymnasium.Wrapper):
    """Writes down each reset and each step before it is executed, with who executes it."""

    instances = 0

    def __init__(self, env: gymnasium.Env, journal: str) -> None:
        super().__init__(env)
        Journaled.instances += 1
        self._who = f"{os.getpid()}.{Journaled.instances}"
        self._file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def _write(self, what: str) -> None:
        os.write(self._file, f"{self._who} {what}\n".encode())

    def reset(self, *, seed=None, options=None):
        self._write(f"reset {seed}")
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self._write(f"step {np.asarray(action).tolist()}")
        return super().step(action)

    def close(self):
        os.close(self._file)
        super().close()


def journaled(env_id: str, journal: str) -> gymnasium.Env:
    """``env_id`` of Gymnasium's, or the price bandit, whose runs are written to the file ``journal``."""
    if env_id == "PriceBandit-v0":
        from env_worker.price import PriceBandit

        return Journaled(PriceBandit(), journal)
    return Journaled(gymnasium.make(env_id, disable_env_checker=True), journal)
