"""A factory: Atari games with the preprocessing that everybody uses. It reads the emulator: it belongs to the env."""

from __future__ import annotations

from typing import Any

import ale_py
import gymnasium
from gymnasium.wrappers import AtariPreprocessing

gymnasium.register_envs(ale_py)


def make(env_id: str, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    return AtariPreprocessing(gymnasium.make(env_id, frameskip=1, disable_env_checker=True, **kwargs))
