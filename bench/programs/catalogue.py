"""Local envs by the ids that an env worker takes, and actions for lanes."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium
import numpy as np

from bench.programs.loop import SEED

PERIOD = 256


def local_env(env_id: str) -> gymnasium.Env[Any, Any]:
    """The env of ``CartPole-v1`` or ``module:Class``, without Gymnasium's checks, as env workers make it."""
    module, _, name = env_id.partition(":")
    if name:
        made: gymnasium.Env[Any, Any] = getattr(importlib.import_module(module), name)()
        return made
    return gymnasium.make(env_id, disable_env_checker=True)


def vector_actions(lanes: int) -> list[Any]:
    """Actions 0 or 1 for all lanes, int64, drawn before the clock starts."""
    return list(np.random.default_rng(SEED).integers(0, 2, (PERIOD, lanes), np.int64))
