"""What a user gives to an env must arrive as it is, or be refused: an odd object in an ``info`` is another matter."""

from __future__ import annotations

from typing import Any

from protocol.data import Opaque
from protocol.errors import DecodeError, EncodeError
from protocol.wire import pack, unpack


def opaque_in(value: Any) -> str | None:
    """The first place in ``value`` that would arrive as an ``Opaque``, with its type; or None."""
    try:
        return _find(unpack(pack(value)), "")
    except (EncodeError, DecodeError) as error:
        return str(error)


def _find(value: Any, place: str) -> str | None:
    if isinstance(value, Opaque):
        return f"{place.lstrip('.')} (a {value.type_name})"
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    for key, part in parts:
        found = _find(part, f"{place}.{key}")
        if found is not None:
            return found
    return None
