"""Remote envs as users make them: on ``memory://`` they bring their worker along.

The class of the library stands among the bases of each: skrl looks there, and no further, for whose env it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.vector import VectorEnv

from agent_worker.remote_env import RemoteEnv as _RemoteEnv
from agent_worker.remote_vector_env import RemoteVectorEnv as _RemoteVectorEnv
from gymbroker.embedding import ensure_served

if TYPE_CHECKING:
    from agent_worker.lasting import AnySession


class RemoteEnv(_RemoteEnv, gymnasium.Env[Any, Any]):  # type: ignore[override]  # its spaces are read only
    """As ``agent_worker.RemoteEnv``; on ``memory://`` an env worker is embedded in this process if none serves it."""

    def _open(self) -> AnySession:
        if self._session is None and not self._closed:
            ensure_served(self._wish)
        return super()._open()


def opened(**kwargs: Any) -> RemoteEnv:
    """What ``gymnasium.make`` calls. As with a local env, it is ``make`` that says what is wrong with the arguments."""
    return RemoteEnv(**kwargs).open()


opened.metadata = RemoteEnv.metadata  # type: ignore[attr-defined]  # gymnasium.make reads the render modes there


class RemoteVectorEnv(_RemoteVectorEnv, VectorEnv[Any, Any, Any]):
    """As ``agent_worker.RemoteVectorEnv``; on ``memory://`` an env worker is embedded in this process likewise."""

    def _open(self) -> list[AnySession]:
        ensure_served(self._wish)
        return super()._open()
