"""Envs with more than reset and step: masks, rewards of goals, attributes; and methods that behave badly."""

from __future__ import annotations

import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from env_worker.compat import import_gym

gym = import_gym()


class Maskable(gymnasium.Env):
    """Its masks go round with its steps; ``gravity`` and ``goal`` are there to be read and set."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Discrete(100)
    action_space = spaces.Discrete(3)
    render_mode = None

    def __init__(self, gravity: float = 9.8) -> None:
        self.gravity, self.count, self._secret = gravity, 0, "secret"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.goal = 0, np.array([1.0, 2.0], np.float32)
        return 0, {}

    def step(self, action):
        assert self.action_masks()[action], f"{action} is masked"
        self.count += 1
        return self.count, 1.0, False, False, {"gravity": self.gravity}

    def action_masks(self):
        return np.arange(3) != self.count % 3

    def compute_reward(self, achieved_goal, desired_goal, info):
        assert isinstance(info, (dict, np.ndarray, list))
        return -np.linalg.norm(np.asarray(achieved_goal) - np.asarray(desired_goal), axis=-1).astype(np.float32)

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    def fail(self) -> None:
        raise RuntimeError("no masks today")

    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "awake"

    def open_handle(self) -> Any:
        return {"handle": [open]}

    def much(self) -> Any:
        return np.zeros(2**25, np.uint8)

    @property
    def broken(self) -> float:
        raise ZeroDivisionError("no number")


class Lifted(gymnasium.Wrapper):
    """A wrapper with an attribute and a method of its own."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.height = 3

    def lift(self, by: int) -> int:
        self.height += by
        return self.height


def lifted(**kwargs: Any) -> gymnasium.Env:
    """``Maskable`` deep in wrappers."""
    return gymnasium.wrappers.TimeLimit(Lifted(gymnasium.wrappers.OrderEnforcing(Maskable(**kwargs))), 50)


class GymMaskable(gym.Env):
    """The same of gym 0.26, in short."""

    observation_space = gym.spaces.Discrete(100)
    action_space = gym.spaces.Discrete(3)
    gravity = 9.8

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 1, 1.0, False, False, {"gravity": self.gravity}

    def action_masks(self):
        return np.array([True, False, True])


def gym_wrapped() -> Any:
    """``GymMaskable`` in a wrapper of gym's."""
    return gym.wrappers.TimeLimit(GymMaskable(), 50)
