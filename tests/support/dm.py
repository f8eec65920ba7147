"""Envs of the dm_env API, without dm_env: what an env worker goes by is what they can do."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class Array:
    shape: tuple[int, ...]
    dtype: Any


@dataclass(frozen=True)
class BoundedArray:
    shape: tuple[int, ...]
    dtype: Any
    minimum: Any
    maximum: Any


@dataclass(frozen=True)
class DiscreteArray:
    num_values: int
    dtype: Any = np.int32
    shape: tuple[int, ...] = ()
    minimum: int = 0


class TimeStep(NamedTuple):
    step_type: int
    reward: Any
    discount: Any
    observation: Any

    def last(self) -> bool:
        return self.step_type == 2


class Walk:
    """Walks left and right; over after ``limit`` steps, lost at -3. Its first position is drawn."""

    def __init__(self, limit: int = 20) -> None:
        self.limit, self.random_state = limit, np.random.RandomState()
        self.at, self.count, self.closed = 0, 0, False

    def observation_spec(self):
        count = BoundedArray((1,), np.int32, 0, 100)
        return OrderedDict(place=Array((), np.float64), count=count, even=Array((), bool))

    def action_spec(self):
        return DiscreteArray(2)

    def _observe(self):
        return OrderedDict(place=float(self.at), count=np.array([self.count], np.int32), even=self.count % 2 == 0)

    def reset(self):
        self.at, self.count = int(self.random_state.randint(4)), 0
        return TimeStep(0, None, None, self._observe())

    def step(self, action):
        self.count += 1
        self.at += 1 if action else -1
        if self.at <= -3:
            return TimeStep(2, -1.0, 0.0, self._observe())
        return TimeStep(2 if self.count >= self.limit else 1, float(self.at), 1.0, self._observe())

    def double(self, number):
        """To be called from afar."""
        return 2 * number

    def close(self):
        self.closed = True


class Task:
    """What dm_control's suite keeps its generator in."""

    def __init__(self) -> None:
        self.random = np.random.RandomState()


class TaskWalk(Walk):
    """Its generator is its task's."""

    def __init__(self) -> None:
        super().__init__()
        self.task = Task()
        self.random_state = None

    def reset(self):
        self.at, self.count = int(self.task.random.randint(1000)), 0
        return TimeStep(0, None, None, self._observe())


class SeededWalk(Walk):
    """It has a method of its own for its seed, and one wide array."""

    def __init__(self) -> None:
        super().__init__()
        self.random_state = None

    def seed(self, seed):
        self.at = seed

    def action_spec(self):
        return BoundedArray((2,), np.float32, [-1.0, -2.0], 1.0)

    def reset(self):
        return TimeStep(0, None, None, self._observe())

    def step(self, action):
        return TimeStep(1, None, 1.0, self._observe())


class Unseedable(Walk):
    """Nobody can seed it."""

    def __init__(self) -> None:
        super().__init__()
        self.random_state = None

    def reset(self):
        return TimeStep(0, None, None, self._observe())


class Text:
    """A spec of what no space of ours is."""

    shape, dtype = (), np.dtype(object)
