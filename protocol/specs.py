"""Gym-free descriptions of the ten Gymnasium spaces, and how they travel: once, in ``status``.

``to_data`` makes plain data of a spec, ``from_data`` a spec of plain data; ``protocol.coders`` then codes values by
walking the spec. The data are dicts in the shape of Minari's ``serialize_space``, where that loses nothing:

=============  =======================================================================================================
type           other entries
=============  =======================================================================================================
Box            dtype (name), shape (list of int), low, high (a number, or an array of that shape and dtype); only for
               signed integers without a bound: bounded_below, bounded_above (a bool or an array of bool)
Discrete       n, start, dtype
MultiBinary    n (an int, or a list of int)
MultiDiscrete  nvec, start (arrays of one shape and of dtype), dtype
Text           min_length, max_length, charset (str; its order matters)
Tuple          subspaces (list)
Dict           keys (list), subspaces (list): two lists, because maps have no order in other languages
Sequence       feature_space, stack (bool)
Graph          node_space, edge_space (or None)
OneOf          subspaces (list)
=============  =======================================================================================================
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.dtypes import SPACE_DTYPES
from protocol.errors import DecodeError, EncodeError
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.spec_types import (
    BoxSpec,
    DictSpec,
    DiscreteSpec,
    GraphSpec,
    MultiBinarySpec,
    MultiDiscreteSpec,
    OneOfSpec,
    SequenceSpec,
    Spec,
    TextSpec,
    TupleSpec,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "BoxSpec",
    "DictSpec",
    "DiscreteSpec",
    "GraphSpec",
    "MultiBinarySpec",
    "MultiDiscreteSpec",
    "OneOfSpec",
    "SequenceSpec",
    "Spec",
    "TextSpec",
    "TupleSpec",
    "from_data",
    "to_data",
]


def to_data(spec: Spec) -> dict[str, Any]:
    """The spec as plain data for ``protocol.wire.pack``."""
    match spec:
        case BoxSpec():
            return _box_to_data(spec)
        case DiscreteSpec():
            return {"type": "Discrete", "n": spec.n, "start": spec.start, "dtype": spec.dtype}
        case MultiBinarySpec():
            return {"type": "MultiBinary", "n": list(spec.n) if isinstance(spec.n, tuple) else spec.n}
        case MultiDiscreteSpec():
            return {"type": "MultiDiscrete", "nvec": spec.nvec, "start": spec.start, "dtype": spec.dtype}
        case TextSpec():
            lengths = {"min_length": spec.min_length, "max_length": spec.max_length}
            return {"type": "Text", **lengths, "charset": spec.characters}
        case TupleSpec() | OneOfSpec():
            kind = "Tuple" if isinstance(spec, TupleSpec) else "OneOf"
            return {"type": kind, "subspaces": [to_data(part) for part in spec.spaces]}
        case DictSpec():
            keys, parts = [key for key, _ in spec.items], [to_data(part) for _, part in spec.items]
            return {"type": "Dict", "keys": keys, "subspaces": parts}
        case SequenceSpec():
            return {"type": "Sequence", "feature_space": to_data(spec.feature), "stack": spec.stack}
        case GraphSpec():
            edge = None if spec.edge is None else to_data(spec.edge)
            return {"type": "Graph", "node_space": to_data(spec.node), "edge_space": edge}


def from_data(data: Any, limits: Limits = DEFAULT_LIMITS) -> Spec:
    """The spec that ``to_data`` made ``data`` of. Raises ``DecodeError``, naming the place, for anything else.

    A space whose value would not fit into one message is refused before anybody makes room for its bounds.
    """
    reader = _Reader(limits)
    return reader.read(data, "space", limits.depth)


def _box_to_data(spec: BoxSpec) -> dict[str, Any]:
    data = {"type": "Box", "dtype": spec.dtype, "shape": list(spec.shape), "low": spec.low, "high": spec.high}
    if SPACE_DTYPES[spec.dtype].kind != "f":
        for name in ("bounded_below", "bounded_above"):
            if getattr(spec, name) is not True:
                data[name] = getattr(spec, name)
    return data


class _Reader:
    """One reading of a spec; it counts what a value of all that was read so far would take."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0

    def read(self, data: Any, place: str, depth: int) -> Spec:
        kind = data.get("type") if type(data) is dict else None
        read = _READ.get(kind) if type(kind) is str else None
        if read is None:
            raise DecodeError(f"{place}: expected a dict with a 'type' of {', '.join(_READ)}, got {_what(data)}")
        if depth <= 0:
            raise DecodeError(f"{place}: spaces nest deeper than {self._limits.depth}")
        try:
            return read(self, data, place, depth - 1)
        except (EncodeError, ValueError, TypeError, OverflowError) as problem:
            raise DecodeError(f"{place}: {str(problem)[:200]}") from problem

    def box(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"dtype", "shape", "low", "high"}, {"bounded_below", "bounded_above"})
        shape, dtype = tuple(_list(data["shape"], f"{place}.shape")), data["dtype"]
        self._take(shape, dtype, place)
        names = ("low", "high", "bounded_below", "bounded_above")
        bounds = {name: _bound(data[name], shape, f"{place}.{name}") for name in names if name in data}
        return BoxSpec(shape, dtype, **bounds)

    def discrete(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"n", "start", "dtype"})
        return DiscreteSpec(data["n"], data["start"], data["dtype"])

    def multi_binary(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"n"})
        n = tuple(data["n"]) if type(data["n"]) is list else data["n"]
        self._take(n if type(n) is tuple else (n,), "int8", place)
        return MultiBinarySpec(n)

    def multi_discrete(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"nvec", "start", "dtype"})
        for name in ("nvec", "start"):
            if type(data[name]) is not np.ndarray:
                raise DecodeError(f"{place}.{name}: expected an array, got {_what(data[name])}")
        return MultiDiscreteSpec(data["nvec"], data["start"], data["dtype"])

    def text(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"min_length", "max_length", "charset"})
        return TextSpec(data["min_length"], data["max_length"], data["charset"])

    def tuple_(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"subspaces"})
        return TupleSpec(self._parts(data["subspaces"], place, depth))

    def dict_(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"keys", "subspaces"})
        keys, parts = _list(data["keys"], f"{place}.keys"), self._parts(data["subspaces"], place, depth)
        if len(keys) != len(parts):
            raise DecodeError(f"{place}: {len(keys)} keys for {len(parts)} subspaces")
        return DictSpec(tuple(zip(keys, parts, strict=True)))

    def sequence(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"feature_space", "stack"})
        return SequenceSpec(self.read(data["feature_space"], f"{place}.feature_space", depth), data["stack"])

    def graph(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"node_space", "edge_space"})
        node, edge = self.read(data["node_space"], f"{place}.node_space", depth), data["edge_space"]
        return GraphSpec(node, None if edge is None else self.read(edge, f"{place}.edge_space", depth))

    def one_of(self, data: dict[str, Any], place: str, depth: int) -> Spec:
        _expect(data, place, {"subspaces"})
        return OneOfSpec(self._parts(data["subspaces"], place, depth))

    def _parts(self, data: Any, place: str, depth: int) -> tuple[Spec, ...]:
        parts = _list(data, f"{place}.subspaces")
        return tuple(self.read(part, f"{place}.subspaces[{index}]", depth) for index, part in enumerate(parts))

    def _take(self, shape: tuple[Any, ...], dtype: Any, place: str) -> None:
        if type(dtype) is str and dtype in SPACE_DTYPES and all(type(extent) is int for extent in shape):
            self._bytes += math.prod(abs(extent) or 1 for extent in shape) * SPACE_DTYPES[dtype].itemsize
        if self._bytes > self._limits.body_bytes:
            raise DecodeError(f"{place}: a value takes more than the {self._limits.body_bytes} bytes of a message")


