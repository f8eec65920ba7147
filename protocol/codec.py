"""Messages to bytes and back: ``[version, performative, episode, step_id, incarnation, *fields]`` in msgpack.

The first four elements are frozen for all versions, so that a message of any version can be answered.
"""

from __future__ import annotations

import dataclasses
import itertools
import operator
import re
import sys
from typing import TYPE_CHECKING, Any

from protocol.errors import DecodeError, EncodeError, VersionMismatch
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.messages import (
    MESSAGES,
    OUTSIDE,
    Accepted,
    Call,
    Close,
    Deflated,
    Error,
    Make,
    Message,
    Percept,
    Reset,
    Resume,
    Status,
    Working,
)
from protocol.plain import decode_plain, encode_plain
from protocol.tail import LONG
from protocol.version import SPOKEN, VERSION
from protocol.wire import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEADER = 4
"""Elements of the frozen header."""

MAX_STEP_ID = 2**63 - 1

_PERCEPT = b"\x9a\x01\xa7percept"
"""How each percept begins that this side writes."""

_episode = re.compile(r"[0-9a-f]{32}").fullmatch
_incarnation = re.compile(r"[0-9a-f]{16}").fullmatch

_INT, _TEXT, _FLAG = frozenset({int}), frozenset({str}), frozenset({bool})
_MAP, _LIST = frozenset({dict}), frozenset({list})
_NUMBER = frozenset({int, float})
_LANES = frozenset({bytes})
_NIL = frozenset({type(None)})

_TYPES: dict[type[Message], dict[str, frozenset[type]]] = {
    Make: {
        "env_id": _TEXT, "versions": _LIST, "attempt": _INT, "kwargs": _MAP, "num_envs": _INT | _NIL,
        "autoreset_mode": _TEXT | _NIL, "render_mode": _TEXT | _NIL, "world": _TEXT | _NIL, "seat": _TEXT | _NIL,
        "compression": _TEXT | _NIL,
    },
    Accepted: {"deadline_s": _NUMBER},
    Status: {"content": _MAP},
    Reset: {"seed": _INT | _LIST | _NIL, "options": _MAP | _NIL, "mask": _LANES | _NIL},
    # A language without an integer type writes 1.0 as the integer 1.
    Percept: {"reward": _NUMBER | _LANES, "terminated": _FLAG | _LANES, "truncated": _FLAG | _LANES, "info": _MAP},
    Call: {"name": _TEXT, "args": _LIST, "kwargs": _MAP},
    Working: {"deadline_s": _NUMBER},
    Resume: {"previous": _TEXT},
    Deflated: {"size": _INT, "data": _LANES},
    Close: {"reason": _TEXT},
    Error: {"code": _TEXT, "text": _TEXT, "fault": _TEXT, "retry": _FLAG, "ends": _FLAG},
}  # fmt: skip
"""Types that a field may have. What is not listed may be anything: the coder of the space, or the env, will know."""


def _has_text_keys(value: Any) -> bool:
    return all(type(key) is str for key in value)


def _is_seconds(value: Any) -> bool:
    return bool(0 <= value <= sys.float_info.max)  # not an int that no float can be


def _is_reward(value: Any) -> bool:
    return type(value) is not int or abs(value) <= sys.float_info.max


_VALUES: dict[type[Message], dict[str, Callable[[Any], object]]] = {
    Make: {
        "versions": lambda value: all(type(version) is int for version in value),
        "attempt": lambda value: value >= 1,
        "kwargs": _has_text_keys,
        "num_envs": lambda value: value is None or value >= 1,
    },
    Accepted: {"deadline_s": _is_seconds},
    Percept: {"reward": _is_reward},
    Reset: {"seed": lambda value: type(value) is not list or all(type(one) in _INT | _NIL for one in value)},
    Call: {"kwargs": _has_text_keys},
    Working: {"deadline_s": _is_seconds},
    Resume: {"previous": _incarnation},
}
"""What else must be true of a field, once its type is right."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Layout:
    """How the fields of one performative lie on the wire, behind the frozen header."""

    kind: type[Message]
    names: tuple[str, ...]
    types: tuple[frozenset[type], ...]
    """Of all fields but the last, where that may be of any type."""
    fitting: frozenset[tuple[type, ...]]
    """All combinations of ``types``."""
    checks: tuple[tuple[int, Callable[[Any], object]], ...]
    """Position and check of the fields that have one."""
    values: Callable[[Any], tuple[Any, ...]]


def _layout(kind: type[Message]) -> _Layout:
    names = tuple(field.name for field in dataclasses.fields(kind))[2:]  # episode and step_id are in the header
    listed = {"incarnation": _TEXT} | _TYPES.get(kind, {})
    types = tuple(listed[name] for name in names if name in listed)
    checks = {"incarnation": _incarnation} | _VALUES.get(kind, {})
    return _Layout(
        kind,
        names,
        types,
        frozenset(itertools.product(*types)),
        tuple((names.index(name), check) for name, check in checks.items()),
        operator.attrgetter(*names) if len(names) > 1 else lambda message: (message.incarnation,),
    )


_LAYOUTS = {kind.performative: _layout(kind) for kind in MESSAGES}


def encode(message: Message, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Bytes of a message. Raises ``EncodeError`` if a value in it cannot travel or is too large."""
    if limits is DEFAULT_LIMITS and (plain := encode_plain(message)) is not None:
        return plain
    name, episode, step_id = message.performative, message.episode, message.step_id
    layout = _LAYOUTS[name]
    values = layout.values(message)
    if type(step_id) is not int or type(episode) is not str or not _episode(episode):
        raise EncodeError(f"{name}: expected an episode id and an int for step_id, got {_kind(step_id)}")
    if not _fits(layout, values):
        raise EncodeError(_misfit(layout, values))
    return pack([VERSION, name, episode, step_id, *values], limits, HEADER)


