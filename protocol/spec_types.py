"""The ten Gymnasium spaces as frozen, hashable values without gym. Use them through ``protocol.specs``.

A spec that makes no sense is refused when it is made, with ``EncodeError``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.dtypes import SPACE_DTYPES, DType, code_of
from protocol.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Bound = float | int | bool | NDArray[Any]

_MOST_DIMS = 32
_MOST_BYTES = 2**31
"""Of one value. It keeps sums far from overflow; what a message may hold is up to ``protocol.limits``."""


@dataclass(frozen=True, eq=False, slots=True)
class BoxSpec:
    """Arrays of ``shape`` and ``dtype`` (a name) with ``low <= value <= high`` for each element.

    A bound is given as a number or as an array of ``shape``, and kept as a Python number if it is the same everywhere,
    else as a read-only array of ``dtype``. Bounds of floats may be infinite. A signed integer cannot be, so there
    ``bounded_below`` and ``bounded_above`` say (as a bool, or an array of bool of ``shape``) whether the space was made
    with a bound; they only change how Gymnasium samples, not what is inside. For floats they follow from the bounds.
    """

    shape: tuple[int, ...]
    dtype: str
    low: Bound
    high: Bound
    bounded_below: Bound = True
    bounded_above: Bound = True

    def __post_init__(self) -> None:
        dtype = _dtype(self.dtype, "biuf", "Box")
        _check_shape(self.shape, dtype, "Box")
        low = _bound(self.low, self.shape, dtype, "low")
        high = _bound(self.high, self.shape, dtype, "high")
        if not np.all(low <= high):
            raise EncodeError("Box: low must be at most high everywhere, and neither may be NaN")
        below: Bound = self.bounded_below
        above: Bound = self.bounded_above
        if dtype.kind == "f":
            below, above = low > -math.inf, high < math.inf
        flag = np.dtype(bool)
        _set(self, low=low, high=high)
        _set(self, bounded_below=_bound(below, self.shape, flag, "bounded_below"))
        _set(self, bounded_above=_bound(above, self.shape, flag, "bounded_above"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoxSpec) and _identity(self) == _identity(other)

    def __hash__(self) -> int:
        return hash(_identity(self))


@dataclass(frozen=True, slots=True)
class DiscreteSpec:
    """The integers ``start`` to ``start + n - 1``, as scalars of ``dtype``."""

    n: int
    start: int = 0
    dtype: str = "int64"

    def __post_init__(self) -> None:
        info = np.iinfo(_dtype(self.dtype, "iu", "Discrete"))
        if type(self.n) is not int or type(self.start) is not int:
            raise EncodeError(f"Discrete: n and start must be int, got {self.n!r:.40} and {self.start!r:.40}")
        if not (0 < self.n <= info.max and info.min <= self.start <= info.max):
            raise EncodeError(f"Discrete: n must be positive, and n and start fit {self.dtype}")


@dataclass(frozen=True, slots=True)
class MultiBinarySpec:
    """int8 arrays of 0 and 1, of shape ``(n,)`` if ``n`` is an int, else of shape ``n``."""

    n: int | tuple[int, ...]

    def __post_init__(self) -> None:
        _check_shape(self.shape, SPACE_DTYPES["int8"], "MultiBinary", lowest=1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a value."""
        return self.n if isinstance(self.n, tuple) else (self.n,)

    @property
    def dtype(self) -> str:
        """Of a value."""
        return "int8"


