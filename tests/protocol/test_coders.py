from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coders import Graph, coder
from protocol.errors import DecodeError, EncodeError, OutsideSpace
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
from protocol.wire import pack, unpack
from tests.support.zoo import ARM, CARTPOLE, FLOATS, IMAGE, INTEGERS, SPECS, same, sample

every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
both_sides = pytest.mark.parametrize("bounds", [True, False], ids=["actions", "observations"])

wires = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**63) | st.floats() | st.text(max_size=3) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=12,
)


def through(spec: Any, value: Any, *, bounds: bool = False) -> Any:
    """What the other side gets of ``value``, by way of real bytes."""
    ours, theirs = coder(spec, bounds=bounds), coder(spec, bounds=bounds)
    return theirs.decode(unpack(pack(ours.encode(value))))


def arrays_of(value: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    return [array for part in parts for array in arrays_of(part)]


class TestRoundTrip:
    @every_spec
    @both_sides
    def test_samples_arrive_bit_for_bit_with_their_types(self, spec, bounds):
        rng = np.random.default_rng(42)
        for _ in range(20):
            value = sample(spec, rng)
            assert same(through(spec, value, bounds=bounds), value)

    @every_spec
    def test_arrays_arrive_writable_in_memory_of_their_own(self, spec):
        node = coder(spec, bounds=False)
        wire = unpack(pack(node.encode(sample(spec, np.random.default_rng(7)))))
        once, again = node.decode(wire), node.decode(wire)
        for array, twin in zip(arrays_of(once), arrays_of(again), strict=True):
            assert array.flags.writeable
            assert array.flags.c_contiguous
            before = twin.tobytes()
            array[...] = 1 - array if array.dtype != bool else ~array
            assert twin.tobytes() == before

    @pytest.mark.parametrize("name", FLOATS)
    def test_nan_payloads_infinities_and_negative_zero_of_observations_survive(self, name):
        dtype = np.dtype(name)
        bits = np.arange(1, 5, dtype=f"u{dtype.itemsize}") | np.array(np.nan, dtype).view(f"u{dtype.itemsize}")
        value = np.concatenate([bits.view(dtype), np.array([np.inf, -np.inf, -0.0], dtype)])
        assert same(through(BoxSpec((7,), name, -1.0, 1.0), value), value)

    def test_a_scalar_for_a_box_of_no_dimension_stays_a_scalar_and_an_array_an_array(self):
        spec = BoxSpec((), "int32", 0, 9)
        assert same(through(spec, np.int32(3), bounds=True), np.int32(3))
        assert same(through(spec, np.array(3, np.int32), bounds=True), np.array(3, np.int32))
        assert same(through(spec, 3, bounds=True), np.array(3, np.int32))

    def test_non_contiguous_and_big_endian_arrays_arrive_in_order(self):
        spec = BoxSpec((2, 3), "float32", -100.0, 100.0)
        value = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2].T
        assert same(through(spec, value), np.ascontiguousarray(value))
        assert same(through(spec, value.astype(">f4")), np.ascontiguousarray(value))

    def test_the_wire_of_a_box_is_nothing_but_its_little_endian_bytes(self):
        assert coder(BoxSpec((2,), "uint16", 0, 999), bounds=True).encode(np.array([1, 515], np.uint16)) == b"\1\0\3\2"

    def test_the_wire_of_a_dict_is_its_values_in_the_order_of_the_space(self):
        value = {"grip": np.int64(1), "arm": np.zeros(3, np.float32)}
        assert coder(ARM, bounds=True).encode(value) == [bytes(12), 1]
        assert list(through(ARM, value)) == ["arm", "grip"]

    def test_graphs_are_built_with_what_the_caller_gives(self):
        class Mine(tuple):
            def __new__(cls, nodes, edges, links):
                return super().__new__(cls, (nodes, edges, links))

        spec = SPECS["graph"]
        value = sample(spec, np.random.default_rng(1))
        wire = coder(spec, bounds=True).encode(value)
        assert type(coder(spec, bounds=True, graph=Mine).decode(wire)) is Mine
        assert type(coder(spec, bounds=True).decode(wire)) is Graph

    def test_links_of_any_integer_dtype_arrive_as_int32(self):
        value = Graph(np.array([0, 1]), np.array([1]), np.array([[0, 1]], np.int64))
        assert through(SPECS["graph_of_discrete"], value, bounds=True).edge_links.dtype == np.int32


