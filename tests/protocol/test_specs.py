from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DecodeError, EncodeError
from protocol.limits import Limits
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
    from_data,
    to_data,
)
from protocol.wire import pack, unpack
from tests.support.zoo import ARM, CARTPOLE, SPECS

INF = float("inf")
BOX = {"type": "Box", "dtype": "float32", "shape": [2], "low": 0.0, "high": 1.0}
DISCRETE = {"type": "Discrete", "n": 2, "start": 0, "dtype": "int64"}
ENTRIES = ("shape", "low", "high", "dtype", "subspaces", "keys", "n", "feature_space", "stack")
TEXT = {"type": "Text", "min_length": 0, "max_length": 3, "charset": "ab"}

every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


class TestIdentity:
    @every_spec
    def test_a_spec_equals_its_copy_and_nothing_else_in_the_zoo(self, spec):
        copy = from_data(unpack(pack(to_data(spec))))
        assert copy == spec
        assert hash(copy) == hash(spec)
        assert [other for other in SPECS.values() if other == copy] == [spec]

    def test_bounds_that_are_the_same_everywhere_are_one_number(self):
        spec = BoxSpec((2, 2), "float32", np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32))
        assert spec == BoxSpec((2, 2), "float32", 0, 1)
        assert type(spec.low) is float
        assert type(BoxSpec((2,), "uint8", np.uint8(0), np.full(2, 255)).high) is int

    def test_bounds_that_differ_are_a_read_only_array_of_the_dtype(self):
        given = np.array([1.0, 2.0])
        spec = BoxSpec((2,), "float32", 0.0, given)
        given[0] = 9.0
        assert spec.high.tolist() == [1.0, 2.0]
        assert spec.high.dtype == np.float32
        assert not spec.high.flags.writeable

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (BoxSpec((2,), "float32", 0, 1), BoxSpec((2,), "float32", 0, 2)),
            (BoxSpec((2,), "float32", 0, 1), BoxSpec((2,), "float32", -0.0, 1)),
            (BoxSpec((2,), "float32", 0, 1), BoxSpec((2,), "float64", 0, 1)),
            (BoxSpec((2,), "float32", 0, 1), BoxSpec((1, 2), "float32", 0, 1)),
            (BoxSpec((2,), "int8", -128, 1), BoxSpec((2,), "int8", -128, 1, bounded_below=False)),
            (MultiBinarySpec(3), MultiBinarySpec((3,))),
            (MultiDiscreteSpec(np.array([2, 3])), MultiDiscreteSpec(np.array([2, 3]), 1)),
            (MultiDiscreteSpec(np.array([2, 3])), MultiDiscreteSpec(np.array([2, 3]), 0, "int32")),
            (TextSpec(0, 3, "ab"), TextSpec(0, 3, "ba")),
            (DictSpec((("a", ARM), ("b", ARM))), DictSpec((("b", ARM), ("a", ARM)))),
            (SequenceSpec(ARM), SequenceSpec(ARM, stack=True)),
            (TupleSpec((ARM,)), OneOfSpec((ARM,))),
            (GraphSpec(ARM), GraphSpec(ARM, ARM)),
        ],
    )
    def test_what_differs_is_not_equal(self, one, other):
        assert one != other

    def test_floats_know_from_their_bounds_where_they_are_bounded(self):
        assert CARTPOLE.bounded_below.tolist() == [True, False, True, False]
        assert BoxSpec((2,), "float32", -INF, 1.0).bounded_below is False
        assert BoxSpec((2,), "float32", -INF, 1.0, bounded_below=True).bounded_above is True

    def test_specs_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            DiscreteSpec(2).n = 3
        with pytest.raises(dataclasses.FrozenInstanceError):
            CARTPOLE.low = 0.0


