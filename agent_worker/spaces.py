"""The spaces that an agent sees, rebuilt from what the worker says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_worker.errors import InvalidArgument
from protocol.spaces import to_space

if TYPE_CHECKING:
    from types import ModuleType

    from protocol.specs import Spec


def space_of(spec: Spec, spaces: ModuleType, env_id: str) -> Any:
    """As ``protocol.spaces.to_space``; raises ``InvalidArgument`` for what that library has not."""
    try:
        return to_space(spec, spaces)
    except TypeError as error:
        raise InvalidArgument(f"{env_id}: {error}") from error
