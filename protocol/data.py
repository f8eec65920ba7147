"""Free data (info, options, kwargs, content of status): what msgpack lacks, and how it travels.

msgpack's own types carry None, bool, int, float, str, bytes, list and dict (any hashable key, order kept). The rest
goes by extension types of these codes; every number in them is little-endian, every array in row-major (C) order:

====  =======  ======================================================================================================
code  what     payload
====  =======  ======================================================================================================
1     TUPLE    empty. It stands first in a msgpack array and nowhere else: the other entries are those of a tuple.
2     INT      an int beyond 64 bits: two's complement, 1 to 1024 bytes.
3     SCALAR   a numpy scalar: dtype code (1 byte), then its bytes.
4     ARRAY    a numpy array: dtype code (1 byte), number of dimensions (1 byte), each dimension (uint32); for strings
               (dtype code 32) then the code points of one item (uint32, not 0); then the bytes of all items.
5     OBJECTS  number of dimensions (1 byte), each dimension (uint32). It stands first in a msgpack array and nowhere
               else: the other entries are the items of an array of objects.
6     OPAQUE   the name of a type (UTF-8, 1 to 255 bytes), in the place of a value that cannot travel.
====  =======  ======================================================================================================

dtype codes: 0 bool (one byte, 0 or 1), 1-4 int8 to int64, 5-8 uint8 to uint64, 9-11 float16 to float64, 12 complex64,
13 complex128 (real part first), 32 string (UCS-4, padded with zeros).

What arrives is of the type that was sent, bit for bit, NaN payloads included; arrays are writable, native-endian on
little-endian hosts and C-contiguous. A subclass of str, bytes, int, float, list, dict, tuple or ndarray arrives as its
base, a bytearray as bytes, an array of another library (jax, torch: what has ``__dlpack__``) as one of numpy; a value
of any other type as ``Opaque``.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from protocol.dtypes import DTYPES, TEXT_CODE, DType, are_bools, code_of

if TYPE_CHECKING:
    from protocol.limits import Limits

TUPLE, INT, SCALAR, ARRAY, OBJECTS, OPAQUE = range(1, 7)
CODES = frozenset({TUPLE, INT, SCALAR, ARRAY, OBJECTS, OPAQUE})
MARKS = frozenset({TUPLE, OBJECTS})
"""Codes that are legal as the first entry of a msgpack array only, and tell what the array stands for."""

INT_BYTES = 1024
_TUPLE_MARK = msgpack.ExtType(TUPLE, b"")


@dataclass(frozen=True, eq=False, slots=True)
class Opaque:
    """Stands for a value that cannot travel (a lambda, a set, a file). Only the name of its type is known.

    Two of them are never equal: nobody knows whether what they stand for was.
    """

    type_name: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What ``revive`` makes of TUPLE and OBJECTS, for ``regroup`` to find. ``shape`` is None for a tuple."""

    shape: tuple[int, ...] | None


def parts(value: Any, limits: Limits) -> list[Any] | None:
    """What ``value`` holds, as the wire counts it (a mark is one more entry); None if it can hold nothing.

    Raises ``ValueError`` for what cannot travel under ``limits``.
    """
    cls = type(value)
    if cls is list or issubclass(cls, list):
        _check_length(len(value), limits)
        return value if cls is list else list.copy(value)
    if issubclass(cls, dict):
        _check_length(len(value), limits)
        plain = value if cls is dict else dict(value)
        return [*plain, *plain.values()]
    if cls is msgpack.ExtType or cls is msgpack.Timestamp:
        raise ValueError(f"{cls.__name__} of msgpack cannot be sent: the codes are the protocol's own")
    if issubclass(cls, tuple):
        _check_length(len(value) + 1, limits)
        return [None, *value]
    if issubclass(cls, np.ndarray) and _travels(value):
        # No itemsize: strings of no character, sent as of one. Objects are measured one by one, by who calls.
        _check_array(value.shape, 1 if value.dtype.kind == "O" else value.itemsize or 4, limits)
        if value.dtype.kind != "O":
            return []
        _check_length(value.size + 1, limits)
        return [None, *_items(value)]
    array = _foreign_array(value)
    return None if array is None else parts(array, limits)


