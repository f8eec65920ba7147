"""CartPole-v1 as servers of peers host it: Gymnasium's, behind the four values that gym had at their time."""

from __future__ import annotations

from typing import Any

import gymnasium

from bench.programs.loop import SEED


class OldCartPole:
    """``reset() -> observation``, ``step(action) -> observation, reward, done, info``; the first reset is seeded."""

    def __init__(self) -> None:
        self.env = gymnasium.make("CartPole-v1", disable_env_checker=True)
        self.action_space, self.observation_space = self.env.action_space, self.env.observation_space
        self.metadata, self.spec, self.unwrapped = self.env.metadata, self.env.spec, self.env.unwrapped
        self.reward_range = (-float("inf"), float("inf"))
        self._seed: int | None = SEED

    def reset(self) -> Any:
        """The first observation of a run."""
        seed, self._seed = self._seed, None
        return self.env.reset(seed=seed)[0]

    def step(self, action: Any) -> tuple[Any, Any, bool, dict[str, Any]]:
        """Both ends of a run are one ``done``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated or truncated, info

    def close(self) -> None:
        """Close the env."""
        self.env.close()
