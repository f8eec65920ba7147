from __future__ import annotations

import collections
import datetime
import enum
import fractions
import pathlib
import struct
from typing import NamedTuple

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from protocol.data import ARRAY, INT, OBJECTS, OPAQUE, SCALAR, TUPLE, Opaque
from protocol.errors import DecodeError, EncodeError
from protocol.limits import Limits
from protocol.wire import pack, unpack
from tests.support.zoo import same

DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
dtypes = st.sampled_from(DTYPES).map(np.dtype)

numpy_scalars = dtypes.flatmap(lambda dtype: npst.arrays(dtype, ())).map(lambda array: array[()])
arrays = dtypes.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, min_side=0)))
texts = npst.arrays(npst.unicode_string_dtypes(endianness="<", max_len=4), npst.array_shapes(min_dims=0, min_side=0))
atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**600), 2**600)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | numpy_scalars
)
keys = st.recursive(atoms, lambda inner: st.lists(inner, max_size=2).map(tuple), max_leaves=3)
values = st.recursive(
    atoms | arrays | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.lists(inner, max_size=4).map(lambda items: objects(items, (len(items),)))
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=10,
)


def objects(items, shape):
    array = np.empty(len(items), object)
    for index, item in enumerate(items):
        array[index] = item
    return array.reshape(shape)


def ext(code, payload):
    """One extension type, alone in a message."""
    return msgpack.packb(msgpack.ExtType(code, payload))


def marked(code, payload, *items):
    return msgpack.packb([msgpack.ExtType(code, payload), *items])


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Move(enum.IntEnum):
    UP = 3


class Name(str, enum.Enum):
    ANN = "ann"


class Point(NamedTuple):
    x: int
    y: int


class TestRoundTrip:
    @given(values)
    def test_free_data_arrive_bit_for_bit_with_their_types(self, value):
        assert same(unpack(pack(value)), value)

    @pytest.mark.parametrize(
        "value",
        [
            *(2**power + more for power in (7, 8, 16, 31, 32, 63, 64, 65, 2000) for more in (-1, 0, 1)),
            *(-(2**power) + more for power in (5, 7, 15, 31, 63, 64, 65, 2000) for more in (-1, 0, 1)),
            -0.0,
            float("-inf"),
            struct.unpack("d", struct.pack("Q", 0x7FF8000000000123))[0],
            np.float32(struct.unpack("f", struct.pack("I", 0x7FA00001))[0]),
            np.array([0x7C01, 0xFE01, 0x8000], np.uint16).view(np.float16),
            np.zeros((0, 3)),
            np.zeros((2, 0, 4), np.complex64),
            np.array(7, np.uint8),
            np.array(["", "a\0b", "\U0010ffff"]),
            np.array(["x", "y"])[:0],
            np.array("text"),
            objects([], (0, 5)),
            objects([None, {"a": (1,)}, [1, 2], np.arange(3), np.array(5), "x"], (2, 3)),
            objects([(np.float64(1),)], ()),
            {1: "int", "1": "str", (1, ("a",)): "tuple", None: 0, 2.5: 1, b"b": 2, np.int8(5): 3, np.float32(0.5): 4},
            {"z": 1, "a": 2, "m": 3},
            {float("nan"): 1},
            {key: key for key in range(2000)},
            {True: 1, False: 0},
            [(), [], {}, ((),), ([],), [()]],
        ],
    )
    def test_edges_arrive_bit_for_bit_with_their_types(self, value):
        assert same(unpack(pack(value)), value)

    @given(arrays)
    def test_arrays_arrive_writable(self, value):
        arrived = unpack(pack(value))
        assert arrived.flags.writeable
        assert arrived.flags.owndata
        assert arrived.flags.aligned

    @pytest.mark.parametrize("name", DTYPES[2:])
    def test_arrays_of_any_memory_layout_arrive_little_endian_and_row_major(self, name):
        big = np.arange(24).reshape(4, 6).astype(np.dtype(name).newbyteorder(">"))
        for array in (big, big.T, big[::-1, ::2], np.asfortranarray(big)):
            arrived = unpack(pack(array))
            assert arrived.dtype == np.dtype(name)
            assert arrived.flags.c_contiguous
            assert np.array_equal(arrived, array)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (collections.OrderedDict([("b", 1), ("a", 2)]), {"b": 1, "a": 2}),
            (collections.defaultdict(list, a=[1]), {"a": [1]}),
            (collections.Counter("aab"), {"a": 2, "b": 1}),
            (type("Mine", (list,), {})([1]), [1]),
            (type("Mine", (float,), {})(1.5), 1.5),
            (Point(1, 2), (1, 2)),
            (Move.UP, 3),
            (Name.ANN, "ann"),
            ({Move.UP: 1, Point(1, 2): 2}, {3: 1, (1, 2): 2}),
            (np.str_("ä"), "ä"),
            (np.bytes_(b"a"), b"a"),
            (bytearray(b"a"), b"a"),
            (memoryview(b"a"), b"a"),
            (np.arange(3).view(type("Mine", (np.ndarray,), {})), np.arange(3)),
            (np.zeros(2, [("a", "U0")])["a"], np.array(["", ""])),
        ],
    )
    def test_subclasses_arrive_as_their_base(self, value, expected):
        assert same(unpack(pack(value)), expected)

    def test_an_ordered_dict_arrives_in_its_own_order(self):
        value = collections.OrderedDict(a=1, b=2)
        value.move_to_end("a")
        assert list(unpack(pack(value))) == ["b", "a"]


