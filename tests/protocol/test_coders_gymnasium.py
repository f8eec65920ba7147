"""The coders against Gymnasium itself: its samples arrive as they were, and what it contains is what we let through."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from protocol.coders import coder
from protocol.errors import OutsideSpace
from protocol.specs import (
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
    from_data,
    to_data,
)
from protocol.wire import pack, unpack
from tests.support.zoo import FLOATS, INTEGERS, same

INF = float("inf")


def spec_of(space: Any) -> Spec:
    match space:
        case spaces.Box():
            names = ("low", "high", "bounded_below", "bounded_above")
            return BoxSpec(space.shape, space.dtype.name, **{name: getattr(space, name) for name in names})
        case spaces.Discrete():
            return DiscreteSpec(int(space.n), int(space.start), space.dtype.name)
        case spaces.MultiBinary():
            return MultiBinarySpec(space.n)
        case spaces.MultiDiscrete():
            return MultiDiscreteSpec(space.nvec, space.start, space.dtype.name)
        case spaces.Text():
            return TextSpec(space.min_length, space.max_length, "".join(space.character_list))
        case spaces.Tuple():
            return TupleSpec(tuple(map(spec_of, space.spaces)))
        case spaces.Dict():
            return DictSpec(tuple((key, spec_of(part)) for key, part in space.spaces.items()))
        case spaces.Sequence():
            return SequenceSpec(spec_of(space.feature_space), space.stack)
        case spaces.Graph():
            return GraphSpec(spec_of(space.node_space), space.edge_space and spec_of(space.edge_space))
        case spaces.OneOf():
            return OneOfSpec(tuple(map(spec_of, space.spaces)))
    raise TypeError(space)


ARM = spaces.Dict({"arm": spaces.Box(-1, 1, (3,)), "grip": spaces.Discrete(2)})
ODD_KEYS = [(7, spaces.Discrete(2)), ("b", spaces.Text(4)), ((1, "x"), spaces.MultiBinary(3)), ("a", spaces.Box(0, 1))]
SPACES = [
    *(spaces.Box(0, 100, (2, 3), dtype=np.dtype(name)) for name in (*INTEGERS, *FLOATS)),
    *(spaces.Box(-INF, INF, (3,), dtype=np.dtype(name)) for name in FLOATS),
    *(spaces.Box(-INF, INF, (3,), dtype=np.dtype(name)) for name in INTEGERS if name[0] == "i"),
    *(spaces.Box(0, 9, (), dtype=np.dtype(name)) for name in (*INTEGERS, *FLOATS)),
    *(spaces.Box(np.iinfo(name).min, np.iinfo(name).max, (3,), dtype=np.dtype(name)) for name in INTEGERS[:3]),
    spaces.Box(0, 1, (4,), dtype=np.bool_),
    spaces.Box(0, 1, (0, 3)),
    spaces.Box(np.array([-INF, 0]), np.array([0, INF]), dtype=np.float64),
    spaces.Box(0, 255, (84, 84, 4), dtype=np.uint8),
    spaces.Discrete(4),
    spaces.Discrete(3, start=-1),
    *(spaces.Discrete(5, start=2, dtype=np.dtype(name)) for name in INTEGERS),
    spaces.MultiBinary(5),
    spaces.MultiBinary((3, 2)),
    spaces.MultiDiscrete([5, 2, 2]),
    spaces.MultiDiscrete([[1, 2], [3, 4]], start=[[-1, 0], [5, -9]], dtype=np.int16),
    spaces.Text(6),
    spaces.Text(4, min_length=0, charset="zyä漢😀"),
    spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (2,)), spaces.Text(3))),
    spaces.Tuple(()),
    ARM,
    spaces.Dict(ODD_KEYS),
    spaces.Sequence(spaces.Box(0, 1, (2,))),
    spaces.Sequence(spaces.Box(0, 1, (2,)), stack=True),
    spaces.Sequence(spaces.Discrete(5, start=1), stack=True),
    spaces.Sequence(ARM, stack=True),
    spaces.Sequence(spaces.Tuple((spaces.Text(3), spaces.MultiBinary(2))), stack=True),
    spaces.Sequence(spaces.Sequence(spaces.Discrete(3), stack=True), stack=True),
    spaces.Graph(spaces.Box(-INF, INF, (3,)), spaces.Box(0, 1, (2, 2))),
    spaces.Graph(spaces.Discrete(3), spaces.Discrete(4, start=-2)),
    spaces.Graph(spaces.Box(0, 1, (2,)), None),
    spaces.Graph(ARM, spaces.MultiDiscrete([2, 3])),
    spaces.OneOf((spaces.Discrete(3), spaces.Box(-1, 1, (2,)))),
    spaces.Dict(
        {
            "inner": spaces.Dict({"deep": spaces.Tuple((ARM, spaces.OneOf((spaces.Text(2), spaces.Discrete(3)))))}),
            "many": spaces.Sequence(spaces.Tuple((spaces.Sequence(spaces.Discrete(3)), spaces.Box(0, 1)))),
            "net": spaces.Graph(spaces.Tuple((spaces.Text(2), spaces.Discrete(2))), ARM),
        }
    ),
]
every_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: str(space)[:60])


def let_through(space: Any, value: Any) -> bool:
    try:
        coder(spec_of(space), bounds=True).encode(value)
    except OutsideSpace:
        return False
    return True


@every_space
def test_samples_of_gymnasium_arrive_bit_for_bit_with_their_types(space):
    spec = spec_of(space)
    ours = coder(spec, bounds=True, graph=spaces.GraphInstance)
    theirs = coder(from_data(unpack(pack(to_data(spec)))), bounds=True, graph=spaces.GraphInstance)
    space.seed(42)
    for _ in range(30):
        value = space.sample()
        arrived = theirs.decode(unpack(pack(ours.encode(value))))
        assert same(arrived, value)


@every_space
def test_what_arrives_is_contained_in_the_space(space):
    spec = spec_of(space)
    both = coder(spec, bounds=True, graph=spaces.GraphInstance)
    space.seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium warns of its own samples of integer boxes without dimensions
        for _ in range(10):
            assert space.contains(both.decode(both.encode(space.sample())))


@given(st.data())
@pytest.mark.parametrize("name", [*INTEGERS, *FLOATS])
def test_boxes_let_through_what_gymnasium_contains(name, data):
    dtype = np.dtype(name)
    bounds = st.sampled_from([0, 1, 5, 100]) if dtype.kind == "u" else st.sampled_from([-100, -1, 0, 1, 100])
    low, high = sorted((data.draw(bounds), data.draw(bounds)))
    space = spaces.Box(low, high, (data.draw(st.sampled_from([1, 3, 20])),), dtype=dtype)
    value = data.draw(npst.arrays(dtype, space.shape, elements=npst.from_dtype(dtype), fill=st.just(dtype.type(low))))
    assert let_through(space, value) == space.contains(value)


@given(n=st.integers(1, 9), start=st.integers(-9, 9), value=st.integers(-20, 20) | st.integers(-(2**70), 2**70))
def test_discrete_lets_through_what_gymnasium_contains(n, start, value):
    space = spaces.Discrete(n, start=start, dtype=np.int8)
    assert let_through(space, value) == space.contains(value)


@given(st.data())
def test_multi_discrete_lets_through_what_gymnasium_contains(data):
    shape = data.draw(st.sampled_from([(2,), (2, 3), (30,)]))
    nvec = data.draw(npst.arrays(np.int64, shape, elements=st.integers(1, 5)))
    start = data.draw(npst.arrays(np.int64, shape, elements=st.integers(-5, 5)))
    value = start + data.draw(npst.arrays(np.int64, shape, elements=st.integers(-1, 5), fill=st.just(0)))
    space = spaces.MultiDiscrete(nvec, start=start)
    assert let_through(space, value) == space.contains(value)


@given(st.text(alphabet="abcä", max_size=6))
def test_text_lets_through_what_gymnasium_contains(value):
    space = spaces.Text(4, min_length=1, charset="aä")
    assert let_through(space, value) == space.contains(value)


@pytest.mark.parametrize(
    "value",
    [
        spaces.GraphInstance(np.array([0, 2]), np.array([1]), np.array([[0, 1]])),
        spaces.GraphInstance(np.array([0, 3]), np.array([1]), np.array([[0, 1]])),
        spaces.GraphInstance(np.array([0, 2]), np.array([4]), np.array([[0, 1]])),
        spaces.GraphInstance(np.array([0, 2]), np.array([1]), np.array([[0, 2]])),
        spaces.GraphInstance(np.array([0, 2]), np.array([1]), np.array([[0, -1]])),
        spaces.GraphInstance(np.array([0, 2]), np.array([1]), np.array([[0.0, 1.0]])),
        spaces.GraphInstance(np.array([0, 2]), np.array([1]), np.array([[0, 1], [1, 0]])),
        spaces.GraphInstance(np.array([0, 2]), None, np.array([[0, 1]])),
        spaces.GraphInstance(np.array([0, 2]), np.array([1]), None),
        spaces.GraphInstance(np.array([0, 2]), None, None),
    ],
)
def test_graphs_let_through_what_gymnasium_contains(value):
    space = spaces.Graph(spaces.Discrete(3), spaces.Discrete(4))
    assert let_through(space, value) == space.contains(value)
