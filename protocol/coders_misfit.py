"""What coders raise for a value that is not of its space, and the checks that several of them make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


class Misfit(Exception):
    """A value, or what came for one, that is not of its space; on its way up to the coder that knows its name."""

    def __init__(self, expected: str, received: str, path: str = "") -> None:
        super().__init__(expected, received)
        self.expected, self.received, self.path = expected, received, path

    def under(self, step: str) -> None:
        """It went up one level, out of the part that ``step`` names."""
        self.path = step + self.path

    def text(self, name: str) -> str:
        """For people: where, what was expected, what came."""
        return f"{name}{self.path}: expected {self.expected}, got {self.received}"


def describe(value: Any) -> str:
    """What came, without showing more of it than a number."""
    if isinstance(value, np.ndarray):
        return f"a {value.dtype.name} array of shape {value.shape}"
    if isinstance(value, (bool, float, np.number, np.bool_)) or value is None:
        return f"{value!r:.40}"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else f"an int of {value.bit_length()} bits"
    size = f" of length {len(value)}" if isinstance(value, (str, bytes, list, tuple, dict)) else ""
    return f"{type(value).__name__}{size}"


def expect_list(wire: Any, length: int) -> None:
    """Raise ``Misfit`` unless ``wire`` is a list of ``length``."""
    if type(wire) is not list or len(wire) != length:
        raise Misfit(f"a list of {length}", describe(wire))


def expect_items(value: Any, length: int | None = None) -> None:
    """Raise ``Misfit`` unless ``value`` can pass for a tuple. Gymnasium takes lists and arrays for tuples; so do we."""
    many = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    if not many or (length is not None and len(value) != length):
        raise Misfit("a tuple" if length is None else f"a tuple of {length}", describe(value))


def expect_keys(value: Any, keys: dict[Any, Any]) -> None:
    """Raise ``Misfit`` unless ``value`` is a mapping with exactly these keys, in any order."""
    if type(value) is not dict and not isinstance(value, Mapping):
        raise Misfit(f"a dict of {len(keys)} keys", describe(value))
    if value.keys() != keys.keys():
        missing = [key for key in keys if key not in value]
        surplus = [key for key in value if key not in keys]
        received = [f"{word} {some[0]!r:.80}" for word, some in (("none", missing), ("also", surplus)) if some]
        raise Misfit(f"the {len(keys)} keys of the space", ", ".join(received))


def each(code: Callable[[Any], Any], items: Any) -> list[Any]:
    """``code(item)`` for each item, where a misfit names the index of the item."""
    done: list[Any] = []
    try:
        for item in items:
            done.append(code(item))  # noqa: PERF401 - its length says which item failed
    except Misfit as misfit:
        misfit.under(f"[{len(done)}]")
        raise
    return done


def inside(step: str, code: Callable[..., Any], *arguments: Any) -> Any:
    """``code(*arguments)``, where a misfit is one of the part that ``step`` names."""
    try:
        return code(*arguments)
    except Misfit as misfit:
        misfit.under(step)
        raise
