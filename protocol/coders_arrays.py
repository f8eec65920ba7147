"""Coders of the spaces without parts: numbers, arrays of numbers, text. Use them through ``protocol.coders``."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.coders_misfit import Misfit, describe
from protocol.dtypes import are_bools
from protocol.tail import LONG

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from protocol.dtypes import DType
    from protocol.spec_types import Bound, TextSpec

_SMALL = 16
"""Up to so many elements Python's comparison is faster than numpy's."""

_TAKES = {"b": "b", "i": "biu", "u": "biu", "f": "biuf"}
"""Kinds of dtype that each kind takes: casts within a kind, but never a float for an integer. Ranges are checked."""

_all = np.logical_and.reduce
"""What ``all()`` of an array calls in the end."""


class Numbers:
    """Arrays of one dtype, whose last dimensions are those of the bounds: takes values in, and gives them back.

    ``bounds``: None, or the lowest and the highest value, both included, each for all elements or an array.
    """

    __slots__ = ("_dtype", "_high", "_highs", "_kinds", "_low", "_lows")

    def __init__(self, dtype: DType, shape: tuple[int, ...], bounds: tuple[Bound, Bound] | None) -> None:
        self._dtype, self._kinds = dtype, _TAKES[dtype.kind]
        self._low: Any = None
        self._high: Any = None
        self._lows: list[Any] | None = None
        self._highs: list[Any] = []
        if bounds is None or _says_nothing(dtype, *bounds):
            return
        # Of the dtype: numpy takes twice as long to compare an array with a number of Python.
        self._low, self._high = (np.asarray(bound, dtype)[()] for bound in bounds)
        if math.prod(shape) <= _SMALL:
            self._lows, self._highs = (np.broadcast_to(bound, shape).ravel().tolist() for bound in bounds)

    def take(self, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """``value`` as an array of the dtype and ``shape``. Raises ``Misfit``."""
        if type(value) is np.ndarray and value.dtype == self._dtype and value.shape == shape:
            array = value
        else:
            array = self._cast(value, shape)
        if self._low is not None:
            self._check(array)
        return array

    def give(self, wire: Any, shape: tuple[int, ...], size: int) -> NDArray[Any]:
        """The array of ``shape`` whose ``size`` bytes are ``wire``: writable, in the memory of a view that is."""
        if (type(wire) is not bytes and type(wire) is not memoryview) or len(wire) != size:
            raise Misfit(f"{size} bytes of a {self._dtype.name} array of shape {shape}", describe(wire))
        if self._dtype.kind == "b" and not are_bools(wire):
            raise Misfit("bytes of 0 and 1", "others")
        borrowed = type(wire) is memoryview and not wire.readonly
        array: NDArray[Any] = np.ndarray(shape, self._dtype, wire if borrowed else bytearray(wire))
        if borrowed and not array.flags.aligned:
            array = array.copy()
        if self._low is not None:
            self._check(array)
        return array

    def _check(self, array: NDArray[Any]) -> None:
        # NaN is in no interval: all comparisons with it are false, as in Gymnasium's contains().
        lows = self._lows
        if lows is not None and array.size == len(lows):
            flat = array.tolist() if array.ndim == 1 else array.ravel().tolist()
            for number, least, most in zip(flat, lows, self._highs, strict=True):
                if not least <= number <= most:
                    break
            else:
                return
        inside = (array >= self._low) & (array <= self._high)
        if not _all(inside, None):
            index = tuple(map(int, np.argwhere(~inside)[0]))
            least, most = (np.broadcast_to(np.asarray(bound), array.shape)[index] for bound in (self._low, self._high))
            raise Misfit(f"a number from {least} to {most}", str(array[index]), "".join(f"[{at}]" for at in index))

    def _cast(self, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        expected = f"a {self._dtype.name} array of shape {shape}"
        try:
            given = np.asarray(value)
        except Exception as problem:  # __array__ of a stranger's type, or a list that is no array
            raise Misfit(expected, f"{describe(value)} ({type(problem).__name__})") from problem
        if given.size == 0 and not isinstance(value, np.ndarray) and math.prod(shape) == 0:
            return np.empty(shape, self._dtype)  # a list without numbers has no dtype, and not all dimensions
        if given.shape != shape or given.dtype.kind not in self._kinds:
            raise Misfit(expected, f"{describe(given)}{'' if given is value else ' as ' + type(value).__name__}")
        if self._dtype.kind in "iu" and given.size:
            info, least, most = np.iinfo(self._dtype), int(given.min()), int(given.max())
            if least < info.min or most > info.max:
                raise Misfit(f"numbers from {info.min} to {info.max}", str(least if least < info.min else most))
        with np.errstate(over="ignore"):
            array = given.astype(self._dtype)
        if self._low is not None and self._dtype.kind == "f" and np.any(np.isinf(array) & np.isfinite(given)):
            raise Misfit(f"numbers that fit {self._dtype.name}", "a larger one")
        return array


def _says_nothing(dtype: DType, low: Bound, high: Bound) -> bool:
    """Whether every value of the dtype is within the bounds. Of floats NaN never is."""
    if dtype.kind == "f":
        return False
    least, most = (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return bool(np.all(low == least) and np.all(high == most))


def _copied(array: NDArray[Any]) -> bytes:
    return array.tobytes()


def _lent(array: NDArray[Any]) -> bytes | memoryview:
    """Bytes of the array; a view of its memory if they are many."""
    if array.nbytes < LONG:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


class ArrayNode:
    """An array of fixed shape. Wire: its bytes, little-endian, row-major. ``lend``: see ``protocol.coders.coder``."""

    __slots__ = ("_bytes_of", "_numbers", "_shape", "_size")

    def __init__(
        self, dtype: DType, shape: tuple[int, ...], bounds: tuple[Bound, Bound] | None, *, lend: bool = False
    ) -> None:
        self._numbers, self._shape = Numbers(dtype, shape, bounds), shape
        self._size = math.prod(shape) * dtype.itemsize
        self._bytes_of = _lent if lend else _copied

    def encode(self, value: Any) -> Any:
        return self._bytes_of(self._numbers.take(value, self._shape))

    def decode(self, wire: Any) -> Any:
        return self._numbers.give(wire, self._shape, self._size)


class PointNode(ArrayNode):
    """An array of shape (). Wire: its bytes; in a list of one if it is not an array but a numpy scalar."""

    __slots__ = ()

    def encode(self, value: Any) -> Any:
        wire = super().encode(value)
        return [wire] if isinstance(value, np.generic) else wire

    def decode(self, wire: Any) -> Any:
        if type(wire) is list and len(wire) == 1:
            return super().decode(wire[0])[()]
        return super().decode(wire)


class ArrayBatch:
    """Any number of arrays of one shape, as one array with one dimension more. Wire: its bytes."""

    __slots__ = ("_bytes_of", "_item_size", "_numbers", "_shape")

    def __init__(
        self, dtype: DType, shape: tuple[int, ...], bounds: tuple[Bound, Bound] | None, *, lend: bool = False
    ) -> None:
        self._numbers, self._shape = Numbers(dtype, shape, bounds), shape
        self._item_size = math.prod(shape) * dtype.itemsize
        self._bytes_of = _lent if lend else _copied

    def count(self, value: Any) -> int:
        if type(value) is np.ndarray and value.ndim:
            return len(value)
        if not isinstance(value, (np.ndarray, list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 0):
            raise Misfit("an array", describe(value))
        return len(value)

    def encode(self, value: Any, count: int) -> Any:
        return self._bytes_of(self._numbers.take(value, (count, *self._shape)))

    def decode(self, wire: Any, count: int) -> Any:
        return self._numbers.give(wire, (count, *self._shape), count * self._item_size)


class DiscreteNode:
    """An integer. Wire: int."""

    __slots__ = ("_high", "_low", "_scalar")

    def __init__(self, dtype: DType, low: int, high: int) -> None:
        self._low, self._high, self._scalar = low, high, dtype.type

    def encode(self, value: Any) -> Any:
        number = value if type(value) is int else self._whole(value)
        if not self._low <= number <= self._high:
            raise Misfit(f"an integer from {self._low} to {self._high}", describe(number))
        return number

    def decode(self, wire: Any) -> Any:
        if type(wire) is not int or not self._low <= wire <= self._high:
            raise Misfit(f"an integer from {self._low} to {self._high}", describe(wire))
        return self._scalar(wire)

    def _whole(self, value: Any) -> int:
        try:
            if not isinstance(value, np.bool_):  # numpy 1 lets it pass for an index, numpy 2 does not
                return int(operator.index(value))  # int(): of an IntEnum, index() returns the member
        except TypeError:
            pass
        raise Misfit(f"an integer from {self._low} to {self._high}", describe(value))


class TextNode:
    """A string. Wire: str."""

    __slots__ = ("_bounds", "_characters", "_spec")

    def __init__(self, spec: TextSpec, bounds: bool) -> None:
        self._spec, self._bounds, self._characters = spec, bounds, frozenset(spec.characters)

    def encode(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise Misfit("str", describe(value))
        return self._checked(str.__str__(value))

    def decode(self, wire: Any) -> Any:
        if type(wire) is not str:
            raise Misfit("str", describe(wire))
        return self._checked(wire)

    def _checked(self, text: str) -> str:
        if self._bounds:
            if not self._spec.min_length <= len(text) <= self._spec.max_length:
                raise Misfit(f"{self._spec.min_length} to {self._spec.max_length} characters", str(len(text)))
            if not self._characters.issuperset(text):
                strange = next(character for character in text if character not in self._characters)
                raise Misfit(f"characters of the {len(self._characters)} of the space", ascii(strange))
        return text