class TestData:
    def test_a_box_looks_as_in_minari(self):
        assert to_data(BoxSpec((4,), "float32", -1, 1)) == {
            "type": "Box", "dtype": "float32", "shape": [4], "low": -1.0, "high": 1.0,
        }  # fmt: skip

    def test_a_dict_keeps_its_order_and_its_keys(self):
        data = to_data(DictSpec(((2, DiscreteSpec(2)), ("a", DiscreteSpec(3)), ((1, "x"), DiscreteSpec(4)))))
        assert data["keys"] == [2, "a", (1, "x")]
        assert [part["n"] for part in data["subspaces"]] == [2, 3, 4]

    def test_an_integer_without_bound_says_so(self):
        data = to_data(SPECS["box_int_without_bound"])
        assert data["bounded_below"].tolist() == [False, True]
        assert "bounded_above" not in data

    def test_the_data_of_a_spec_are_small_where_its_bounds_are_uniform(self):
        assert len(pack(to_data(BoxSpec((210, 160, 3), "uint8", 0, 255)))) < 100


class TestMaking:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: BoxSpec((2,), "float128", 0, 1),
            lambda: BoxSpec((2,), "complex64", 0, 1),
            lambda: BoxSpec((2,), "O", 0, 1),
            lambda: BoxSpec([2], "float32", 0, 1),
            lambda: BoxSpec((True,), "float32", 0, 1),
            lambda: BoxSpec((-1,), "float32", 0, 1),
            lambda: BoxSpec((2**62,), "float32", 0, 1),
            lambda: BoxSpec((0, 2**62), "float32", 0, 1),
            lambda: BoxSpec((1,) * 65, "float32", 0, 1),
            lambda: BoxSpec((2,), "float32", 1, 0),
            lambda: BoxSpec((2,), "float32", float("nan"), 0),
            lambda: BoxSpec((2,), "float32", 0, np.ones(3)),
            lambda: BoxSpec((2,), "float32", "a", 0),
            lambda: BoxSpec((2,), "int8", 0, 128),
            lambda: BoxSpec((2,), "int8", 0, 0.5),
            lambda: BoxSpec((2,), "int8", -INF, 0),
            lambda: BoxSpec((2,), "uint8", -1, 0),
            lambda: DiscreteSpec(0),
            lambda: DiscreteSpec(2.0),
            lambda: DiscreteSpec(True),
            lambda: DiscreteSpec(200, dtype="int8"),
            lambda: DiscreteSpec(2, start=-1, dtype="uint8"),
            lambda: DiscreteSpec(2, dtype="float32"),
            lambda: MultiBinarySpec(0),
            lambda: MultiBinarySpec((2, 0)),
            lambda: MultiBinarySpec([2]),
            lambda: MultiDiscreteSpec(np.array([0, 1])),
            lambda: MultiDiscreteSpec(np.array([1.5])),
            lambda: MultiDiscreteSpec(np.array([200]), 0, "int8"),
            lambda: MultiDiscreteSpec(np.array([2, 2]), np.array([1, 1, 1])),
            lambda: MultiDiscreteSpec(np.array(["a"])),
            lambda: TextSpec(-1, 3, "ab"),
            lambda: TextSpec(4, 3, "ab"),
            lambda: TextSpec(0, 3, "aa"),
            lambda: TextSpec(0, 3, frozenset("ab")),
            lambda: TupleSpec((1,)),
            lambda: DictSpec((("a", DiscreteSpec(2)), ("a", DiscreteSpec(2)))),
            lambda: DictSpec(((1, DiscreteSpec(2)), (True, DiscreteSpec(2)))),
            lambda: DictSpec(((frozenset(), DiscreteSpec(2)),)),
            lambda: DictSpec((((1, object()), DiscreteSpec(2)),)),
            lambda: SequenceSpec(None),
            lambda: SequenceSpec(DiscreteSpec(2), stack=1),
            lambda: GraphSpec(None, DiscreteSpec(2)),
            lambda: OneOfSpec(()),
        ],
    )
    def test_what_cannot_be_is_refused(self, make):
        with pytest.raises(EncodeError):
            make()


def changed(data: dict[str, Any], **entries: Any) -> dict[str, Any]:
    return {name: value for name, value in (data | entries).items() if value is not ...}


def nested(depth: int) -> dict[str, Any]:
    data = DISCRETE
    for _ in range(depth):
        data = {"type": "Tuple", "subspaces": [data]}
    return data