class TestArrayOfAnotherLibrary:
    """As jax's and torch's are: they have ``__dlpack__`` and give themselves to numpy."""

    class Foreign:
        def __init__(self, array, error=None):
            self.array, self.error, self.nbytes = array, error, array.nbytes

        def __dlpack__(self):
            raise AssertionError("numpy needs no more than __array__")

        def __array__(self, dtype=None, copy=None):
            if self.error is not None:
                raise self.error
            return self.array

    @pytest.mark.parametrize("array", [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(2, np.int16)])
    def test_it_arrives_as_one_of_numpy(self, array):
        arrived = unpack(pack({"at": [self.Foreign(array)]}))["at"][0]
        assert same(arrived, array)
        assert arrived.flags.writeable

    def test_one_that_numpy_cannot_take_over_is_told_by_its_type(self):
        for error in (RuntimeError("needs a gradient"), None):
            value = self.Foreign(np.zeros(2, [("strange", "i4")]), error)
            assert unpack(pack([value]))[0].type_name.endswith("Foreign")

    def test_it_counts_against_the_limits_as_one_of_numpy_does(self):
        with pytest.raises(EncodeError, match="at most 256 can be sent"):
            pack(self.Foreign(np.zeros(33)), Limits(array_bytes=256))
        with pytest.raises(EncodeError, match="more than 1000 bytes"):
            pack([self.Foreign(np.zeros(32))] * 5, Limits(body_bytes=1000, array_bytes=256))


class TestOpaque:
    @pytest.mark.parametrize(
        ("value", "name"),
        [
            (lambda: 0, "builtins.function"),
            ({1, 2}, "builtins.set"),
            (object(), "builtins.object"),
            (1j, "builtins.complex"),
            (Color.RED, f"{__name__}.Color"),
            (datetime.date(2026, 1, 1), "datetime.date"),
            (fractions.Fraction(1, 2), "fractions.Fraction"),
            (pathlib.PurePosixPath("/secret"), f"{pathlib.PurePosixPath.__module__}.PurePosixPath"),
            (np.datetime64("2026"), "numpy.datetime64"),
            (np.longdouble(1), f"numpy.{np.longdouble.__name__}"),
            (np.array(["2026"], "M8[D]"), "numpy.ndarray of datetime64"),
            (np.zeros(1, [("secret", "i4")]), "numpy.ndarray of void"),
            (np.ma.array([1, 2], mask=[True, False]), f"{np.ma.MaskedArray.__module__}.MaskedArray of int64"),
        ],
    )
    def test_what_cannot_travel_arrives_as_the_name_of_its_type(self, value, name):
        body = pack({"odd": value})
        assert unpack(body)["odd"].type_name == name
        assert b"secret" not in body

    def test_it_can_be_sent_on(self):
        assert unpack(pack(unpack(pack(object())))).type_name == "builtins.object"

    def test_two_are_never_equal_so_that_odd_keys_stay_apart(self):
        arrived = unpack(pack({Color.RED: 1, Color.BLUE: 2, frozenset(): 3, frozenset({1}): 4}))
        assert list(arrived.values()) == [1, 2, 3, 4]
        assert Opaque("a") != Opaque("a")

    def test_a_very_long_name_is_cut_between_characters(self):
        odd = type("ä" * 300, (), {})()
        name = unpack(pack(odd)).type_name
        assert name.endswith("ää")
        assert len(name.encode()) in (254, 255)

    def test_an_object_that_claims_to_be_a_dict_is_one_of_its_own_type(self):
        class Liar:
            __class__ = dict

        assert unpack(pack([Liar()]))[0].type_name.endswith("Liar")


