"""Small envs that do what envs in the wild do: count, fail, hang, die, and say odd things."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
import time
from collections import OrderedDict, deque
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Counting(gymnasium.Env):
    """Observes how many steps the run has had. ``trouble``: at which step to ``raise``, ``exit``, or hang."""

    metadata = {"render_modes": ["rgb_array", "ansi", "human"], "render_fps": 4}
    closed = 0

    def __init__(self, render_mode=None, trouble: dict[str, Any] | None = None, limit: int = 1000) -> None:
        self.observation_space = spaces.Box(0, 2**31 - 1, (1,), np.int64)
        self.action_space = spaces.Discrete(3)
        self.render_mode, self.trouble, self.limit, self.count = render_mode, trouble or {}, limit, 0

    def _observe(self) -> np.ndarray:
        return np.array([self.count], np.int64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        self._meet(self.trouble.get("reset"))
        return self._observe(), {"seed": seed, "options": options, "draw": self.np_random.random()}

    def step(self, action):
        self.count += 1
        self._meet(self.trouble.get(str(self.count)))
        return self._observe(), np.float64(action), self.count >= self.limit, False, {"type": type(action).__name__}

    def _meet(self, trouble):
        if trouble == "raise":
            raise RuntimeError(f"trouble at step {self.count}")
        if trouble == "exit":
            os._exit(3)
        if trouble == "system exit":
            raise SystemExit(4)
        if trouble is not None:
            time.sleep(trouble)

    def render(self):
        if self.render_mode == "ansi":
            return f"step {self.count}"
        return np.full((4, 6, 3), self.count, np.uint8)

    def close(self):
        Counting.closed += 1


class Talkative(gymnasium.Env):
    """Says everything that an info can hold."""

    observation_space = spaces.Discrete(5, start=-2)
    action_space = spaces.Discrete(2)
    said = {
        "float32": np.float32(0.1), "int8": np.int8(-3), "bool": np.bool_(True), "plain": 3.5, "nan": float("nan"),
        "minus zero": -0.0, "inf": float("inf"), "huge": 2**100, "none": None, "text": "héllo", "bytes": b"\0\xff",
        "tuple": (1, (2.0, "x")), "list": [1, [2]], "0-d": np.array(2.5), "empty": np.zeros((0, 3), np.int16),
        "mask": np.array([True, False]), "objects": np.array([None, {"a": 1}], dtype=object),
        "nested": {"deeper": {"array": np.arange(6, dtype=np.uint16).reshape(2, 3)}}, 7: "an int key",
        "ordered": OrderedDict(b=1, a=2),
    }  # fmt: skip

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return -2, dict(self.said)

    def step(self, action):
        return 2, 1, False, False, {"odd": deque([1]), "lambda": lambda: 0, "fine": 1}


class Astray(gymnasium.Env):
    """Observes what its space does not allow: ``wide`` (float64 for float32), ``far`` (out of bounds), ``shape``."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, how: str) -> None:
        self.how = how

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        given = {"wide": np.array([0.1, 0.2]), "far": np.array([5, -5], np.float32), "shape": np.zeros(3, np.float32)}
        return given[self.how], 0.0, False, False, {}


class Everything(gymnasium.Env):
    """All ten spaces at once, sampled from the seed; its action comes back in ``info``."""

    def __init__(self) -> None:
        box = spaces.Box(-np.inf, np.inf, (2, 2), np.float16)
        self.observation_space = spaces.Dict(
            OrderedDict(
                box=box,
                image=spaces.Box(0, 255, (3, 3, 1), np.uint8),
                discrete=spaces.Discrete(4, start=3),
                bits=spaces.MultiBinary([2, 3]),
                multi=spaces.MultiDiscrete([[3, 4], [5, 6]]),
                text=spaces.Text(5),
                pair=spaces.Tuple((spaces.Discrete(2), box)),
                many=spaces.Sequence(spaces.Discrete(3)),
                stacked=spaces.Sequence(box, stack=True),
                graph=spaces.Graph(spaces.Box(0, 1, (2,)), spaces.Discrete(3)),
                bare=spaces.Graph(spaces.Discrete(3), None),
                choice=spaces.OneOf((spaces.Discrete(3), box)),
            )
        )
        self.action_space = self.observation_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        return action, 0.0, False, False, {}


class OldApi:
    """As envs were before gym 0.26: no seed in reset, no info from it, four results."""

    metadata = {"render.modes": []}
    observation_space = spaces.Discrete(100)
    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        self.at = 0

    def seed(self, seed=None):
        self.at = seed or 0

    def reset(self):
        return self.at

    def step(self, action):
        self.at += 1
        return self.at, 1.0, self.at % 5 == 0, {"TimeLimit.truncated": self.at % 10 == 0}

    def close(self):
        pass


class Deadly:
    """Kills the process that makes it."""

    def __init__(self) -> None:
        os._exit(3)


class BadText(Exception):
    """An exception that has no text."""

    def __str__(self):
        raise ValueError("no text")


class WorseText(Exception):
    """An exception whose text ends the program."""

    def __str__(self):
        raise SystemExit(5)


class Raising(Counting):
    """Raises what ``kind`` names: in its step, or in its close."""

    def __init__(self, kind: str, where: str = "step") -> None:
        super().__init__()
        self.kind, self.where = kind, where

    def _raise(self):
        raise {
            "surrogate": ValueError("\udcff"),
            "huge": ValueError("x" * 200_000),
            "no text": BadText(),
            "stop": StopIteration(),
            "cancelled": asyncio.CancelledError(),
            "exit": GeneratorExit(),
            "exiting text": WorseText(),
            "interrupt": KeyboardInterrupt("of its own"),
            "odd arguments": OSError(3, b"\xff", "\udcff"),
        }[self.kind]

    def step(self, action):
        if self.where == "step" and self.count == 0:
            self.count = 1
            self._raise()
        return super().step(action)

    def close(self):
        if self.where == "close":
            self._raise()


class Lingering(Counting):
    """Starts a thread that the end of the process waits for."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=threading.Event().wait).start()


class Mute(Counting):
    """Its info is no dict."""

    def step(self, action):
        return (*super().step(action)[:4], None)


class HoldsTheLock(Counting):
    """Hangs in C code that keeps the interpreter's lock, so that no other thread of its process runs."""

    def step(self, action):
        ctypes.PyDLL(None).sleep(600)


class Graphs(gymnasium.Env):
    """Graphs at every place in a space; a run has two steps."""

    def __init__(self) -> None:
        graph = spaces.Graph(spaces.Box(0, 1, (2,)), spaces.Discrete(3))
        self.observation_space = spaces.Dict(
            OrderedDict(
                plain=graph,
                pair=spaces.Tuple((spaces.Discrete(2), graph)),
                many=spaces.Sequence(graph),
                choice=spaces.OneOf((spaces.Discrete(3), graph)),
            )
        )
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        return self.observation_space.sample(), 0.0, self.steps == 2, False, {}