def is_number(cls: type) -> bool:
    """Whether values of ``cls``, a subclass of int or float, go as their base; numpy's, float64 among them, do not."""
    return issubclass(cls, (int, float)) and not issubclass(cls, np.generic)


def default(value: Any) -> Any:
    """msgpack's hook for what it does not know (``strict_types``): something that it does know.

    Looks at one level only; bound what ``value`` holds with ``parts`` first, for a cycle would never end.
    """
    cls = type(value)
    if issubclass(cls, np.generic) and (code := code_of(value.dtype)) is not None:
        return msgpack.ExtType(SCALAR, bytes((code,)) + np.asarray(value, DTYPES[code]).tobytes())
    if issubclass(cls, tuple):
        return [_TUPLE_MARK, *value]
    if issubclass(cls, np.ndarray) and _travels(value):
        return _array(value)
    if issubclass(cls, int):
        return _integer(int.__int__(value))
    if issubclass(cls, str):
        return str.__str__(value)
    if issubclass(cls, dict):
        return dict(value)
    if issubclass(cls, list):
        return list.copy(value)
    if issubclass(cls, float):
        return float.__float__(value)
    if issubclass(cls, bytes | bytearray):
        return b"".join((value,))
    array = _foreign_array(value)
    return _opaque(value) if array is None else _array(array)


def revive(limits: Limits, code: int, payload: bytes) -> Any:
    """The value of an extension type. Raises ``ValueError``, ``IndexError`` or ``struct.error`` for anything odd.

    It does so before it allocates.
    """
    if code == SCALAR:
        return _revive_scalar(payload)
    if code == ARRAY:
        return _revive_array(payload, limits)
    if code == TUPLE and not payload:
        return Mark(None)
    if code == OBJECTS:
        shape, end = _revive_shape(payload, 0, limits)
        _check_array(shape, 1, limits)
        if end != len(payload):
            raise ValueError(f"shape of an array of objects has {len(payload) - end} bytes too many")
        return Mark(shape)
    if code == INT and 0 < len(payload) <= INT_BYTES:
        return int.from_bytes(payload, "little", signed=True)
    if code == OPAQUE and 0 < len(payload) <= 255:
        return Opaque(payload.decode())
    raise ValueError(f"extension type {code} of {len(payload)} bytes is not of this protocol")


def regroup(entries: list[Any]) -> Any:
    """A msgpack array, turned into the tuple or the array of objects that its first entry says it is."""
    if not entries or type(entries[0]) is not Mark:
        return entries
    shape = entries[0].shape
    del entries[0]
    if shape is None:
        return tuple(entries)
    array = np.empty(len(entries), object)
    for index, item in enumerate(entries):  # one by one: numpy would take a list of lists apart
        array[index] = item
    return array.reshape(shape)


def _check_length(length: int, limits: Limits) -> None:
    if length > limits.container_length:
        raise ValueError(f"container of {length} entries, at most {limits.container_length} can be sent")


def _check_array(shape: tuple[int, ...], itemsize: int, limits: Limits) -> None:
    """The same on both sides. Zeros count as ones: an empty array that says 4 billion is a trap for who sums it up."""
    if len(shape) > limits.array_dims:
        raise ValueError(f"array of {len(shape)} dimensions, at most {limits.array_dims} can be sent")
    size = math.prod(extent or 1 for extent in shape) * itemsize
    if size > limits.array_bytes:
        raise ValueError(f"array of shape {shape}: {size} bytes, at most {limits.array_bytes} can be sent")


def _travels(array: np.ndarray[Any, Any]) -> bool:
    if type(array) is not np.ndarray and issubclass(type(array), np.ma.MaskedArray):
        return False  # its numbers without its mask would be a lie
    return array.dtype.kind in "OU" or code_of(array.dtype) is not None


