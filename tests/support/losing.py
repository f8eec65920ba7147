"""Workers that are lost, as a test wants it, and envs that show what became of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from env_worker.price import PriceBandit
from tests.support.commands import eventually
from tests.support.envs import Counting

if TYPE_CHECKING:
    from env_worker import EmbeddedWorker

DRIFTING = "tests.support.losing:Drifting"
ADJUSTABLE = "tests.support.losing:Adjustable"
DOOMED = "tests.support.losing:Doomed"
JOURNALED = "tests.support.losing:journaled"


def vanish(worker: EmbeddedWorker) -> None:
    """What a worker has is gone at once, without a word, as if its process had been killed and started again."""
    with worker._stepper._turn:
        worker._stepper.slots.clear()
    worker._stepper._connection.close()


def stepper_of(description: Any) -> int:
    """The process id of the worker that ``description`` is of."""
    return int(description.worker.rpartition("/")[2])


def kill(description: Any) -> None:
    """End that process by SIGKILL; returns when it executes nothing any more."""
    pid = stepper_of(description)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: is_dead(pid), f"process {pid} is dead")


def is_dead(pid: int) -> bool:
    """Whether it has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


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


def journaled(game: str, journal: str) -> gymnasium.Env:
    """``game``, an id of Gymnasium's or the price bandit's, whose runs are written to the file ``journal``."""
    env = PriceBandit() if game == "PriceBandit-v0" else gymnasium.make(game, disable_env_checker=True)
    return Journaled(env, journal)


def lives(journal: Path) -> list[list[str]]:
    """What each env has executed, in order, of all that wrote to ``journal``."""
    found: dict[str, list[str]] = {}
    for line in journal.read_text().splitlines():
        who, _, what = line.partition(" ")
        found.setdefault(who, []).append(what)
    return list(found.values())


class Doomed(Counting):
    """Dies in its second step if there is the file ``flag``; ``once``: and takes it along."""

    def __init__(self, flag: str, once: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._flag, self._once = Path(flag), once

    def step(self, action):
        if self.count == 1 and self._flag.exists():
            if self._once:
                self._flag.unlink()
            os._exit(3)
        return super().step(action)
