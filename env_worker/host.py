"""What every host of an env is, and how it says no. The kinds of hosts: ``env_worker.hosts``."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from protocol.messages import Call, Reset
    from protocol.specs import Spec


class RefusedRequest(Exception):
    """A request that does not fit what is hosted: the agent's fault."""


class BadCall(Exception):
    """A call that is not allowed here, or whose arguments do not fit: the agent's fault."""


class Host(abc.ABC):
    """What an episode hosts. Requests in, fields of the reply out; no dialogue, no bytes."""

    env: Any
    api: str
    """``Description.api``."""
    observation_space: Spec
    action_space: Spec
    state_space: Spec | None = None
    """Of an env of many agents that has one."""
    calls: tuple[str, ...] = ()
    """Names that ``call`` answers to."""

    @abc.abstractmethod
    def reset(self, request: Reset) -> dict[str, Any]:
        """Fields of the percept. Raises ``RefusedRequest``, ``EncodeError``, and what the env raises."""

    @abc.abstractmethod
    def step(self, wire: Any) -> dict[str, Any]:
        """Fields of the percept. Raises ``DecodeError`` for the action, ``EncodeError``, and what the env raises."""

    def call(self, request: Call) -> Any:
        """The value of the result. Raises ``BadCall``, and what the env raises."""
        raise BadCall(f"{request.name!r}: this worker allows no calls")
