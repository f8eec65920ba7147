"""The twin of ``gymbroker.envs`` for gym 0.26. Imported only where gym is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_worker.gym_env import GymRemoteEnv as _GymRemoteEnv
from gymbroker.embedding import ensure_served
from gymbroker.registration import gym

if TYPE_CHECKING:
    from agent_worker.lasting import AnySession


class GymRemoteEnv(_GymRemoteEnv, gym.Env):  # type: ignore[misc]  # gym is not typed
    """As ``agent_worker.gym_env.GymRemoteEnv``; on ``memory://`` an env worker is embedded if none serves it."""

    def _open(self) -> AnySession:
        if self._session is None and not self._closed:
            ensure_served(self._wish)
        return super()._open()


def opened(**kwargs: Any) -> GymRemoteEnv:
    """What ``gym.make`` calls, as ``gymbroker.envs.opened``."""
    return GymRemoteEnv(**kwargs).open()


opened.metadata = GymRemoteEnv.metadata  # type: ignore[attr-defined]  # as in gymbroker.envs