class TestReading:
    @pytest.mark.parametrize(
        "data",
        [
            None,
            [],
            "Box",
            {},
            {"type": "Cube"},
            {"type": ["Box"]},
            {"type": None},
            changed(BOX, low=...),
            changed(BOX, more=1),
            changed(BOX, shape=(2,)),
            changed(BOX, shape=[2.0]),
            changed(BOX, shape=[True]),
            changed(BOX, shape=[-1]),
            changed(BOX, shape=["2"]),
            changed(BOX, shape=[2**62]),
            changed(BOX, shape=[0, 2**62]),
            changed(BOX, shape=[2**32, 2**32]),
            changed(BOX, shape=[1] * 65),
            changed(BOX, shape=[4 * 2**20 + 1]),
            changed(BOX, dtype="object"),
            changed(BOX, dtype="V2147483647"),
            changed(BOX, dtype=["float32"]),
            changed(BOX, low=float("nan")),
            changed(BOX, low=2.0),
            changed(BOX, low=[0.0, 0.0]),
            changed(BOX, low=np.zeros(3)),
            changed(BOX, low=np.zeros((), np.float32)),
            changed(BOX, low=np.array([None, None])),
            changed(BOX, high="1"),
            changed(BOX, dtype="int8", low=0, high=2**70),
            changed(BOX, dtype="int8", low=0, high=1, bounded_below=7),
            changed(DISCRETE, n=0),
            changed(DISCRETE, n=2**63),
            changed(DISCRETE, start=1.0),
            changed(DISCRETE, dtype="bool"),
            {"type": "MultiBinary", "n": [2**40]},
            {"type": "MultiBinary", "n": "2"},
            {"type": "MultiBinary", "n": [[2]]},
            {"type": "MultiDiscrete", "nvec": [2], "start": [0], "dtype": "int64"},
            {"type": "MultiDiscrete", "nvec": np.array([2]), "start": np.array([[0]]), "dtype": "int64"},
            {"type": "MultiDiscrete", "nvec": np.array([0]), "start": np.array([0]), "dtype": "int64"},
            changed(TEXT, charset="aa"),
            changed(TEXT, charset=["a"]),
            changed(TEXT, max_length=-1),
            {"type": "Tuple", "subspaces": {}},
            {"type": "Tuple", "subspaces": [None]},
            {"type": "Dict", "keys": ["a"], "subspaces": []},
            {"type": "Dict", "keys": ["a", "a"], "subspaces": [DISCRETE, DISCRETE]},
            {"type": "Dict", "keys": [[]], "subspaces": [DISCRETE]},
            {"type": "Sequence", "feature_space": DISCRETE, "stack": 1},
            {"type": "Graph", "node_space": None, "edge_space": DISCRETE},
            {"type": "OneOf", "subspaces": []},
            nested(17),
            nested(10_000),
        ],
    )
    def test_what_is_odd_is_refused(self, data):
        with pytest.raises(DecodeError, match="^space"):
            from_data(data)

    def test_the_place_is_named(self):
        inner = {"type": "Dict", "keys": ["a"], "subspaces": [changed(BOX, dtype="float31")]}
        with pytest.raises(DecodeError, match=r"space\.subspaces\[1\]\.subspaces\[0\].*float31"):
            from_data({"type": "Tuple", "subspaces": [DISCRETE, inner]})

    def test_many_large_spaces_are_refused_together(self):
        large = changed(BOX, shape=[2**20])
        with pytest.raises(DecodeError, match="more than"):
            from_data({"type": "Tuple", "subspaces": [large] * 5})
        from_data({"type": "Tuple", "subspaces": [large] * 4})
        from_data({"type": "Tuple", "subspaces": [large] * 5}, Limits(body_bytes=2**25))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.fixed_dictionaries(
                    {"type": st.sampled_from(["Box", "Tuple", "Dict", "OneOf", "MultiBinary", "Sequence"])},
                    optional=dict.fromkeys(ENTRIES, inner),
                )
            ),
        )
    )
    def test_anything_gives_a_spec_or_a_decode_error(self, data):
        try:
            spec = from_data(data)
        except DecodeError:
            return
        assert from_data(to_data(spec)) == spec

    @given(st.data())
    def test_a_damaged_spec_gives_a_spec_or_a_decode_error(self, data):
        body = bytearray(pack(to_data(SPECS["nested"])))
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        try:
            spec = from_data(unpack(bytes(body)))
        except DecodeError:
            return
        assert from_data(to_data(spec)) == spec