def decode(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """The message in ``body``; anything that is not one raises ``DecodeError`` and nothing else.

    Limits are checked before anything is allocated. A readable header of another version raises
    ``VersionMismatch``, which is a ``DecodeError`` with the header in it, so that it can be answered.

    Long bytes at the end of a percept, which is where it has its observation, arrive as a ``memoryview`` of ``body`` if
    they are the larger part of it.
    """
    if limits is DEFAULT_LIMITS and (plain := decode_plain(body)) is not None:
        return plain
    borrow = len(body) > LONG and body.startswith(_PERCEPT)
    layout, episode, step_id, values = _read_header(unpack(body, limits, borrow=borrow))
    if not _fits(layout, values):
        raise DecodeError(_misfit(layout, values))
    return layout.kind(episode, step_id, *values)


def episode_of(body: bytes, limits: Limits = DEFAULT_LIMITS) -> str | None:
    """The episode in a readable header of what else is no message, so that it can be answered; or None."""
    try:
        return _read_header(unpack(body, limits))[1]
    except DecodeError:
        return None


def _read_header(fields: Any) -> tuple[_Layout, str, int, list[Any]]:
    """Layout, episode and step_id of the message with this header, which is frozen for all versions; and the rest."""
    if type(fields) is not list or len(fields) < HEADER:
        raise DecodeError(f"a message is an array of {HEADER} elements at least, got {_kind(fields)}")
    version, name, episode, step_id, *values = fields
    if type(version) is not int or type(name) is not str or type(step_id) is not int:
        raise DecodeError("the header of a message is [version: int, performative: str, episode: str, step_id: int]")
    if not OUTSIDE <= step_id <= MAX_STEP_ID:
        raise DecodeError(f"the step_id in the header is from {OUTSIDE} to 2^63-1, got {step_id}")
    if type(episode) is not str or not _episode(episode):
        raise DecodeError("an episode id is 32 lower-case hex digits")
    if version not in SPOKEN:
        raise VersionMismatch(version, name, episode, step_id, SPOKEN)
    layout = _LAYOUTS.get(name)
    if layout is None:
        raise DecodeError(f"unknown performative {name[:40]!r}")
    return layout, episode, step_id, values


def _fits(layout: _Layout, values: Sequence[Any]) -> bool:
    """Whether these can be the fields of a message. Both sides check: what one may send, the other takes."""
    if len(values) != len(layout.names):
        return False
    if tuple(map(type, values[: len(layout.types)])) not in layout.fitting:
        return False
    for position, check in layout.checks:  # noqa: SIM110 - hot
        if not check(values[position]):
            return False
    return True


def _misfit(layout: _Layout, values: Sequence[Any]) -> str:
    """What is wrong with fields that do not fit."""
    performative = layout.kind.performative
    if len(values) != len(layout.names):
        return f"{performative} has {HEADER + len(layout.names)} elements, got {HEADER + len(values)}"
    for name, types, value in zip(layout.names, layout.types, values, strict=False):
        if type(value) not in types:
            expected = " or ".join(sorted(one.__name__ for one in types))
            return f"{performative}.{name}: expected {expected}, got {_kind(value)}"
    position = next(position for position, check in layout.checks if not check(values[position]))
    return f"{performative}.{layout.names[position]} is not valid: got {_kind(values[position])}"


def _kind(value: Any) -> str:
    """What came, for a text: numbers as they are, of anything else only the type and the size."""
    if isinstance(value, (bool, int, float)) or value is None:
        return repr(value)[:40]
    size = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return f"{type(value).__name__}{size}"
