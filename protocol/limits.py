"""How large a message may be. Both sides check: before anything is allocated, and before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, fields

_FLOOR = 255
"""What a one-byte length can say. No limit on a length is below it, so that the scanner need not look at those."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for one message. Raises ``ValueError`` for bounds that the scanner cannot keep.

    Both sides of a dialogue should use the same: what one may send, the other must take.
    """

    body_bytes: int = 16 * 2**20
    """The whole message, in bytes."""
    depth: int = 16
    """Containers (lists, tuples, dicts, arrays of objects) around any object."""
    items: int = 2**15
    """Objects in the message, counting an array, a map and a numeric array as five (so much memory do they take), and a
    scalar of numpy and a value that cannot travel as two (so long do they take)."""
    container_length: int = 2**14
    """Entries of one list, tuple, dict or array of objects."""
    str_bytes: int = 2**20
    """One string, in bytes of UTF-8."""
    array_bytes: int = 16 * 2**20
    """One numeric array or byte string, in bytes. An empty array must keep it too with its zeros taken for ones."""
    array_dims: int = 32
    """Dimensions of one array. More than 32 is more than numpy 1 can hold."""

    def __post_init__(self) -> None:
        for field in fields(self):
            low = _FLOOR if field.name in {"container_length", "str_bytes", "array_bytes"} else 1
            value = getattr(self, field.name)
            if type(value) is not int or value < low:
                raise ValueError(f"limit {field.name} must be an int of at least {low}, got {value!r}")
        if self.array_dims > 32:
            raise ValueError(f"limit array_dims must be at most 32, got {self.array_dims}")


DEFAULT_LIMITS = Limits()