@dataclass(frozen=True, eq=False, slots=True)
class MultiDiscreteSpec:
    """Integer arrays of the shape of ``nvec``, with ``start <= value < start + nvec`` for each element.

    ``nvec`` and ``start`` are kept as read-only arrays of ``dtype`` (a name); ``start`` may be given as one int.
    """

    nvec: NDArray[Any]
    start: Bound = 0
    dtype: str = "int64"

    def __post_init__(self) -> None:
        dtype = _dtype(self.dtype, "iu", "MultiDiscrete")
        nvec = _array(self.nvec, dtype, "nvec")
        _check_shape(nvec.shape, dtype, "MultiDiscrete")
        if not np.all(nvec > 0):
            raise EncodeError("MultiDiscrete: nvec must be positive everywhere")
        start = _array(self.start, dtype, "start")
        if start.shape not in (nvec.shape, ()):
            raise EncodeError(f"MultiDiscrete: start has shape {start.shape}, nvec {nvec.shape}")
        _set(self, nvec=_frozen(nvec), start=_frozen(np.broadcast_to(start, nvec.shape)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a value."""
        return self.nvec.shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MultiDiscreteSpec) and _identity(self) == _identity(other)

    def __hash__(self) -> int:
        return hash(_identity(self))


@dataclass(frozen=True, slots=True)
class TextSpec:
    """Strings of ``min_length`` to ``max_length`` of ``characters``, whose order matters for sampling."""

    min_length: int
    max_length: int
    characters: str

    def __post_init__(self) -> None:
        if type(self.min_length) is not int or type(self.max_length) is not int or type(self.characters) is not str:
            raise EncodeError("Text: min_length and max_length must be int, characters str")
        if not 0 <= self.min_length <= self.max_length < 2**63:
            raise EncodeError(f"Text: lengths must be 0 <= {self.min_length} <= {self.max_length}")
        if len(set(self.characters)) != len(self.characters):
            raise EncodeError("Text: a character comes twice")


@dataclass(frozen=True, slots=True)
class TupleSpec:
    """Tuples with one value of each of ``spaces``."""

    spaces: tuple[Spec, ...]

    def __post_init__(self) -> None:
        _check_specs(self.spaces, "Tuple")


@dataclass(frozen=True, slots=True)
class DictSpec:
    """Dicts with exactly the keys of ``items`` (key, spec), in that order.

    A key is None, a bool, int, float, str, bytes, a numpy scalar, or a tuple of these.
    """

    items: tuple[tuple[Any, Spec], ...]

    def __post_init__(self) -> None:
        _check_specs((spec for _, spec in self.items), "Dict")
        for key, _ in self.items:
            if not _is_key(key):
                raise EncodeError(f"Dict: a key of type {type(key).__name__} cannot be sent")
        if len(dict(self.items)) != len(self.items):
            raise EncodeError("Dict: a key comes twice")


@dataclass(frozen=True, slots=True)
class SequenceSpec:
    """Any number of values of ``feature``: a tuple of them, or, with ``stack``, the stacked value."""

    feature: Spec
    stack: bool = False

    def __post_init__(self) -> None:
        _check_specs((self.feature,), "Sequence")
        if type(self.stack) is not bool:
            raise EncodeError(f"Sequence: stack must be a bool, got {type(self.stack).__name__}")


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """Graphs whose nodes are of space ``node`` and whose edges are of space ``edge``, or have none (None)."""

    node: Spec
    edge: Spec | None = None

    def __post_init__(self) -> None:
        _check_specs((self.node,) if self.edge is None else (self.node, self.edge), "Graph")


@dataclass(frozen=True, slots=True)
class OneOfSpec:
    """Pairs of an index into ``spaces`` and a value of that space."""

    spaces: tuple[Spec, ...]

    def __post_init__(self) -> None:
        _check_specs(self.spaces, "OneOf")
        if not self.spaces:
            raise EncodeError("OneOf: needs one space at least")


Spec = (
    BoxSpec
    | DiscreteSpec
    | MultiBinarySpec
    | MultiDiscreteSpec
    | TextSpec
    | TupleSpec
    | DictSpec
    | SequenceSpec
    | GraphSpec
    | OneOfSpec
)


def _set(spec: object, **fields: Any) -> None:
    for name, value in fields.items():
        object.__setattr__(spec, name, value)


def _identity(spec: BoxSpec | MultiDiscreteSpec) -> tuple[Any, ...]:
    values = [getattr(spec, name) for name in spec.__slots__]
    # A number is told from its neighbour by its type and sign too: 0 from False and from -0.0.
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else repr(value) for value in values)


def _dtype(name: Any, kinds: str, space: str) -> DType:
    dtype = SPACE_DTYPES.get(name) if isinstance(name, str) else None
    if dtype is None or dtype.kind not in kinds:
        raise EncodeError(f"{space}: dtype {name!r:.40} cannot be sent")
    return dtype


def _check_shape(shape: Any, dtype: DType, space: str, lowest: int = 0) -> None:
    if type(shape) is not tuple or not all(type(extent) is int and extent >= lowest for extent in shape):
        raise EncodeError(f"{space}: shape must be a tuple of int of at least {lowest}, got {shape!r:.80}")
    if len(shape) > _MOST_DIMS or math.prod(extent or 1 for extent in shape) * dtype.itemsize > _MOST_BYTES:
        raise EncodeError(f"{space}: a value of shape {shape!r:.80} and dtype {dtype.name} is too large to be sent")


def _array(value: Any, dtype: DType, name: str) -> NDArray[Any]:
    """``value`` as an array of ``dtype`` that has the same numbers."""
    given = np.asarray(value)
    if given.dtype.kind not in "biuf":
        raise EncodeError(f"{name} must be numbers, got {given.dtype.name:.40}")
    with np.errstate(all="ignore"):
        array = given.astype(dtype)
        same = array == given
    if not np.all(same) and not (dtype.kind == "f" and not np.any(np.isnan(given))):
        raise EncodeError(f"{name} has values that do not fit {dtype.name}")
    return array


def _bound(value: Any, shape: tuple[int, ...], dtype: DType, name: str) -> Any:
    array = _array(value, dtype, name)
    if array.shape not in (shape, ()):
        raise EncodeError(f"Box: {name} has shape {array.shape}, the box {shape}")
    if not array.size:
        return dtype.type(dtype.kind == "b").item()  # no element, so any number will do
    first = array.reshape(-1)[0]
    return first.item() if array.tobytes() == first.tobytes() * array.size else _frozen(array)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


def _check_specs(specs: Iterable[Any], space: str) -> None:
    for spec in specs:
        if not isinstance(spec, Spec):
            raise EncodeError(f"{space}: expected specs, got {type(spec).__name__}")


def _is_key(key: Any) -> bool:
    if type(key) is tuple:
        return all(map(_is_key, key))
    if isinstance(key, np.generic):
        return code_of(key.dtype) is not None
    return key is None or type(key) in (bool, int, float, str, bytes)
