from __future__ import annotations

import itertools
import struct
import sys
import threading
import tracemalloc
from enum import IntEnum

import msgpack
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.data import Opaque
from protocol.errors import DecodeError, EncodeError
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.wire import pack, scan, unpack
from tests.protocol.corpus import MERSENNE, PERCEPT, array_of
from tests.support.zoo import same

SMALL = Limits(body_bytes=2000, depth=3, items=300, container_length=255, str_bytes=300, array_bytes=400)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(np.zeros(3)),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
)


class TestLimits:
    @pytest.mark.parametrize("name", ["container_length", "str_bytes", "array_bytes"])
    def test_lengths_below_what_one_byte_says_are_refused(self, name):
        with pytest.raises(ValueError, match=name):
            Limits(**{name: 254})

    @pytest.mark.parametrize("entries", [{"depth": 0}, {"items": 1.5}, {"body_bytes": True}, {"array_dims": 33}])
    def test_limits_that_make_no_sense_are_refused(self, entries):
        with pytest.raises(ValueError, match=next(iter(entries))):
            Limits(**entries)


class TestScan:
    @given(values)
    def test_it_takes_what_pack_makes(self, value):
        scan(pack(value), DEFAULT_LIMITS)

    @given(st.binary(max_size=60))
    @example(b"\x91\x81\xa0\xc0")
    def test_it_takes_nothing_that_msgpack_does_not(self, body):
        try:
            scan(body, DEFAULT_LIMITS)
        except DecodeError:
            return
        msgpack.unpackb(body, strict_map_key=False, unicode_errors="replace", object_pairs_hook=list)

    @given(st.binary(max_size=60))
    def test_it_takes_all_that_msgpack_does_but_foreign_extension_types(self, body):
        try:
            msgpack.unpackb(body, strict_map_key=False, object_pairs_hook=list, ext_hook=refuse)
        except ValueError:
            return
        scan(body, DEFAULT_LIMITS)

    @pytest.mark.parametrize("lead", range(256))
    def test_it_agrees_with_msgpack_on_how_long_every_kind_of_object_is(self, lead):
        for tail in (b"\1" * 40, b"\0" * 40, b"\x20" * 80):
            for size in range(len(tail)):
                body = bytes((lead,)) + tail[:size]
                taken = accepts(lambda body=body: scan(body, DEFAULT_LIMITS))
                known = accepts(lambda body=body: msgpack.unpackb(body, strict_map_key=False, object_pairs_hook=list))
                extension = lead in (0xC7, 0xC8, 0xC9, *range(0xD4, 0xD9))
                assert taken == known or (extension and known)

    def test_it_refuses_extension_types_that_are_longer_than_any_array(self):
        scan(msgpack.packb(msgpack.ExtType(6, bytes(400))), SMALL)
        with pytest.raises(DecodeError, match="700 bytes"):
            scan(msgpack.packb(msgpack.ExtType(6, bytes(700))), SMALL)


def refuse(code, payload):
    raise ValueError("an extension type")


def accepts(call):
    try:
        call()
    except (ValueError, DecodeError):
        return False
    return True


