"""What is checked in one go is what the walk through every message would say, to the last byte."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import codec
from protocol.codec import decode, encode
from protocol.errors import DecodeError, EncodeError
from protocol.limits import Limits
from protocol.messages import Act, Percept
from protocol.plain import decode_plain, encode_plain
from protocol.tail import LONG, owned
from tests.protocol.examples import AGENT, EPISODE, EXAMPLES, WORKER
from tests.protocol.test_codec import same

WALKED = Limits()
"""Equal to the default, and not the same: nothing is taken for plain under it."""


def of_lanes(lanes, **other):
    fields = {"reward": bytes(8 * lanes), "terminated": bytes(lanes), "truncated": b"\1" * lanes, "info": {}}
    return Percept(EPISODE, 9, WORKER, **{**fields, "observation": [lanes, b"\n" * 16 * lanes], **other})


PLAIN = [
    *(Act(EPISODE, step_id, AGENT, 1) for step_id in (0, 127, 128, 255, 256, 2**16, 2**32, 2**63 - 1)),
    *(Act(EPISODE, 1, AGENT, action) for action in (-1, -33, 200, -200, 2**15, -(2**31), 2**63, 2**64 - 1)),
    *(Act(EPISODE, 1, AGENT, bytes(size)) for size in (0, 1, 16, 255, 256, LONG - 100)),
    *(Percept(EPISODE, 9, WORKER, reward, True, False, {}, b"\n" * 16) for reward in (0.0, -1.5, float("inf"))),
    *(Percept(EPISODE, 9, WORKER, 1.0, False, True, {}, observation) for observation in (0, 2**40, b"", b"\xc4")),
    *(Act(EPISODE, 1, AGENT, [lanes, bytes(8 * lanes)]) for lanes in (0, 1, 64, 300)),
    *(of_lanes(lanes) for lanes in (0, 1, 64, 300)),
]
WALKED_THROUGH = [
    Act(EPISODE, 1, AGENT, bytes(LONG)),
    Percept(EPISODE, 9, WORKER, 1.0, False, False, {}, bytes(LONG - 1)),
    Act(EPISODE, 1, AGENT, 2**64),
    Act(EPISODE, 1, AGENT, True),
    Act(EPISODE, 1, AGENT, [1]),
    Act(EPISODE, 1, AGENT, "text"),
    Percept(EPISODE, 9, WORKER, 1, False, False, {}, 0),
    Percept(EPISODE, 9, WORKER, 1.0, b"\0", b"\1", {}, 0),
    Percept(EPISODE, 9, WORKER, 1.0, False, False, {"a": 1}, 0),
    *(Act(EPISODE, 1, AGENT, wire) for wire in ([2, b"", b""], [1, 1], [1.0, b""], [-1, b""])),
    of_lanes(2, reward=0.0),
    of_lanes(2, terminated=False),
    of_lanes(2, info={"a": b""}),
    of_lanes(2, observation=[2, [b"", b""]]),
    of_lanes(2, observation=[2, b"", 2]),
    of_lanes(2, observation=[2, b"", {}]),
    of_lanes(7000),
    Act(EPISODE, 1, AGENT, [1, bytes(LONG)]),
    *(message for message in EXAMPLES.values() if type(message) not in (Act, Percept)),
]


@pytest.mark.parametrize("message", PLAIN, ids=str)
def test_a_plain_message_has_the_bytes_and_the_meaning_that_the_walk_gives_it(message):
    body = encode_plain(message)
    assert body == encode(message, WALKED) == encode(message)
    assert same(decode_plain(body), message)
    assert same(decode(body, WALKED), message)


@pytest.mark.parametrize("message", WALKED_THROUGH, ids=lambda message: str(message)[:60])
def test_what_is_not_plain_is_walked_through(message):
    assert encode_plain(message) is None
    body = encode(message)
    assert decode_plain(body) is None
    assert same(decode(body), message)


@pytest.mark.parametrize(
    "wrong",
    [
        {"episode": EPISODE.upper()}, {"episode": EPISODE[1:]}, {"episode": "\ud800" * 32}, {"incarnation": "c"},
        {"incarnation": None}, {"step_id": "1"}, {"step_id": 1.0},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("message", [PLAIN[0], PLAIN[-1]], ids=lambda message: message.performative)
def test_what_could_not_arrive_is_not_plain_and_is_refused(message, wrong):
    message = replace(message, **wrong)
    assert encode_plain(message) is None
    with pytest.raises(EncodeError):
        encode(message)


@pytest.mark.parametrize("info", [np.array([1, 2]), np.array([]), [], None, 0], ids=repr)
def test_an_info_that_is_no_dict_is_refused_by_its_type_and_never_asked_whether_it_is_empty(info):
    percept = Percept(EPISODE, 9, WORKER, 1.0, False, False, info, 0)
    with pytest.raises(EncodeError, match="info: expected dict, got"):
        encode(percept)


@settings(max_examples=1000)
@given(st.data())
def test_whatever_is_done_to_a_plain_message_both_ways_of_reading_it_agree(data):
    body = bytearray(encode(data.draw(st.sampled_from(PLAIN))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agree(bytes(body))


LONGER = [
    Percept(EPISODE, 9, WORKER, 1.0, True, False, {}, bytes(LONG)),
    of_lanes(16, observation=[16, bytes(range(256)) * 300]),
    of_lanes(5000),
]


@pytest.mark.parametrize("message", LONGER, ids=lambda message: str(message)[:60])
def test_a_percept_with_a_long_end_is_plain(message):
    body = bytearray(encode_plain(message))
    assert body == encode(message, WALKED) == encode(message)
    assert same(kept(decode_plain(body)), message)
    assert same(kept(decode(body, WALKED)), message)


def kept(message):
    return replace(message, observation=owned(message.observation)) if type(message) is Percept else message


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_whatever_is_done_to_a_percept_with_a_long_end_both_ways_of_reading_it_agree(data):
    body = bytearray(encode(data.draw(st.sampled_from(LONGER[:2]))))
    bytes_before = body.index(b"\xc6\x00\x01") + 5
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, bytes_before) | st.just(len(body)))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agree(body)


PERCEPT = b"\x9a\1\xa7percept\xd9\x20" + EPISODE.encode() + b"\1\xb0" + WORKER.encode()
ACT = b"\x96\1\xa3act\xd9\x20" + EPISODE.encode() + b"\1\xb0" + AGENT.encode()
ENDS, SHORT, LANES = b"\xc4\1\0", b"\xc4\5abcde", b"\x92\5"
LONG_END = b"\xc6\0\1\0\0" + bytes(LONG)
IN_PIECES = [
    [PERCEPT, ENDS, ENDS, ENDS, b"\x80", LANES, SHORT],
    [PERCEPT, ENDS, ENDS, ENDS, b"\x80", LANES, LONG_END],
    [PERCEPT, b"\xcb" + bytes(8), b"\xc2", b"\xc2", b"\x80", LONG_END],
    [ACT, LANES, SHORT],
]
PIECES = sorted({piece for pieces in IN_PIECES for piece in pieces} | {b"\xc5\0\1\0", b"\x92\xcc\5", b"\0"})


@pytest.mark.parametrize("pieces", IN_PIECES, ids=len)
def test_the_pieces_are_those_of_plain_messages(pieces):
    assert decode_plain(b"".join(pieces)) is not None


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_whatever_pieces_of_plain_messages_are_missing_or_more_both_ways_of_reading_it_agree(data):
    pieces = list(data.draw(st.sampled_from(IN_PIECES)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(pieces)))
        pieces[at : at + data.draw(st.integers(0, 4))] = data.draw(st.lists(st.sampled_from(PIECES), max_size=2))
    agree(b"".join(pieces))


def agree(body):
    """Read in the short way, if it can be, and in that of all messages, ``body`` is the same; or nothing is."""
    try:
        walked = decode(body, WALKED)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode(body)
    else:
        assert encode(kept(decode(body)), WALKED) == encode(kept(walked), WALKED)  # as bytes: NaN is not NaN


@pytest.mark.parametrize("before", [b"", b"\x92\x02"], ids=["one env", "lanes"])
def test_what_only_looks_like_a_long_end_is_read_as_what_it_is(before):
    """Its bytes stand within the first field that follows the header."""
    head = encode(of_lanes(0)).split(b"\xb0")[0] + b"\xb0" + WORKER.encode()
    tail = b"\xc6" + LONG.to_bytes(4, "big") + bytes(LONG)
    inner = b"\x80" + before + tail
    for reward in (b"\xc6" + len(inner).to_bytes(4, "big"), b"\xc5\x00" + bytes([1 + len(before)])):
        assert decode_plain(head + reward + inner) is None
        with pytest.raises(DecodeError):
            decode(head + reward + inner)


def test_a_view_of_what_is_no_row_of_bytes_is_not_plain():
    wide = memoryview(np.zeros((2, LONG), np.uint8))
    apart = memoryview(np.zeros(2 * LONG, np.uint8))[::2]
    point = memoryview(np.zeros((), np.uint8))
    for view in (wide, apart, point, memoryview(np.zeros(LONG, np.float32)), memoryview(bytes(8))):
        assert encode_plain(Percept(EPISODE, 9, WORKER, 1.0, True, False, {}, view)) is None


@pytest.mark.parametrize("much", [b"\xdc\xff\xff", b"\x9a" + b"\x90" * 9, b"\x91", b"\x93\x90\x90", b"\x80"])
@pytest.mark.parametrize("place", range(5))
def test_what_claims_much_behind_the_header_of_a_percept_of_lanes_is_refused_before_it_is_allocated(much, place):
    head = encode(of_lanes(0)).split(b"\xb0")[0] + b"\xb0" + WORKER.encode()
    head += (b"\xc4\x00\xc4\x00\xc4\x00\x80\x92\x01")[: [0, 2, 4, 6, 9][place]]
    body = head + much * (60_000 // len(much))
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decode(body)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()


def test_nothing_is_taken_for_plain_under_limits_that_it_could_break(monkeypatch):
    monkeypatch.setattr(codec, "decode_plain", None)  # would raise if it were called
    with pytest.raises(DecodeError, match="at most 60 are legal"):
        decode(encode_plain(PLAIN[-1]), Limits(body_bytes=60))
