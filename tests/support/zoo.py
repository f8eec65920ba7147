"""A zoo of specs with sample values, and what it means that a value arrived as it was sent. Knows no gym.

``SPECS`` is for ``pytest.mark.parametrize``; ``sample(spec, rng)`` gives a value in the space, of the types that
Gymnasium's ``sample`` gives; ``same(one, other)`` compares bit for bit, with types and order.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.coders import Graph
from protocol.specs import (
    BoxSpec,
    DictSpec,
    DiscreteSpec,
    GraphSpec,
    MultiBinarySpec,
    MultiDiscreteSpec,
    OneOfSpec,
    SequenceSpec,
    TextSpec,
    TupleSpec,
)

if TYPE_CHECKING:
    from protocol.specs import Spec

INF = float("inf")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
CARTPOLE = BoxSpec(
    shape=(4,),
    dtype="float32",
    low=np.array([-4.8, -INF, -0.41887903, -INF], np.float32),
    high=np.array([4.8, INF, 0.41887903, INF], np.float32),
)
IMAGE = BoxSpec(shape=(8, 6, 3), dtype="uint8", low=0, high=255)
ARM = DictSpec((("arm", BoxSpec((3,), "float32", -1.0, 1.0)), ("grip", DiscreteSpec(2))))

SPECS: dict[str, Spec] = {
    **{f"box_{name}": BoxSpec((2, 3), name, 0, 100) for name in (*INTEGERS, *FLOATS)},
    **{f"box_all_{name}": BoxSpec((5,), name, np.iinfo(name).min, np.iinfo(name).max) for name in INTEGERS},
    **{f"box_unbounded_{name}": BoxSpec((3,), name, -INF, INF) for name in FLOATS},
    "box_bool": BoxSpec((4,), "bool", False, True),
    "box_half_bounded": BoxSpec((2,), "float64", np.array([-INF, 0.0]), np.array([0.0, INF])),
    "box_int_without_bound": BoxSpec((2,), "int32", -(2**31), 9, bounded_below=np.array([False, True])),
    "box_point": BoxSpec((), "float32", -1.0, 1.0),
    "box_empty": BoxSpec((0, 3), "float32", -1.0, 1.0),
    "box_large": BoxSpec((40, 50), "float64", -1.0, np.linspace(0.0, 1.0, 2000).reshape(40, 50)),
    "cartpole": CARTPOLE,
    "image": IMAGE,
    "discrete": DiscreteSpec(4),
    "discrete_start": DiscreteSpec(3, start=-1),
    **{f"discrete_{name}": DiscreteSpec(5, start=2, dtype=name) for name in INTEGERS},
    "multi_binary": MultiBinarySpec(5),
    "multi_binary_shaped": MultiBinarySpec((3, 2)),
    "multi_discrete": MultiDiscreteSpec(np.array([5, 2, 2])),
    "multi_discrete_shaped": MultiDiscreteSpec(np.array([[1, 2], [3, 4]]), np.array([[-1, 0], [5, -9]]), "int16"),
    "text": TextSpec(1, 8, "abcdef"),
    "text_empty": TextSpec(0, 4, "zyä漢😀"),
    "tuple": TupleSpec((DiscreteSpec(2), CARTPOLE, TextSpec(1, 3, "xy"))),
    "tuple_of_none": TupleSpec(()),
    "dict": ARM,
    "dict_of_odd_keys": DictSpec(((7, DiscreteSpec(2)), ("b", DiscreteSpec(3)), ((1, "x"), IMAGE), ("a", CARTPOLE))),
    "sequence": SequenceSpec(BoxSpec((2,), "float32", 0.0, 1.0)),
    "sequence_stacked": SequenceSpec(BoxSpec((2,), "float32", 0.0, 1.0), stack=True),
    "sequence_stacked_discrete": SequenceSpec(DiscreteSpec(5, start=1, dtype="uint8"), stack=True),
    "sequence_stacked_dict": SequenceSpec(ARM, stack=True),
    "sequence_stacked_mixed": SequenceSpec(TupleSpec((TextSpec(1, 3, "ab"), MultiBinarySpec(2))), stack=True),
    "graph": GraphSpec(BoxSpec((3,), "float32", -INF, INF), BoxSpec((), "float64", 0.0, 1.0)),
    "graph_of_discrete": GraphSpec(DiscreteSpec(3), DiscreteSpec(4, start=-2)),
    "graph_without_edges": GraphSpec(BoxSpec((2, 2), "uint8", 0, 255)),
    "one_of": OneOfSpec((DiscreteSpec(3), CARTPOLE)),
    "nested": DictSpec(
        (
            ("inner", DictSpec((("deep", TupleSpec((ARM, OneOfSpec((TextSpec(0, 2, "a"), IMAGE))))),))),
            ("many", SequenceSpec(TupleSpec((SequenceSpec(DiscreteSpec(3)), CARTPOLE)))),
            ("net", GraphSpec(ARM, MultiDiscreteSpec(np.array([2, 3])))),
        )
    ),
}


def sample(spec: Spec, rng: np.random.Generator) -> Any:
    """A value of the space, drawn with ``rng``."""
    match spec:
        case DiscreteSpec():
            return np.dtype(spec.dtype).type(spec.start + int(rng.integers(spec.n)))
        case TextSpec():
            length = int(rng.integers(spec.min_length, spec.max_length + 1))
            return "".join(rng.choice(list(spec.characters), length)) if length else ""
        case TupleSpec():
            return tuple(sample(part, rng) for part in spec.spaces)
        case DictSpec():
            return {key: sample(part, rng) for key, part in spec.items}
        case OneOfSpec():
            index = int(rng.integers(len(spec.spaces)))
            return np.int64(index), sample(spec.spaces[index], rng)
        case SequenceSpec():
            count = int(rng.integers(5))
            return stacked(spec.feature, count, rng) if spec.stack else _several(spec.feature, count, rng)
        case GraphSpec():
            return _graph(spec, rng)
        case _:
            return _array(spec, (), rng)


def stacked(spec: Spec, count: int, rng: np.random.Generator) -> Any:
    """``count`` values of the space as Gymnasium stacks them."""
    match spec:
        case DiscreteSpec():
            return _array(BoxSpec((), spec.dtype, spec.start, spec.start + spec.n - 1), (count,), rng)
        case TupleSpec():
            return tuple(stacked(part, count, rng) for part in spec.spaces)
        case DictSpec():
            return {key: stacked(part, count, rng) for key, part in spec.items}
        case BoxSpec() | MultiBinarySpec() | MultiDiscreteSpec():
            return _array(spec, (count,), rng)
        case _:
            return _several(spec, count, rng)


def same(one: Any, other: Any) -> bool:
    """Whether both are of the same types, order, dtypes and shapes, and have the same bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray) and one.dtype.kind == "O":
        return one.shape == other.shape and same(list(one.reshape(-1)), list(other.reshape(-1)))
    if isinstance(one, (np.ndarray, np.generic)):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return bool(one == other)


def _several(spec: Spec, count: int, rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(sample(spec, rng) for _ in range(count))


def _graph(spec: GraphSpec, rng: np.random.Generator) -> Graph:
    nodes, edges = int(rng.integers(1, 6)), int(rng.integers(6))
    if spec.edge is None or not edges:
        return Graph(stacked(spec.node, nodes, rng), None, None)
    links = rng.integers(0, nodes, (edges, 2), np.int32)
    return Graph(stacked(spec.node, nodes, rng), stacked(spec.edge, edges, rng), links)


def _array(spec: Any, more: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = (*more, *spec.shape)
    if isinstance(spec, MultiDiscreteSpec):
        return (spec.start + rng.integers(0, spec.nvec, shape)).astype(spec.dtype)
    if isinstance(spec, MultiBinarySpec):
        return rng.integers(0, 2, shape, np.int8)
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        low, high = np.maximum(spec.low, -50.0), np.minimum(spec.high, 50.0)
        # Rounding to the dtype may have gone beyond the bounds.
        return np.asarray(np.clip(np.asarray(rng.uniform(low, high, shape), dtype), spec.low, spec.high), dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    return np.asarray(rng.integers(spec.low, spec.high, shape, dtype, endpoint=True))