class TestCasts:
    @pytest.mark.parametrize(
        ("spec", "value", "expected"),
        [
            (BoxSpec((2,), "float32", -1.0, 1.0), np.array([0.1, 1.0]), np.array([0.1, 1.0], np.float32)),
            (BoxSpec((2,), "float32", -1.0, 1.0), [0.5, -1], np.array([0.5, -1.0], np.float32)),
            (BoxSpec((2,), "float32", -1.0, 1.0), np.array([1, 0]), np.array([1.0, 0.0], np.float32)),
            (BoxSpec((1,), "float32", 0.0, 0.7), [0.7], np.array([0.7], np.float32)),
            (BoxSpec((2,), "int32", 0, 9), np.array([1, 9], np.int64), np.array([1, 9], np.int32)),
            (BoxSpec((2,), "uint8", 0, 9), [1, 9], np.array([1, 9], np.uint8)),
            (BoxSpec((0, 2), "int8", 0, 9), [], np.zeros((0, 2), np.int8)),
            (BoxSpec((), "float64", 0.0, 9.0), 3, np.array(3.0)),
            (BoxSpec((2,), "bool", False, True), [True, False], np.array([True, False])),
            (MultiBinarySpec(2), [True, 0], np.array([1, 0], np.int8)),
            (MultiDiscreteSpec(np.array([3, 3])), (1, 2), np.array([1, 2])),
            (DiscreteSpec(3), 2, np.int64(2)),
            (DiscreteSpec(3), np.uint8(2), np.int64(2)),
            (DiscreteSpec(3), np.array(2, np.int32), np.int64(2)),
            (DiscreteSpec(3), enum.IntEnum("Move", {"UP": 1})["UP"], np.int64(1)),
            (DiscreteSpec(3, dtype="uint8"), 2, np.uint8(2)),
            (TupleSpec((DiscreteSpec(3), DiscreteSpec(3))), np.array([1, 2]), (np.int64(1), np.int64(2))),
            (TextSpec(1, 3, "abc"), np.str_("ab"), "ab"),
        ],
    )
    def test_numbers_of_the_same_kind_become_the_dtype_of_the_space(self, spec, value, expected):
        assert same(through(spec, value, bounds=True), expected)
        assert same(through(spec, value, bounds=False), expected)

    @both_sides
    @pytest.mark.parametrize(
        ("spec", "value", "received"),
        [
            (BoxSpec((2,), "int32", 0, 9), np.array([1.0, 2.0]), "float64 array"),
            (BoxSpec((2,), "int32", 0, 9), [1.5, 2.0], "float64 array"),
            (BoxSpec((2,), "bool", False, True), np.array([1, 0]), "int64 array"),
            (BoxSpec((2,), "float32", 0.0, 9.0), np.array(["a", "b"]), "str"),
            (BoxSpec((2,), "float32", 0.0, 9.0), np.array([None, 1.0]), "object array"),
            (BoxSpec((2,), "float32", 0.0, 9.0), np.array([1j, 2j]), "complex128 array"),
            (BoxSpec((2,), "float32", 0.0, 9.0), np.zeros((2, 1), np.float32), r"shape \(2, 1\)"),
            (BoxSpec((2,), "float32", 0.0, 9.0), [[1.0], [1.0, 2.0]], "list of length 2"),
            (BoxSpec((2,), "float32", 0.0, 9.0), None, "object array"),
            (BoxSpec((1,), "int8", -9, 9), [2**70], "object array"),
            (BoxSpec((1,), "int8", -9, 9), np.array([200]), "200"),
            (DiscreteSpec(3), 1.0, r"1\.0"),
            (DiscreteSpec(3), np.array([1]), "shape"),
            (DiscreteSpec(3), "1", "str of length 1"),
            (DiscreteSpec(3), np.bool_(True), "True"),
            (DiscreteSpec(3), 2**80, "int of 81 bits"),
            (TextSpec(1, 3, "abc"), b"ab", "bytes of length 2"),
            (TupleSpec((DiscreteSpec(3),)), (1, 2), "tuple of length 2"),
            (TupleSpec((DiscreteSpec(3),)), 1, "got 1"),
            (ARM, [1, 2], "list"),
            (SequenceSpec(DiscreteSpec(3)), 1, "got 1"),
            (GraphSpec(DiscreteSpec(3)), (1, 2), "tuple of length 2"),
            (GraphSpec(DiscreteSpec(3)), (np.zeros(2, int), np.zeros(1, int), np.zeros((1, 2), int)), "array"),
            (OneOfSpec((DiscreteSpec(3),)), (1, 0), "got 1"),
            (OneOfSpec((DiscreteSpec(3),)), 0, "got 0"),
        ],
    )
    def test_what_is_of_another_kind_or_shape_is_refused(self, spec, value, received, bounds):
        with pytest.raises(OutsideSpace, match=received):
            coder(spec, bounds=bounds).encode(value)

    def test_a_float_too_large_for_the_dtype_is_no_action(self):
        spec = BoxSpec((1,), "float32", -math.inf, math.inf)
        with pytest.raises(OutsideSpace, match="float32"):
            coder(spec, bounds=True).encode([1e300])
        assert same(through(spec, [math.inf], bounds=True), np.array([math.inf], np.float32))
        assert same(through(spec, [1e300]), np.array([math.inf], np.float32))


