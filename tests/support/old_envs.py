"""Envs as they were written before gym 0.26, with all that has changed since. They need no gym."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces


class OldPendulum:
    """As in gym 0.21: ``seed()``, a reset without arguments or info, four results, a render that is told its mode.

    Its reward is an array of one number, as in the Pendulum of that time. It keeps one array for its observations.
    """

    metadata = {"render.modes": ["human", "rgb_array", "ansi"], "video.frames_per_second": 30}
    reward_range = (-float("inf"), 0.0)
    spec = None

    def __init__(self, g: float = 10.0) -> None:
        self.g = g
        high = np.array([1.0, 1.0, 8.0], np.float32)
        self.observation_space = spaces.Box(-high, high)
        self.action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)
        self.observed = np.zeros(3, np.float32)
        self.state = np.zeros(2)
        self.seed()

    def seed(self, seed: int | None = None) -> list[int | None]:
        self.np_random = np.random.RandomState(seed)
        return [seed]

    def reset(self) -> np.ndarray:
        self.state = self.np_random.uniform(-np.array([np.pi, 1.0]), np.array([np.pi, 1.0]))
        return self._observe()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, Any, bool, dict[str, Any]]:
        angle, speed = self.state
        torque = np.clip(action, -2.0, 2.0)
        cost = angle**2 + 0.1 * speed**2 + 0.001 * torque**2
        speed = np.clip(speed + (1.5 * self.g * np.sin(angle) + 3.0 * torque[0]) * 0.05, -8.0, 8.0)
        self.state = np.array([angle + speed * 0.05, speed])
        return self._observe(), -cost, False, {}

    def _observe(self) -> np.ndarray:
        self.observed[:] = np.cos(self.state[0]), np.sin(self.state[0]), self.state[1]
        return self.observed

    def render(self, mode: str = "human") -> Any:
        if mode == "ansi":
            return f"angle {self.state[0]:.3f}"
        if mode == "rgb_array":
            return np.full((4, 4, 3), int(abs(self.state[0]) * 40) % 256, np.uint8)
        raise AssertionError("it would open a window")

    def close(self) -> None:
        pass


class OldTimeLimit(OldPendulum):
    """As gym's wrapper of that name was: at the limit it says ``done``, and ``TimeLimit.truncated`` in the info.

    It is lost before that when the pendulum turns over: then the info says that the limit has not cut it off.
    """

    limit = 20

    def reset(self) -> np.ndarray:
        self.elapsed = 0
        return super().reset()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, Any, bool, dict[str, Any]]:
        observation, reward, _, info = super().step(action)
        self.elapsed += 1
        done = bool(abs(self.state[0]) > 2 * np.pi)
        if self.elapsed >= self.limit:
            info["TimeLimit.truncated"] = not done
            done = True
        return observation, reward, done, info


class Interim(OldPendulum):
    """As in gym 0.22 to 0.25: a reset with a seed, which gives an info if it is asked to, and four results."""

    def reset(self, *, seed: int | None = None, return_info: bool = False, options: dict | None = None) -> Any:
        if seed is not None:
            self.seed(seed)
        observation = super().reset()
        return (observation, {"angle": float(self.state[0]), "options": options}) if return_info else observation
