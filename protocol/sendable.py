"""What must arrive as it is, or be refused: all that a user gives to an env, and what a ``call`` gives back.

An odd object in an ``info`` is another matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
        return f"{place.lstrip('.')} (a {value.type_name})".lstrip()
    parts: Any = ()
    if isinstance(value, dict):
        parts = [*value.items(), *(("a key", key) for key in value)]
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        parts = np.ndenumerate(value)
    for key, part in parts:
        found = _find(part, f"{place}.{key}")
        if found is not None:
            return found
    return None
