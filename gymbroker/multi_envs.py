"""Remote envs of many agents as users make them. Imported only where PettingZoo is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_worker.aec_env import RemoteAECEnv as _RemoteAECEnv
from agent_worker.parallel_env import RemoteParallelEnv as _RemoteParallelEnv
from agent_worker.pettingzoo_base import AECEnv, ParallelEnv
from gymbroker.embedding import ensure_served

if TYPE_CHECKING:
    from agent_worker.lasting import AnySession


class RemoteParallelEnv(_RemoteParallelEnv, ParallelEnv[str, Any, Any]):  # type: ignore[misc]  # PettingZoo is not typed
    """As ``agent_worker.parallel_env.RemoteParallelEnv``; on ``memory://`` an env worker is embedded if none serves."""

    def _open(self) -> AnySession:
        if self._session is None and not self._closed:
            ensure_served(self._wish)
        return super()._open()


class RemoteAECEnv(_RemoteAECEnv, AECEnv[str, Any, Any]):  # type: ignore[misc]  # likewise
    """As ``agent_worker.aec_env.RemoteAECEnv``; on ``memory://`` an env worker is embedded if none serves it."""

    def _open(self) -> AnySession:
        if self._session is None and not self._closed:
            ensure_served(self._wish)
        return super()._open()