class TestBounds:
    @pytest.mark.parametrize(
        ("spec", "value"),
        [
            (BoxSpec((2,), "float32", -1.0, 1.0), [0.0, 1.5]),
            (BoxSpec((2,), "float32", -1.0, 1.0), [math.nan, 0.0]),
            (BoxSpec((2,), "float32", -math.inf, math.inf), [math.nan, 0.0]),
            (BoxSpec((50,), "float32", -1.0, 1.0), [math.nan] * 50),
            (CARTPOLE, [0.0, 9e9, 0.5, 0.0]),
            (BoxSpec((2,), "int8", 0, 9), [0, 10]),
            (BoxSpec((40,), "int8", 0, 9), [10] * 40),
            (MultiBinarySpec(2), [0, 2]),
            (MultiDiscreteSpec(np.array([3, 3]), 1), [1, 0]),
            (MultiDiscreteSpec(np.array([3, 3]), 1), [4, 1]),
            (TextSpec(1, 3, "abc"), ""),
            (TextSpec(1, 3, "abc"), "abca"),
            (TextSpec(1, 3, "abc"), "d"),
            (SequenceSpec(BoxSpec((1,), "float32", 0.0, 1.0), stack=True), np.array([[0.5], [2.0]], np.float32)),
            (GraphSpec(DiscreteSpec(3)), (np.array([0, 3]), None, None)),
            (SPECS["graph_of_discrete"], (np.array([0]), np.array([0]), np.array([[0, 1]]))),
        ],
    )
    def test_they_hold_for_actions_on_both_sides_and_not_for_observations(self, spec, value):
        with pytest.raises(OutsideSpace):
            coder(spec, bounds=True).encode(value)
        wire = coder(spec, bounds=False).encode(value)
        coder(spec, bounds=False).decode(wire)
        with pytest.raises(DecodeError):
            coder(spec, bounds=True).decode(wire)

    def test_a_discrete_observation_may_stray_within_its_dtype(self):
        spec = DiscreteSpec(2, dtype="int8")
        assert same(through(spec, 99), np.int8(99))
        with pytest.raises(OutsideSpace, match="99"):
            coder(spec, bounds=True).encode(99)
        with pytest.raises(OutsideSpace, match="200"):
            coder(spec, bounds=False).encode(200)

    @pytest.mark.parametrize("name", INTEGERS)
    def test_they_hold_at_the_ends_of_every_integer_dtype(self, name):
        info = np.iinfo(name)
        spec = MultiDiscreteSpec(np.array([info.max], name), np.array([info.max - 1], name), name)
        assert same(through(spec, [info.max], bounds=True), np.array([info.max], name))
        with pytest.raises(OutsideSpace):
            coder(spec, bounds=True).encode([info.max - 2])
        with pytest.raises(OutsideSpace):
            coder(spec, bounds=True).encode([info.max + 1])


class TestErrors:
    @pytest.mark.parametrize(
        ("spec", "value", "place"),
        [
            (ARM, {"arm": [0.0, 0.0, 7.0], "grip": 1}, "action['arm'][2]: expected a number from -1.0 to 1.0, got 7.0"),
            (ARM, {"arm": [0.0] * 3, "grip": 2}, "action['grip']: expected an integer from 0 to 1, got 2"),
            (ARM, {"arm": [0.0] * 3}, "action: expected the 2 keys of the space, got none 'grip'"),
            (ARM, {"arm": [0.0] * 3, "grip": 1, "x": 1}, "action: expected the 2 keys of the space, got also 'x'"),
            (TupleSpec((ARM,)), ({"arm": [0.0] * 3, "grip": "a"},), "action[0]['grip']"),
            (SequenceSpec(ARM), ({"arm": [0.0] * 3, "grip": 1}, {"arm": 0, "grip": 1}), "action[1]['arm']"),
            (SequenceSpec(ARM, stack=True), {"arm": [[0.0] * 3], "grip": [0, 0]}, "action['grip']"),
            (OneOfSpec((ARM,)), (0, {"arm": [0.0] * 3, "grip": -1}), "action[1]['grip']"),
            (SPECS["graph"], (np.zeros((2, 3)), np.full(1, 2.0), [[0, 1]]), "action.edges[0]"),
            (SPECS["graph"], (np.zeros((2, 3)), np.zeros(1), [[0, 2]]), "action.edge_links"),
            (SPECS["graph"], (np.zeros((2, 4)), None, None), "action.nodes"),
        ],
    )
    def test_they_name_the_place_what_was_expected_and_what_came(self, spec, value, place):
        with pytest.raises(OutsideSpace) as caught:
            coder(spec, bounds=True).encode(value)
        assert str(caught.value).startswith(place)

    def test_what_is_outside_can_be_caught_as_a_value_error(self):
        assert issubclass(OutsideSpace, ValueError)
        assert issubclass(OutsideSpace, EncodeError)

    def test_they_do_not_show_what_a_text_says(self):
        with pytest.raises(OutsideSpace) as caught:
            coder(TextSpec(0, 99, "ab"), bounds=True).encode("secret")
        assert "secret" not in str(caught.value)