class TestRefused:
    @pytest.mark.parametrize(
        "value",
        [
            2**8192,
            "\ud800",
            {"\udfff": 1},
            msgpack.ExtType(1, b""),
            msgpack.ExtType(99, b""),
            [msgpack.Timestamp(1)],
        ],
        ids=repr,
    )
    def test_what_has_no_form_on_the_wire_cannot_be_sent(self, value):
        with pytest.raises(EncodeError, match="cannot be sent"):
            pack(value)

    def test_keys_that_would_be_one_on_arrival_cannot_be_sent(self):
        class Loud(str):
            def __hash__(self):
                return 1

            def __eq__(self, other):
                return self is other

        with pytest.raises(EncodeError, match="twice"):
            pack({Loud("a"): 1, Loud("a"): 2})

    def test_a_type_that_raises_when_it_is_looked_at_is_an_encode_error(self):
        class Trap(dict):
            def keys(self):
                raise RuntimeError("snap")

            def __iter__(self):
                raise RuntimeError("snap")

        with pytest.raises(EncodeError, match="snap"):
            pack([Trap(a=1)])

    @pytest.mark.parametrize(
        "body",
        [
            *(ext(code, bytes(4)) for code in range(7, 128)),
            *(bytes((0xD4, code, 0)) for code in range(128, 256)),
            ext(TUPLE, b"\0"),
            ext(TUPLE, b""),
            ext(OBJECTS, b"\0"),
            ext(INT, b""),
            ext(INT, bytes(1025)),
            ext(SCALAR, b""),
            ext(SCALAR, b"\0\2"),
            ext(SCALAR, b"\4" + bytes(7)),
            ext(SCALAR, b"\4" + bytes(9)),
            ext(SCALAR, bytes((14,)) + bytes(8)),
            ext(SCALAR, bytes((32,)) + bytes(4)),
            ext(OPAQUE, b""),
            ext(OPAQUE, b"x" * 256),
            ext(OPAQUE, b"\xff"),
            marked(TUPLE, b"x"),
            msgpack.packb({msgpack.ExtType(TUPLE, b""): 1}),
            msgpack.packb([1, msgpack.ExtType(TUPLE, b"")]),
            msgpack.packb([[], msgpack.ExtType(TUPLE, b"")]),
            msgpack.packb([{}, msgpack.ExtType(OBJECTS, b"\0")]),
            msgpack.packb([[1], msgpack.ExtType(OBJECTS, b"\0")]),
            msgpack.packb([{1: 2}, msgpack.ExtType(TUPLE, b"")]),
            msgpack.packb({1: msgpack.ExtType(TUPLE, b"")}),
            msgpack.packb([msgpack.ExtType(TUPLE, b""), msgpack.ExtType(TUPLE, b"")]),
            marked(OBJECTS, b""),
            marked(OBJECTS, b"\1\2\0\0\0", 1),
            marked(OBJECTS, b"\1\1\0\0\0", 1, 2),
            marked(OBJECTS, b"\1\1\0\0\0\0", 1),
            marked(OBJECTS, b"\1\1\0\0", 1),
            marked(OBJECTS, b"\2" + struct.pack("<2I", 0, 2**32 - 1)),
            marked(OBJECTS, bytes((33,)) + struct.pack("<33I", *[1] * 33), 1),
            msgpack.packb({(): 1}),
        ],
        ids=lambda body: body[:12].hex(),
    )
    def test_odd_extension_types_are_refused(self, body):
        with pytest.raises(DecodeError):
            unpack(body)

    @pytest.mark.parametrize(
        ("code", "shape", "data"),
        [
            (14, (1,), bytes(8)),
            (255, (1,), bytes(8)),
            (0, (2,), b"\1\7"),
            (4, (1,), bytes(7)),
            (4, (1,), bytes(16)),
            (4, (2**32 - 1,), bytes(8)),
            (4, (2**16,) * 4, b""),
            (4, (2**32 - 1, 2**32 - 1), bytes(8)),
            (5, (0, 2**32 - 1), b""),
            (5, (0, 2**24 + 1), b""),
            (5, (0,) + (2**31,) * 31, b""),
            (5, (1,) * 33, b"\0"),
            (32, (1,), struct.pack("<I", 0)),
            (32, (0,), struct.pack("<I", 2**31)),
            (32, (1,), struct.pack("<II", 1, 0x110000)),
            (32, (1,), struct.pack("<I", 2) + bytes(4)),
            (32, (1,), b"\1"),
        ],
    )
    def test_odd_arrays_are_refused(self, code, shape, data):
        body = ext(ARRAY, struct.pack(f"<BB{len(shape)}I", code, len(shape), *shape) + data)
        with pytest.raises(DecodeError):
            unpack(body)

    @pytest.mark.parametrize("payload", [b"", b"\4", b"\4\1", b"\4\1\1\0\0", b"\4\2\1\0\0\0"])
    def test_truncated_arrays_are_refused(self, payload):
        with pytest.raises(DecodeError):
            unpack(ext(ARRAY, payload))

    def test_arrays_are_measured_against_the_limits_on_both_sides(self):
        small = Limits(array_bytes=1024, array_dims=2)
        for array in (np.zeros(129), np.zeros((0, 129)), np.zeros((1, 1, 1)), np.array(["x" * 257])):
            with pytest.raises(EncodeError):
                pack(array, small)
            with pytest.raises(DecodeError):
                unpack(pack(array), small)
        assert unpack(pack(np.zeros(128), small), small).shape == (128,)

    @given(code=st.integers(1, 6), payload=st.binary(max_size=40), items=st.lists(st.integers(0, 3), max_size=3))
    def test_any_payload_gives_a_value_or_a_decode_error(self, code, payload, items):
        for body in (ext(code, payload), marked(code, payload, *items)):
            try:
                value = unpack(body)
            except DecodeError:
                continue
            again = pack(value)
            assert pack(unpack(again)) == again
