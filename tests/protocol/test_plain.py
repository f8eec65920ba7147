"""What is checked in one go is what the walk through every message would say, to the last byte."""

from __future__ import annotations

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
from protocol.plain import FEW, decode_plain, encode_plain
from tests.protocol.examples import AGENT, EPISODE, EXAMPLES, WORKER
from tests.protocol.test_codec import same

WALKED = Limits()
"""Equal to the default, and not the same: nothing is taken for plain under it."""

PLAIN = [
    *(Act(EPISODE, step_id, AGENT, 1) for step_id in (0, 127, 128, 255, 256, 2**16, 2**32, 2**63 - 1)),
    *(Act(EPISODE, 1, AGENT, action) for action in (-1, -33, 200, -200, 2**15, -(2**31), 2**63, 2**64 - 1)),
    *(Act(EPISODE, 1, AGENT, bytes(size)) for size in (0, 1, 16, FEW)),
    *(Percept(EPISODE, 9, WORKER, reward, True, False, {}, b"\n" * 16) for reward in (0.0, -1.5, float("inf"))),
    *(Percept(EPISODE, 9, WORKER, 1.0, False, True, {}, observation) for observation in (0, 2**40, b"", b"\xc4")),
]
WALKED_THROUGH = [
    Act(EPISODE, 1, AGENT, bytes(FEW + 1)),
    Act(EPISODE, 1, AGENT, 2**64),
    Act(EPISODE, 1, AGENT, True),
    Act(EPISODE, 1, AGENT, [1]),
    Act(EPISODE, 1, AGENT, "text"),
    Percept(EPISODE, 9, WORKER, 1, False, False, {}, 0),
    Percept(EPISODE, 9, WORKER, 1.0, b"\0", b"\1", {}, 0),
    Percept(EPISODE, 9, WORKER, 1.0, False, False, {"a": 1}, 0),
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


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_whatever_is_done_to_a_plain_message_both_ways_of_reading_it_agree(data):
    body = bytearray(encode(data.draw(st.sampled_from(PLAIN))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    body = bytes(body)
    plain = decode_plain(body)
    try:
        walked = decode(body, WALKED)
    except DecodeError:
        assert plain is None
    else:
        assert plain is None or encode(plain, WALKED) == encode(walked, WALKED)  # as bytes: NaN is not equal to itself


def test_nothing_is_taken_for_plain_under_limits_that_it_could_break(monkeypatch):
    monkeypatch.setattr(codec, "decode_plain", None)  # would raise if it were called
    with pytest.raises(DecodeError, match="at most 60 are legal"):
        decode(encode_plain(PLAIN[-1]), Limits(body_bytes=60))
