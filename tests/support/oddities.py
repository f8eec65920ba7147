"""Envs whose spaces make no lanes, or that say little of themselves; and a space of an older Gymnasium."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces

from env_worker.compat import import_gym

gym = import_gym()


class Riddle(spaces.Space):
    """A space that nobody knows."""


class GymRiddle(gym.spaces.Space):
    """The same of gym."""


GymRiddle.__name__ = "Riddle"


class Oddity:
    """Counts how many of it there are."""

    opened = closed = 0

    def __init__(self) -> None:
        Oddity.opened += 1

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return 0, 0.0, False, False, {}

    def close(self):
        Oddity.closed += 1


class Unbatchable(Oddity, gymnasium.Env):
    """It observes what nobody knows."""

    observation_space = Riddle()
    action_space = spaces.Discrete(2)


class GymUnbatchable(Oddity, gym.Env):
    """The same of gym."""

    observation_space = GymRiddle()
    action_space = gym.spaces.Discrete(2)


class Growing(Oddity, gymnasium.Env):
    """Each has a larger space than the one before."""

    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Discrete(Oddity.opened)


class Vast(Unbatchable):
    """One observation of it is larger than a message may be."""

    observation_space = spaces.Box(0, 255, (3000, 3000, 3), np.uint8)


class Plain(Oddity, gymnasium.Env):
    """Its action is a short integer, and its render modes are a set."""

    metadata = {"render_modes": {"rgb_array", "human", "ansi", None}}
    observation_space = spaces.Discrete(2)
    action_space = spaces.Discrete(2, dtype=np.int32)


class Silent(Plain):
    """It says nothing of itself."""

    metadata = None


class BeforeDtypes(spaces.Discrete):
    """``Discrete`` as it was before Gymnasium 1.2.3."""

    def __init__(self, n, seed=None, start=0):
        super().__init__(n, seed, start)


class GymGraphs(gym.Env):
    """Observes the graph that it was given, which must be one of gym's own."""

    observation_space = gym.spaces.Graph(gym.spaces.Box(0, 1, (2,)), gym.spaces.Discrete(3))
    action_space = observation_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        return action, 0.0, False, False, {}


class Objectives(gymnasium.Env):
    """A reward for each of two objectives."""

    observation_space = spaces.Discrete(2)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return 0, {"begins": True}

    def step(self, action):
        return 1, np.array([action, -0.5], np.float32), False, False, {}


class SeveralFlags(Objectives):
    """``terminated`` or ``truncated`` are two."""

    def __init__(self, place: str) -> None:
        self.place = place

    def step(self, action):
        ended = {"terminated": False, "truncated": False, self.place: [False, False]}
        return 1, 0.0, *ended.values(), {}
