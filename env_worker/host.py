"""What every host of an env is, and how it says no. The kinds of hosts: ``env_worker.hosts``."""

from __future__ import annotations

import abc
import contextlib
from typing import TYPE_CHECKING, Any

from protocol.errors import ErrorCode, Fault

if TYPE_CHECKING:
    from protocol.messages import Call, Reset
    from protocol.specs import Spec


class Refused(Exception):
    """A request that cannot be executed: why, whose fault it is, and whether it may succeed later."""

    def __init__(self, code: ErrorCode, text: str, fault: Fault = Fault.AGENT, *, retry: bool = False) -> None:
        super().__init__(text)
        self.code, self.fault, self.retry = code, fault, retry


class RefusedRequest(Exception):
    """A request that does not fit what is hosted: the agent's fault."""


class BadCall(Exception):
    """A call that is not allowed here, or whose arguments do not fit: the agent's fault."""


def close_quietly(env: Any) -> None:
    """Close what is not to be hosted after all: the error that led there is the one to tell."""
    with contextlib.suppress(Exception):  # a door to foreign code, and it may be no env at all
        env.close()


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
    world: dict[str, Any] | None = None
    """``Description.world``."""

    @abc.abstractmethod
    def reset(self, request: Reset) -> dict[str, Any] | None:
        """Fields of the percept; None: they come later. Raises ``RefusedRequest``, ``EncodeError``, and the env's."""

    @abc.abstractmethod
    def step(self, wire: Any) -> dict[str, Any] | None:
        """Fields of the percept; None: they come later. Raises ``DecodeError`` (the action), or as ``reset``."""

    def call(self, request: Call) -> Any:
        """The value of the result. Raises ``BadCall``, and what the env raises."""
        raise BadCall(f"{request.name!r}: this worker allows no calls")

    def close(self) -> None:
        """Close the env; the agent is done with it."""
        self.env.close()
