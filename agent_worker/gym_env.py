"""An env in another process, as a ``gym.Env`` of gym 0.26, for code that was written for it."""

from __future__ import annotations

import contextlib
import io
from typing import Any

with contextlib.redirect_stderr(io.StringIO()):  # its notice that it is unmaintained
    import gym
    import gym.spaces

from gym.spaces.graph import GraphInstance

from agent_worker.remote import RemoteMethods
from agent_worker.remote_calls import RemoteCalls


class GymRemoteEnv(RemoteCalls, RemoteMethods, gym.Env):  # type: ignore[misc]  # gym is not typed
    """The twin of ``RemoteEnv`` for gym 0.26: the same arguments and errors, with spaces of ``gym``."""

    _spaces = gym.spaces
    _graph = GraphInstance

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the env's own ``reset``: observation and info, as gym 0.26 has it."""
        gym.Env.reset(self, seed=seed)
        return self._reset(seed, options)
