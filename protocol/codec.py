"""Messages to bytes and back: ``[version, performative, episode, step_id, incarnation, *fields]`` in msgpack.

The first four elements are frozen for all versions, so that a message of any version can be answered.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from typing import TYPE_CHECKING, Any

from protocol.errors import DecodeError, VersionMismatch
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.messages import (
    MESSAGES,
    OUTSIDE,
    Accepted,
    Act,
    Call,
    Close,
    Error,
    Frame,
    Make,
    Message,
    Percept,
    Reset,
    Result,
    Resume,
    Status,
    Working,
)
from protocol.version import SPOKEN, VERSION
from protocol.wire import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = 4
"""Elements of the frozen header."""

MAX_STEP_ID = 2**63 - 1

_episode = re.compile(r"[0-9a-f]{32}").fullmatch
_incarnation = re.compile(r"[0-9a-f]{16}").fullmatch

Check = "Callable[[Any], bool]"


def _is_step_id(value: Any) -> bool:
    return type(value) is int and OUTSIDE <= value <= MAX_STEP_ID


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_optional_text(value: Any) -> bool:
    return value is None or type(value) is str


def _is_bool(value: Any) -> bool:
    return value is True or value is False


def _is_flags(value: Any) -> bool:
    return value is True or value is False or type(value) is bytes


def _is_reward(value: Any) -> bool:
    # Languages without an integer type write 1.0 as the integer 1.
    return type(value) in (float, bytes, int)


def _is_seconds(value: Any) -> bool:
    return type(value) in (float, int) and 0 <= value < float("inf")


def _is_dict(value: Any) -> bool:
    return type(value) is dict


def _is_optional_dict(value: Any) -> bool:
    return value is None or type(value) is dict


def _is_kwargs(value: Any) -> bool:
    return type(value) is dict and all(type(key) is str for key in value)


def _is_list(value: Any) -> bool:
    return type(value) is list


def _is_versions(value: Any) -> bool:
    return type(value) is list and all(type(item) is int for item in value)


def _is_positive(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_optional_positive(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 1)


def _is_seed(value: Any) -> bool:
    return value is None or type(value) is int or (
        type(value) is list and all(item is None or type(item) is int for item in value)
    )  # fmt: skip


def _is_optional_bytes(value: Any) -> bool:
    return value is None or type(value) is bytes


def _is_incarnation(value: Any) -> bool:
    return type(value) is str and _incarnation(value) is not None


def _is_anything(value: Any) -> bool:
    # Checked where its meaning is known: by the coder of the space, or by the env.
    return True


_CHECKS: dict[type[Message], dict[str, Callable[[Any], bool]]] = {
    Make: {
        "env_id": _is_text, "versions": _is_versions, "attempt": _is_positive, "kwargs": _is_kwargs,
        "num_envs": _is_optional_positive, "autoreset_mode": _is_optional_text, "render_mode": _is_optional_text,
        "world": _is_optional_text, "seat": _is_optional_text,
    },
    Accepted: {"deadline_s": _is_seconds},
    Status: {"content": _is_dict},
    Reset: {"seed": _is_seed, "options": _is_optional_dict, "mask": _is_optional_bytes},
    Act: {"action": _is_anything},
    Percept: {
        "reward": _is_reward, "terminated": _is_flags, "truncated": _is_flags,
        "info": _is_dict, "observation": _is_anything,
    },
    Frame: {"frame": _is_anything},
    Call: {"name": _is_text, "args": _is_list, "kwargs": _is_kwargs},
    Result: {"value": _is_anything},
    Working: {"deadline_s": _is_seconds},
    Resume: {"previous": _is_incarnation},
    Close: {"reason": _is_text},
    Error: {"code": _is_text, "text": _is_text, "fault": _is_text, "retry": _is_bool, "ends": _is_bool},
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class _Layout:
    """How one performative lies on the wire."""

    kind: type[Message]
    names: tuple[str, ...]
    checks: tuple[Callable[[Any], bool], ...]
    values: Callable[[Any], tuple[Any, ...]]


def _layout(kind: type[Message]) -> _Layout:
    names = tuple(field.name for field in dataclasses.fields(kind))
    special = {"episode": lambda value: True, "step_id": _is_step_id, "incarnation": _is_incarnation}
    checks = tuple((special | _CHECKS.get(kind, {}))[name] for name in names)
    return _Layout(kind, names, checks, operator.attrgetter(*names))


_LAYOUTS = {kind.performative: _layout(kind) for kind in MESSAGES}


def encode(message: Message, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Bytes of a message. Raises ``EncodeError`` if a value in it cannot travel or is too large."""
    name = message.performative
    return pack([VERSION, name, *_LAYOUTS[name].values(message)], limits)


def decode(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """The message in ``body``; anything that is not one raises ``DecodeError`` and nothing else.

    Limits are checked before anything is allocated. A readable header of another version raises
    ``VersionMismatch``, which is a ``DecodeError`` with the header in it, so that it can be answered.
    """
    fields = unpack(body, limits)
    if type(fields) is not list or len(fields) < HEADER:
        raise DecodeError(f"a message is an array of {HEADER} elements at least, got {_kind(fields)}")
    version, name, episode, step_id = fields[:HEADER]
    if type(version) is not int or type(name) is not str or not _is_step_id(step_id):
        raise DecodeError("the header of a message is [version: int, performative: str, episode: str, step_id: int]")
    if type(episode) is not str or _episode(episode) is None:
        raise DecodeError("an episode id is 32 lower-case hex digits")
    if version not in SPOKEN:
        raise VersionMismatch(version, name, episode, step_id, SPOKEN)
    layout = _LAYOUTS.get(name)
    if layout is None:
        raise DecodeError(f"unknown performative {name[:40]!r}")
    values = fields[2:]
    if len(values) != len(layout.names):
        raise DecodeError(f"{name} has {len(layout.names) + 2} elements, got {len(fields)}")
    for check, value, field_name in zip(layout.checks, values, layout.names, strict=True):
        if not check(value):
            raise DecodeError(f"{name}.{field_name} is not valid: got {_kind(value)}")
    return layout.kind(*values)


def _kind(value: Any) -> str:
    """What came, for a text: numbers as they are, of anything else only the type and the size."""
    if isinstance(value, (bool, int, float)) or value is None:
        return repr(value)[:40]
    size = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return f"{type(value).__name__}{size}"
