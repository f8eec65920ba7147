"""Ids for ``gymnasium.make`` and ``gym.make``: ``remote/<id>`` for every env they know, and ``remote/Env-v0``.

The worker's env has its own time limit and checks; nothing is applied a second time on this side.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import gymnasium

with contextlib.redirect_stderr(io.StringIO()):  # its notice that it is unmaintained
    import gym as gym

GENERIC = "remote/Env-v0"
"""Any env: ``gymnasium.make("gymbroker:remote/Env-v0", env_id="my/Env-v3", broker=...)``."""

GYMNASIUM_ENTRY = "gymbroker.envs:opened"
GYMNASIUM_VECTOR_ENTRY = "gymbroker.envs:RemoteVectorEnv"
GYM_ENTRY = "gymbroker.gym_envs:opened"


def remote_id(env_id: str) -> str:
    """``remote/CartPole-v1`` for ``CartPole-v1``; ``remote_ALE/Pong-v5`` for ``ALE/Pong-v5``: ids have one slash."""
    return f"remote_{env_id}" if "/" in env_id else f"remote/{env_id}"


def register(env_id: str) -> str:
    """Make ``env_id`` known to both libraries as a remote env; gives the id to ``make`` it by. Twice is no harm."""
    name = remote_id(env_id)
    _register(gymnasium, name, GYMNASIUM_ENTRY, {"env_id": env_id})
    _register(gym, name, GYM_ENTRY, {"env_id": env_id})
    return name


def register_all() -> None:
    """Register all that both libraries know by now, and the generic id."""
    _register(gymnasium, GENERIC, GYMNASIUM_ENTRY, {})
    _register(gym, GENERIC, GYM_ENTRY, {})
    known = [*gymnasium.registry, *gym.envs.registration.registry]
    for env_id in dict.fromkeys(known):
        if not env_id.startswith(("remote/", "remote_")) and ":" not in env_id:
            register(env_id)


def _register(library: Any, name: str, entry_point: str, kwargs: dict[str, Any]) -> None:
    registry = library.registry if library is gymnasium else library.envs.registration.registry
    if name in registry:
        return
    more = {"vector_entry_point": GYMNASIUM_VECTOR_ENTRY} if library is gymnasium else {}
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(library.error.Error):
        # "outdated version" warnings, and ids that the library's own rules do not allow
        library.register(name, entry_point=entry_point, kwargs=kwargs, disable_env_checker=True, **more)
