"""Bytes of a message <-> plain data, and nothing that a stranger's bytes could break on the way.

``unpack`` walks the structure with ``scan`` before msgpack allocates anything, so that no message costs more memory
or time than ``Limits`` say. ``pack`` refuses what ``unpack`` would refuse under the same limits.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack

from protocol.data import ARRAY, CODES, MARKS, OPAQUE, SCALAR, default, is_number, parts, regroup, revive
from protocol.errors import DecodeError, EncodeError
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.tail import NIL, cut, find_tail, put_last, with_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTAINER_COST = 4
"""What a container or a numeric array counts, in items, beside itself and its entries: so much more memory it takes."""
_OBJECT_COST = 1
"""What a scalar of numpy or a value that cannot travel counts beside itself: so much longer does it take."""
_ARRAY_HEADER = 256
"""More bytes than stand before the numbers of any array."""

_SAFE_KEYS = 32
"""So many keys of any type cannot be slow, even if they all have one hash."""
_MOST_KEYS = 2**12
"""Keys of a dict whose keys are not all str. Python randomises the hashes of str and bytes only."""
_SAME_HASH = 16
"""More keys of one hash are no accident."""
_PLAIN_KEYS = frozenset({str, int, float, bool, bytes, type(None)})
_NUMBERS = frozenset({int, float, bool, type(None)})
"""Types that cost nothing beside their place."""
_TEXTS = (str, bytes, bytearray, memoryview)
_SHORT_TEXT = 63
"""Characters or bytes that no limit can be below, four bytes of UTF-8 for each character."""

# What the first byte of an object says: its size in bytes (> 0), that the next byte has it (_SHORT), the complement
# of the number of entries of a small container (-1 .. -31), or one of the rest.
_SHORT, _LONG, _BLOB, _EXT, _NEVER = 0, -100, -101, -102, -103
_STEPS = (
    *([1] * 0x80),  # small ints
    *(~(2 * entries) for entries in range(16)),  # small maps
    *(~entries for entries in range(16)),  # small arrays
    *(1 + size for size in range(32)),  # short strings
    *(1, _NEVER, 1, 1),  # nil, 0xc1, false, true
    *(_SHORT, _BLOB, _BLOB, _EXT, _EXT, _EXT),  # bin, ext
    *(5, 9, 2, 3, 5, 9, 2, 3, 5, 9),  # floats, unsigned, signed
    *([_EXT] * 5),  # ext of fixed size
    *(_SHORT, _BLOB, _BLOB, _LONG, _LONG, _LONG, _LONG),  # str, arrays, maps
    *([1] * 0x20),  # small negative ints
)
_EXT_COSTS = {ARRAY: _CONTAINER_COST, SCALAR: _OBJECT_COST, OPAQUE: _OBJECT_COST}
_FIXED_EXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_EXT_HEADERS = {0xC7: 2, 0xC8: 3, 0xC9: 5}


def unpack(body: bytes, limits: Limits = DEFAULT_LIMITS, *, borrow: bool = False) -> Any:
    """The one object in ``body``. Raises ``DecodeError``, and nothing else, for whatever is wrong with it.

    Lists arrive as lists, and what ``pack`` was given as tuples as tuples; arrays are writable. ``borrow``: long bytes
    at the very end, in lists only, arrive as a ``memoryview`` of ``body`` and are not copied.
    """
    extended, blob = scan(body, limits)
    tail = find_tail(body, blob) if borrow else None
    short = body if tail is None else b"".join((memoryview(body)[:blob], NIL))
    try:
        if not extended:
            value = msgpack.unpackb(short, strict_map_key=False, object_pairs_hook=_distinct)
        else:
            hook = partial(revive, limits)
            value = msgpack.unpackb(
                short, strict_map_key=False, object_pairs_hook=_distinct, ext_hook=hook, list_hook=regroup
            )
    except Exception as problem:  # msgpack, numpy and the hooks raise a dozen kinds for bad bytes
        text = f"{type(problem).__name__}: {str(problem)[:200]}"
        raise DecodeError(f"message of {len(body)} bytes cannot be read: {text}") from problem
    if tail is None or put_last(value, tail):
        return value
    return unpack(body, limits)


def pack(value: Any, limits: Limits = DEFAULT_LIMITS, header: int = 0) -> bytes:
    """``value`` as bytes that ``unpack`` takes under the same limits.

    ``header``: so many first entries of ``value``, a list then, are known to be numbers and short texts.
    Raises ``EncodeError`` for what is too deep (every cycle is), too large, or has keys that cannot be told apart on
    arrival. A value of an unknown type is no error: it arrives as ``protocol.data.Opaque``.
    """
    try:
        odd_keys = _admit(value, limits, header)
        value, tail = cut(value) if header else (value, None)
        body: bytes = msgpack.Packer(strict_types=True, default=default).pack(value)
        body = body if tail is None else with_tail(body, tail)
    except Exception as problem:  # the types of strangers run code of their own when they are looked at
        text = f"{type(problem).__name__}: {str(problem)[:200]}"
        raise EncodeError(f"{type(value).__name__} cannot be sent: {text}") from problem
    if len(body) > limits.body_bytes:
        raise EncodeError(f"message of {len(body)} bytes, at most {limits.body_bytes} can be sent")
    if odd_keys:
        try:
            unpack(body, limits)
        except DecodeError as problem:
            raise EncodeError(f"dict has keys that would not arrive: {problem}") from problem
    return body


def scan(body: bytes, limits: Limits) -> tuple[bool, int]:  # noqa: C901 - a call for each object would double the time
    """Raise ``DecodeError`` unless ``body`` is exactly one msgpack object within ``limits``. Allocates next to nothing.

    Returns whether it holds extension types, and where its last long string or bytes begin (0: none). Left to
    ``unpack``: whether strings are UTF-8, what the extension types hold, keys that come twice.
    """
    if len(body) > limits.body_bytes:
        raise DecodeError(f"message of {len(body)} bytes, at most {limits.body_bytes} are legal")
    steps, depth, room = _STEPS, limits.depth, limits.items
    position, left, header, first, extended, blob = 0, 1, 0, -1, False, 0
    outer: list[int] = []  # for each container around: how many objects are still to come
    try:
        while True:
            while left:
                left -= 1
                size = steps[body[position]]
                if size > 0:
                    position += size
                elif size == _SHORT:
                    position += 2 + body[position + 1]
                elif size >= _LONG:
                    start = position
                    entries, position = (~size, start + 1) if size > _LONG else _open(body, start, limits)
                    room -= entries + _CONTAINER_COST
                    if entries:
                        outer.append(left)
                        left, header, first = entries, start, position
                        if room < 0 or len(outer) > depth:
                            break
                elif size == _EXT:
                    extended = True
                    marked = position == first and _is_array(body[header])
                    position, cost = _skip_ext(body, position, limits, marked)
                    room -= cost
                else:
                    blob = position
                    position = _skip_blob(body, position, limits)
            if not outer or room < 0 or len(outer) > depth:
                break
            left = outer.pop()
    except IndexError:
        position = len(body) + 1
    if position != len(body) or room < 0 or outer:
        _conclude(body, position, room, len(outer), limits)
    return extended, blob


def _conclude(body: bytes, position: int, room: int, around: int, limits: Limits) -> None:
    if around > limits.depth:
        raise DecodeError(f"containers nest deeper than {limits.depth} at byte {position}")
    if room < 0:
        raise DecodeError(f"message holds more than {limits.items} items")
    if position > len(body):
        raise DecodeError(f"message ends early, after {len(body)} bytes")
    if position < len(body):
        raise DecodeError(f"{len(body) - position} bytes come after the end of the message")


def _is_array(lead: int) -> bool:
    return lead & 0xF0 == 0x90 or lead in (0xDC, 0xDD)


def _open(body: bytes, position: int, limits: Limits) -> tuple[int, int]:
    """Objects within a container with a length of two or four bytes, and where the first is."""
    lead = body[position]
    start = position + (5 if lead & 1 else 3)
    entries = int.from_bytes(body[position + 1 : start], "big")
    if entries > limits.container_length:
        raise DecodeError(
            f"container of {entries} entries at byte {position}, at most {limits.container_length} are legal"
        )
    return (entries if lead < 0xDE else 2 * entries), start


def _skip_blob(body: bytes, position: int, limits: Limits) -> int:
    """Where a string or a byte string with a length of two or four bytes ends."""
    lead = body[position]
    if lead == 0xC1:
        raise DecodeError(f"byte 0xc1 at byte {position} is no msgpack")
    start = position + (3 if lead in (0xC5, 0xDA) else 5)
    size = int.from_bytes(body[position + 1 : start], "big")
    most = limits.str_bytes if lead >= 0xDA else limits.array_bytes
    if size > most:
        raise DecodeError(f"string of {size} bytes at byte {position}, at most {most} are legal")
    return start + size


def _skip_ext(body: bytes, position: int, limits: Limits, marked: bool) -> tuple[int, int]:
    """Where an extension type ends, and what it costs. ``marked``: it is the first entry of an array."""
    lead = body[position]
    if lead in _FIXED_EXT:
        start, size = position + 1, _FIXED_EXT[lead]
    else:
        start = position + _EXT_HEADERS[lead]
        size = int.from_bytes(body[position + 1 : start], "big")
    code = body[start]
    if code not in CODES:
        raise DecodeError(f"extension type {code} at byte {position} is not of this protocol")
    if code in MARKS and not marked:
        raise DecodeError(f"extension type {code} at byte {position} is legal as the first entry of an array only")
    if size > limits.array_bytes + _ARRAY_HEADER:
        raise DecodeError(f"extension type of {size} bytes at byte {position}, at most {limits.array_bytes} are legal")
    return start + 1 + size, _EXT_COSTS.get(code, 0)


def _distinct(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """The dict of a map. Raises ``ValueError`` for keys that come twice, or that would take very long to tell apart."""
    if len(pairs) > _SAFE_KEYS and any(type(key) is not str for key, _ in pairs):
        if len(pairs) > _MOST_KEYS:
            raise ValueError(f"{len(pairs)} keys that are not all str, at most {_MOST_KEYS} are legal")
        hashes = sorted(hash(key) for key, _ in pairs)
        if any(one == other for one, other in zip(hashes, hashes[_SAME_HASH:], strict=False)):
            raise ValueError(f"more than {_SAME_HASH} keys of one dict have the same hash")
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key comes twice in one dict")
    return made


def _admit(value: Any, limits: Limits, header: int) -> bool:  # noqa: C901 - a call for each object would double the time
    """Raise ``ValueError`` for what ``scan`` would refuse; tell whether a dict has keys that may not arrive.

    It goes by level and counts what it has seen, so that cycles and containers that hold one thing many times end.
    """
    room, depth, space, odd_keys = limits.items, limits.depth, limits.body_bytes, False
    level: Sequence[Any] = (value,)
    if header:
        level, room, depth = value[header:], room - len(value) - _CONTAINER_COST, depth - 1
    for _ in range(depth + 1):
        below: list[Any] = []
        for item in level:
            cls = type(item)
            if cls in _NUMBERS:
                continue
            if cls is bytes or cls is str or issubclass(cls, _TEXTS):
                size = len(item)
                space -= size
                if size > _SHORT_TEXT:
                    _check_text(item, limits)
                continue
            if (cls is dict or cls is list) and not item:
                room -= _CONTAINER_COST
                continue
            entries = parts(item, limits)
            if entries is None:
                room -= 0 if is_number(cls) else _OBJECT_COST
            else:
                room -= len(entries) + _CONTAINER_COST
                if entries:
                    if room < 0:
                        break
                    odd_keys = odd_keys or (cls is not list and issubclass(cls, dict) and _are_odd(item))
                    below += entries
                else:
                    space -= getattr(item, "nbytes", 0)  # of an array, or of one of another library
        if room < 0:
            raise ValueError(f"more than {limits.items} items")
        if space < 0:
            raise ValueError(f"more than {limits.body_bytes} bytes")
        if not below:
            return odd_keys
        level = below
    raise ValueError(f"containers nest deeper than {limits.depth}, or hold themselves")


def _check_text(text: Any, limits: Limits) -> None:
    if isinstance(text, str):
        if len(str.encode(text)) > limits.str_bytes:
            raise ValueError(f"string of {len(text)} characters, at most {limits.str_bytes} bytes can be sent")
    elif memoryview(text).nbytes > limits.array_bytes:
        raise ValueError(f"byte string of {len(text)} bytes, at most {limits.array_bytes} can be sent")


def _are_odd(mapping: dict[Any, Any]) -> bool:
    kinds = set(map(type, mapping))
    return not kinds <= _PLAIN_KEYS or (len(mapping) > _SAFE_KEYS and kinds != {str})