class TestUnpack:
    @given(st.binary(max_size=200))
    def test_any_bytes_give_a_value_or_a_decode_error(self, body):
        try:
            value = unpack(body)
        except DecodeError:
            return
        again = pack(value)
        assert pack(unpack(again)) == again

    @given(values, st.data())
    def test_damaged_messages_give_a_value_or_a_decode_error(self, value, data):
        body = bytearray(pack([value, PERCEPT]))
        for _ in range(data.draw(st.integers(1, 3))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        try:
            arrived = unpack(bytes(body))
        except DecodeError:
            return
        repr(arrived)

    def test_every_truncation_is_refused(self):
        body = pack([*PERCEPT, {"a": (1, np.zeros(3)), "b": [2**70, "x" * 40, b"y" * 300]}])
        for size in range(len(body)):
            with pytest.raises(DecodeError):
                unpack(body[:size])

    def test_numbers_survive_as_they_are(self):
        numbers = [2**64 - 1, -(2**63), -0.0, float("inf"), float("nan"), True, 1, 1.0]
        assert same(unpack(pack(numbers)), numbers)

    def test_other_encoders_lengths_are_taken(self):
        assert unpack(b"\xdd\0\0\0\1\xdb\0\0\0\1a") == ["a"]
        assert unpack(b"\xdf\0\0\0\1\xc6\0\0\0\1a\xcf\0\0\0\0\0\0\0\5") == {b"a": 5}


class TestFlooding:
    """What is compared are counts, not times: so many equal hashes would take minutes to tell apart."""

    def test_ints_of_one_hash_are_refused(self):
        body = packed_map(multiple * MERSENNE for multiple in range(2**13))
        with pytest.raises(DecodeError, match="keys"):
            unpack(body)

    @pytest.mark.parametrize("count", [33, 4000])
    def test_complex_scalars_of_one_hash_are_refused(self, count):
        body = packed_map(np.complex128(complex(sys.hash_info.imag * n, -n)) for n in range(1, count + 1))
        with pytest.raises(DecodeError, match="same hash"):
            unpack(body)

    def test_more_keys_than_can_be_checked_are_refused_on_both_sides(self):
        with pytest.raises(EncodeError, match="keys"):
            pack(dict.fromkeys(range(2**12 + 1)))
        with pytest.raises(DecodeError, match="keys"):
            unpack(packed_map(range(2**12 + 1)))

    def test_many_honest_keys_are_taken(self):
        for honest in (range(2**12), (f"key {number}" for number in range(2**13))):
            value = dict.fromkeys(honest)
            assert unpack(pack(value)) == value


def packed_map(keys):
    parts = [pack(key) + b"\xc0" for key in keys]
    return b"\xdf" + struct.pack(">I", len(parts)) + b"".join(parts)


def cycle():
    twice: list[object] = []
    twice += [twice, twice]
    return twice


def cycle_of_dicts():
    loop: dict[str, object] = {}
    loop["a"] = loop["b"] = [loop, loop]
    return loop


def cycle_of_objects():
    array = np.empty(2, object)
    array[0] = array[1] = (array, array)
    return array


def laughs(ten):
    value = ten(["lol"] * 10)
    for _ in range(12):
        value = ten([value] * 10)
    return value


class TestPack:
    @given(values)
    def test_what_it_sends_is_accepted_under_the_same_limits(self, value):
        for limits in (SMALL, DEFAULT_LIMITS):
            try:
                body = pack(value, limits)
            except EncodeError:
                assert limits is SMALL
                continue
            assert same(unpack(body, limits), value)

    @pytest.mark.parametrize(
        ("fits", "exceeds"),
        [
            ([[0] * 200, [0] * 86], [[0] * 200, [0] * 87]),
            ([np.zeros(1)] * 59, [np.zeros(1)] * 60),
            ([0] * 255, [0] * 256),
            ([IntEnum("Few", "one").one] * 255, [IntEnum("Few", "one").one] * 256),
            ([np.float64(1)] * 148, [np.float64(1)] * 149),
            ([np.int8(1)] * 148, [np.int8(1)] * 149),
            ([Opaque("x")] * 148, [Opaque("x")] * 149),
            ((0,) * 254, (0,) * 255),
            (np.array([None] * 254), np.array([None] * 255)),
            (dict.fromkeys(range(148)), dict.fromkeys(range(149))),
            ("x" * 300, "x" * 301),
            ("ä" * 150, "ä" * 150 + "x"),
            (np.str_("ä" * 150), np.str_("ä" * 150 + "x")),
            (bytes(400), bytes(401)),
            (bytearray(400), bytearray(401)),
            (memoryview(bytes(400)), memoryview(bytes(401))),
            (np.zeros(50), np.zeros(51)),
            (np.zeros((0, 50)), np.zeros((0, 51))),
            (np.array(["x" * 50, "y"]), np.array(["x" * 51, "y"])),
            (np.zeros(100, [("a", "U0")])["a"], np.zeros(101, [("a", "U0")])["a"]),
            ([bytes(400)] * 4 + [bytes(384)], [bytes(400)] * 4 + [bytes(385)]),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_it_and_unpack_draw_the_line_at_the_same_place(self, fits, exceeds):
        unpack(pack(fits, SMALL), SMALL)
        with pytest.raises(EncodeError):
            pack(exceeds, SMALL)
        with pytest.raises(DecodeError):
            unpack(pack(exceeds), SMALL)

    @pytest.mark.parametrize("limit", [1, 2, 3, 16])
    def test_depth_is_the_number_of_containers_around(self, limit):
        limits = Limits(depth=limit)
        value: object = 1
        for kind in itertools.islice(itertools.cycle([list, tuple, lambda items: {"a": items[0]}]), limit):
            value = kind([value])
        assert same(unpack(pack(value, limits), limits), value)
        with pytest.raises(EncodeError, match="deeper"):
            pack([value], limits)
        with pytest.raises(DecodeError, match="deeper"):
            unpack(pack([value], Limits(depth=limit + 1)), limits)

    @pytest.mark.parametrize(
        "value",
        [
            cycle(),
            cycle_of_dicts(),
            cycle_of_objects(),
            laughs(list),
            laughs(tuple),
            [bytes(10**6)] * 10_000,
            [bytearray(10**6)] * 10_000,
            ["x" * 2**20] * 17,
            [np.zeros(10**6)] * 5000,
            dict.fromkeys(range(4000), bytes(10**6)),
            [[]] * 10_000,
            [0] * (2**14 + 1),
            {str(number): 0 for number in range(2**14 + 1)},
            "x" * (2**20 + 1),
            "ä" * 2**19 + "x",
            bytes(2**24 + 1),
            bytes(2**24),
            np.str_("x" * (2**20 + 1)),
            np.zeros(2**21 + 1),
            np.empty(2**14, object),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_cycles_and_what_is_too_large_are_refused_before_they_fill_the_memory(self, value):
        tracemalloc.start()
        try:
            with pytest.raises(EncodeError):
                pack(value)
            assert tracemalloc.get_traced_memory()[1] < 2**26
        finally:
            tracemalloc.stop()

    def test_threads_do_not_mix_their_bytes(self):
        messages = [[number, "x" * number, {"a": (number, np.arange(number))}] for number in range(8)]
        mixed: list[object] = []

        def work(message):
            mixed.extend(message for _ in range(300) if not same(unpack(pack(message)), message))

        threads = [threading.Thread(target=work, args=(message,)) for message in messages]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not mixed

    def test_equal_values_have_equal_bytes(self):
        value = [PERCEPT, {"a": (1, 2), "b": np.arange(3)}]
        assert pack(value) == pack(unpack(pack(value)))


GREEDY = {
    "empty lists": array_of(b"\x90", 6000),
    "empty maps": array_of(b"\x80", 6000),
    "maps of one": array_of(b"\x81\x01\x01", 4600),
    "tuples": array_of(b"\x91\xc7\x00\x01", 5000),
    "arrays": array_of(msgpack.packb(msgpack.ExtType(4, b"\5\1\1\0\0\0\7")), 6000),
    "array of objects": b"\xdc\x3a\x99" + msgpack.packb(msgpack.ExtType(5, b"\1\x98\x3a\0\0")) + b"\x01" * 15_000,
    "large ints": array_of(array_of(b"\xce\xff\xff\xff\xff", 16_000), 2),
    "scalars": array_of(b"\xd5\x03\1\7", 16_000),
    "keys": packed_map(range(1000, 1000 + 2**12)),
    "one large array": pack(np.zeros(2**20)),
    "one large byte string": pack(bytes(2**23)),
    "wide text": pack(["x" * 60_000 + "😀"] * 100),
}


GREEDIER = {
    "short text": array_of(array_of(b"\xa2ab", 16_000), 2),
    "short text of wide characters": array_of(array_of(b"\xa2\xc4\x81", 16_000), 2),
    "opaque": array_of(msgpack.packb(msgpack.ExtType(6, b"x")), 16_000),
    "arrays of strings": array_of(msgpack.packb(msgpack.ExtType(4, b"\x20\1\1\0\0\0\1\0\0\0" + bytes(4))), 6500),
}
"""The worst known: small objects that take more than four times their bytes. ``Limits.items`` bounds how many."""


@pytest.mark.parametrize(
    ("body", "more"),
    [*((body, 2**20) for body in GREEDY.values()), *((body, 3 * 2**20) for body in GREEDIER.values())],
    ids=[*GREEDY, *GREEDIER],
)
def test_a_message_takes_at_most_four_times_its_size_and_one_mebibyte_or_three(body, more):
    unpack(body)
    tracemalloc.start()
    try:
        value = unpack(body)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body) + more
        assert value is not None
    finally:
        tracemalloc.stop()