def _foreign_array(value: Any) -> np.ndarray[Any, Any] | None:
    """The same array of numpy, if ``value`` is an array of another library that numpy can take over."""
    cls = type(value)
    if issubclass(cls, (np.ndarray, np.generic)) or not any("__dlpack__" in vars(kind) for kind in cls.__mro__):
        return None
    try:
        array = np.asarray(value)
    except Exception:  # noqa: BLE001 - a stranger's: on another device, under a gradient, of a dtype that numpy lacks
        return None
    return array if array.dtype.kind != "O" and _travels(array) else None


def _items(array: np.ndarray[Any, Any]) -> list[Any]:
    flat = np.asarray(array).reshape(-1)
    return [flat[index] for index in range(flat.size)]  # tolist() would make lists of arrays within


def _array(array: np.ndarray[Any, Any]) -> Any:
    extents = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    if array.dtype.kind == "O":
        return [msgpack.ExtType(OBJECTS, extents), *_items(array)]
    if array.dtype.kind == "U":
        width = array.itemsize // 4 or 1
        head, dtype = bytes((TEXT_CODE,)) + extents + struct.pack("<I", width), np.dtype(f"<U{width}")
    else:
        code = code_of(array.dtype)
        assert code is not None, "_travels said so"
        head, dtype = bytes((code,)) + extents, DTYPES[code]
    return msgpack.ExtType(ARRAY, b"".join((head, np.asarray(array, dtype, order="C").data)))


def _opaque(value: Any) -> Any:
    name = value.type_name if type(value) is Opaque else _type_name(value)
    return msgpack.ExtType(OPAQUE, _cut(name, 255) or b"?")


def _integer(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return value
    size = value.bit_length() // 8 + 1
    if size > INT_BYTES:
        raise ValueError(f"int of {size} bytes, at most {INT_BYTES} can be sent")
    return msgpack.ExtType(INT, value.to_bytes(size, "little", signed=True))


def _type_name(value: Any) -> str:
    cls = type(value)
    name = f"{cls.__module__}.{cls.__qualname__}"
    return f"{name} of {value.dtype.type.__name__}" if issubclass(cls, np.ndarray) else name


def _cut(text: str, size: int) -> bytes:
    """At most ``size`` bytes of UTF-8, none of a character cut in two."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").encode()


def _revive_scalar(payload: bytes) -> Any:
    dtype = DTYPES[payload[0]]
    if len(payload) != 1 + dtype.itemsize:
        raise ValueError(f"{dtype.name} scalar of {len(payload) - 1} bytes")
    if dtype.kind == "b" and payload[1] > 1:
        raise ValueError(f"bool scalar of value {payload[1]}")
    scalar: np.ndarray[Any, Any] = np.ndarray((), dtype, payload, 1)  # half of what frombuffer takes
    return scalar[()]


def _revive_shape(payload: bytes, start: int, limits: Limits) -> tuple[tuple[int, ...], int]:
    """The shape at ``start``, and where it ends."""
    dims = payload[start]
    if dims > limits.array_dims:
        raise ValueError(f"array of {dims} dimensions, at most {limits.array_dims} are legal")
    return struct.unpack_from(f"<{dims}I", payload, start + 1), start + 1 + 4 * dims


def _revive_array(payload: bytes, limits: Limits) -> np.ndarray[Any, Any]:
    shape, start = _revive_shape(payload, 1, limits)
    if payload[0] == TEXT_CODE:
        (width,) = struct.unpack_from("<I", payload, start)
        start += 4
        if not 0 < width <= limits.array_bytes // 4:
            raise ValueError(f"array of strings of {width} characters each")
        dtype: DType = np.dtype(f"<U{width}")
    else:
        dtype = DTYPES[payload[0]]
    size = len(payload) - start
    if math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{dtype.name} array of shape {shape} came with {size} bytes")
    if size == 0 or size > limits.array_bytes:
        _check_array(shape, dtype.itemsize, limits)
    if dtype.kind == "b" and not are_bools(payload[start:]):
        raise ValueError("bool array of other bytes than 0 and 1")
    if dtype.kind == "U" and np.frombuffer(payload, "<u4", offset=start).max(initial=0) > 0x10FFFF:
        raise ValueError("array of strings with a number that is no code point")
    array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, payload, start)
    return array.copy()
