"""Messages to bytes and back; golden bytes that other languages can build on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import decode, encode
from protocol.errors import DecodeError, VersionMismatch
from protocol.messages import MESSAGES
from tests.protocol.examples import AGENT, EPISODE, EXAMPLES

GOLDEN = Path(__file__).parent / "golden"


def same(left: object, right: object) -> bool:
    """Equal with types, arrays and NaN."""
    if isinstance(left, np.ndarray):
        return isinstance(right, np.ndarray) and left.dtype == right.dtype and left.tobytes() == right.tobytes()
    if dataclasses.is_dataclass(left):
        names = [field.name for field in dataclasses.fields(left)]
        return type(left) is type(right) and all(same(getattr(left, n), getattr(right, n)) for n in names)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


def test_every_performative_has_an_example():
    assert {type(message) for message in EXAMPLES.values()} == set(MESSAGES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_message_arrives_as_it_was_sent(name):
    assert same(decode(encode(EXAMPLES[name])), EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_bytes_of_a_message_are_the_golden_ones(name):
    golden = bytes.fromhex((GOLDEN / f"{name}.hex").read_text())
    assert encode(EXAMPLES[name]) == golden
    assert same(decode(golden), EXAMPLES[name])


def test_there_is_no_golden_file_without_an_example():
    assert {path.stem for path in GOLDEN.glob("*.hex")} == set(EXAMPLES)


def test_the_header_is_version_performative_episode_step_id():
    assert msgpack.unpackb(encode(EXAMPLES["act"]))[:4] == [1, "act", EPISODE, 1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_message_cut_anywhere_is_a_decode_error(name):
    body = encode(EXAMPLES[name])
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            decode(body[:end])


def test_a_message_of_another_version_says_so_and_keeps_its_header():
    with pytest.raises(VersionMismatch) as caught:
        decode(msgpack.packb([9, "act", EPISODE, 7, "anything", {"new": "layout"}]))
    assert (caught.value.version, caught.value.performative, caught.value.step_id) == (9, "act", 7)
    assert caught.value.episode == EPISODE


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ([], "array of 4"),
        ({"a": 1}, "array of 4"),
        ([True, "act", EPISODE, 1, AGENT, 1], "header"),
        ([1, b"act", EPISODE, 1, AGENT, 1], "header"),
        ([1, "act", EPISODE, 1.0, AGENT, 1], "header"),
        ([1, "act", EPISODE, -2, AGENT, 1], "header"),
        ([1, "act", EPISODE, 2**63, AGENT, 1], "header"),
        ([1, "act", EPISODE.upper(), 1, AGENT, 1], "episode"),
        ([1, "act", EPISODE + "\n", 1, AGENT, 1], "episode"),
        ([1, "act", EPISODE[1:], 1, AGENT, 1], "episode"),
        ([1, "dance", EPISODE, 1, AGENT, 1], "unknown performative 'dance'"),
        ([1, "act", EPISODE, 1, AGENT], "6 elements"),
        ([1, "act", EPISODE, 1, AGENT, 1, 2], "6 elements"),
        ([1, "act", EPISODE, 1, AGENT[1:], 1], "incarnation"),
        ([1, "percept", EPISODE, 1, AGENT, "1", False, False, {}, b""], "reward"),
        ([1, "percept", EPISODE, 1, AGENT, True, False, False, {}, b""], "reward"),
        ([1, "percept", EPISODE, 1, AGENT, 1.0, 1, False, {}, b""], "terminated"),
        ([1, "percept", EPISODE, 1, AGENT, 1.0, False, None, {}, b""], "truncated"),
        ([1, "percept", EPISODE, 1, AGENT, 1.0, False, False, [], b""], "info"),
        ([1, "accepted", EPISODE, -1, AGENT, float("nan")], "deadline_s"),
        ([1, "accepted", EPISODE, -1, AGENT, float("inf")], "deadline_s"),
        ([1, "reset", EPISODE, 0, AGENT, True, None, None], "seed"),
        ([1, "reset", EPISODE, 0, AGENT, [1, "2"], None, None], "seed"),
        ([1, "call", EPISODE, 0, AGENT, "name", [], {1: 2}], "kwargs"),
        ([1, "make", EPISODE, -1, AGENT, "E", [1], 0, {}, None, None, None, None, None, None], "attempt"),
        ([1, "make", EPISODE, -1, AGENT, "E", ["1"], 1, {}, None, None, None, None, None, None], "versions"),
        ([1, "make", EPISODE, -1, AGENT, "E", [1], 1, {}, 0, None, None, None, None, None], "num_envs"),
        ([1, "error", EPISODE, 1, AGENT, "code", "text", "agent", 0, False], "retry"),
    ],
)
def test_what_is_not_a_message_is_refused_by_name(fields, names):
    with pytest.raises(DecodeError, match=names):
        decode(msgpack.packb(fields))


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_decode_error(body):
    try:
        message = decode(body)
    except DecodeError:
        return
    assert type(message) in MESSAGES


@settings(max_examples=1000)
@given(st.data())
def test_any_damage_to_a_message_gives_a_message_or_a_decode_error(data):
    body = bytearray(encode(data.draw(st.sampled_from(list(EXAMPLES.values())))))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode(bytes(body))
    except DecodeError:
        return
    assert type(message) in MESSAGES