class TestDecode:
    @both_sides
    @pytest.mark.parametrize(
        ("spec", "wire"),
        [
            (CARTPOLE, bytes(15)),
            (CARTPOLE, bytes(17)),
            (CARTPOLE, "x" * 16),
            (CARTPOLE, [0.0] * 4),
            (CARTPOLE, [bytes(16)]),
            (CARTPOLE, None),
            (BoxSpec((2,), "bool", False, True), b"\1\7"),
            (SPECS["box_point"], [bytes(4), bytes(4)]),
            (SPECS["box_empty"], b"x"),
            (DiscreteSpec(3), 1.0),
            (DiscreteSpec(3), True),
            (DiscreteSpec(3), 2**64 - 1),
            (DiscreteSpec(3), 2**200),
            (DiscreteSpec(3), b"\1"),
            (TextSpec(0, 9, "a"), b"a"),
            (TupleSpec((DiscreteSpec(3),)), []),
            (TupleSpec((DiscreteSpec(3),)), (1,)),
            (TupleSpec((DiscreteSpec(3),)), [1, 1]),
            (ARM, {"arm": bytes(12), "grip": 1}),
            (ARM, [bytes(12)]),
            (OneOfSpec((DiscreteSpec(3),)), [1, 0]),
            (OneOfSpec((DiscreteSpec(3),)), [True, 0]),
            (OneOfSpec((DiscreteSpec(3),)), [-1, 0]),
            (SequenceSpec(DiscreteSpec(3)), b"\0"),
            (SequenceSpec(DiscreteSpec(3), stack=True), [2**30, bytes(8)]),
            (SequenceSpec(DiscreteSpec(3), stack=True), [-1, b""]),
            (SequenceSpec(DiscreteSpec(3), stack=True), [1.0, bytes(8)]),
            (SequenceSpec(BoxSpec((0,), "float64", 0.0, 1.0), stack=True), [2**62, b""]),
            (SPECS["graph"], [2**40, b"", 0, None, None]),
            (SPECS["graph"], [1, bytes(12), 1, None, None]),
            (SPECS["graph"], [1, bytes(12), 0, b"", None]),
            (SPECS["graph"], [1, bytes(12), 1, bytes(8), bytes(4)]),
            (SPECS["graph_without_edges"], [0, b"", 0, b"", b""]),
        ],
    )
    def test_what_is_not_of_the_space_is_refused(self, spec, wire, bounds):
        with pytest.raises(DecodeError, match="expected"):
            coder(spec, bounds=bounds).decode(wire)

    @every_spec
    @given(wire=wires)
    def test_anything_gives_a_value_or_a_decode_error(self, spec, wire):
        for bounds in (True, False):
            try:
                value = coder(spec, bounds=bounds).decode(wire)
            except DecodeError:
                continue
            assert same(through(spec, value, bounds=bounds), value)

    @given(st.data())
    def test_a_damaged_wire_of_a_nested_space_gives_a_value_or_a_decode_error(self, data):
        spec = SPECS["nested"]
        node = coder(spec, bounds=True)
        body = bytearray(pack(node.encode(sample(spec, np.random.default_rng(3)))))
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        try:
            value = node.decode(unpack(bytes(body)))
        except DecodeError:
            return
        assert same(through(spec, value, bounds=True), value)

    def test_an_image_is_decoded_from_its_bytes(self):
        wire = bytes(range(144))
        assert coder(IMAGE, bounds=False).decode(wire).tobytes() == wire

    def test_a_dict_of_odd_keys_arrives_with_them(self):
        spec = DictSpec(((1, DiscreteSpec(2)), ((1, 2), DiscreteSpec(2))))
        assert same(coder(spec, bounds=True).decode([0, 1]), {1: np.int64(0), (1, 2): np.int64(1)})