_READ: dict[str, Callable[[_Reader, dict[str, Any], str, int], Spec]] = {
    "Box": _Reader.box,
    "Discrete": _Reader.discrete,
    "MultiBinary": _Reader.multi_binary,
    "MultiDiscrete": _Reader.multi_discrete,
    "Text": _Reader.text,
    "Tuple": _Reader.tuple_,
    "Dict": _Reader.dict_,
    "Sequence": _Reader.sequence,
    "Graph": _Reader.graph,
    "OneOf": _Reader.one_of,
}


def _expect(data: dict[str, Any], place: str, names: set[str], optional: Collection[str] = ()) -> None:
    given = {name for name in data if name != "type"}
    if missing := names - given:
        raise DecodeError(f"{place}: {data['type']} lacks {', '.join(sorted(missing))}")
    if surplus := given.difference(names, optional):
        raise DecodeError(f"{place}: {data['type']} has {len(surplus)} entries too many")


def _list(value: Any, place: str) -> list[Any]:
    if type(value) is not list:
        raise DecodeError(f"{place}: expected a list, got {_what(value)}")
    return value


def _bound(value: Any, shape: tuple[Any, ...], place: str) -> Any:
    if type(value) not in (bool, int, float) and not (type(value) is np.ndarray and value.shape == shape):
        raise DecodeError(f"{place}: expected a number or an array of shape {shape!r:.80}, got {_what(value)}")
    return value


def _what(value: Any) -> str:
    if type(value) is np.ndarray:
        return f"a {value.dtype.name} array of shape {value.shape}"
    return type(value).__name__
