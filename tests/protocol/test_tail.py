"""Long bytes at the end of a percept: the same bytes on the wire, one copy to send them and none to receive them."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import decode, encode
from protocol.coders import coder
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import DecodeError
from protocol.messages import Act, Make, Percept, Reset, Status
from protocol.spec_types import BoxSpec, DictSpec, SequenceSpec, TupleSpec
from protocol.tail import LONG, owned
from protocol.wire import unpack
from tests.protocol.examples import AGENT, EPISODE, WORKER

BYTES = BoxSpec((LONG + 3,), "uint8", 0, 255, True, True)
FLOATS = BoxSpec((LONG // 4, 1), "float32", -np.inf, np.inf, True, True)


def percept(observation, info=None) -> Percept:
    return Percept(EPISODE, 7, WORKER, 1.0, False, False, info or {}, observation)


def plainly(message: Percept) -> bytes:
    """Its bytes, by msgpack alone."""
    fields = [message.reward, message.terminated, message.truncated, message.info, message.observation]
    return msgpack.packb([1, "percept", message.episode, message.step_id, message.incarnation, *fields])


@pytest.mark.parametrize("size", [LONG - 1, LONG, LONG + 1, 3 * LONG])
@pytest.mark.parametrize("around", [lambda tail: tail, lambda tail: [2, tail], lambda tail: [2, [b"a", [tail]]]])
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_the_bytes_are_those_of_any_other_message(size, around, kind):
    tail = bytes(range(256)) * (size // 256) + bytes(size % 256)
    message = percept(around(kind(tail)))
    body = encode(message)
    assert body == plainly(percept(around(tail)))
    assert owned(decode(body).observation) == owned(decode(bytearray(body)).observation) == around(tail)


@pytest.mark.parametrize(
    "observation",
    [
        {"a": bytes(LONG)},
        [[{"a": bytes(LONG)}]],
        [bytes(LONG), 1],
        [bytes(LONG), None],
        "a" * (LONG - 1),
        (1, bytes(LONG)),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_does_not_end_in_long_bytes_within_lists_goes_the_common_way(observation):
    for body in (encode(percept(observation)), bytearray(encode(percept(observation)))):
        assert decode(body).observation == observation


def test_no_other_message_lends_its_bytes():
    body = bytearray(encode(Act(EPISODE, 1, AGENT, bytes(LONG))))
    assert type(decode(body).action) is bytes


def test_an_observation_is_read_in_place_and_belongs_to_its_reader():
    code = coder(SequenceSpec(BYTES, stack=True), bounds=False)
    value = np.arange(2 * (LONG + 3)).astype(np.uint8).reshape(2, -1)
    body = bytearray(encode(percept(code.encode(value))))
    seen = code.decode(decode(body).observation)
    assert np.array_equal(seen, value)
    seen[1, -1] = 99
    assert body[-1] == 99
    unchanging = bytes(body)
    copied = code.decode(decode(unchanging).observation)
    copied[:] = 0
    assert unchanging == body


@pytest.mark.parametrize(("before", "kind"), [(100, memoryview), (LONG - 200, memoryview), (LONG, bytes)])
def test_who_keeps_an_observation_keeps_no_more_beside_it_than_it_has(before, kind):
    message = percept([bytes(before), bytes(LONG)])
    seen = decode(bytearray(encode(message)))
    assert type(seen.observation[-1]) is kind
    assert owned(seen.observation) == message.observation


@pytest.mark.parametrize("key", ["a", "ab", "abc", "abcd"])
def test_numbers_that_would_not_lie_as_they_should_are_copied(key):
    parts = (BoxSpec((3, 1), "float32", -np.inf, np.inf, True, True), FLOATS)
    code = coder(TupleSpec(parts), bounds=False)
    value = tuple(np.random.default_rng(0).normal(size=part.shape).astype(np.float32) for part in parts)
    seen = code.decode(decode(bytearray(encode(percept(code.encode(value), {key: 1})))).observation)
    for one, other in zip(seen, value, strict=True):
        assert one.flags.aligned
        assert one.flags.writeable
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "array", [np.zeros((LONG // 2, 2), np.uint8).T[::-1], np.ones((2, LONG // 2), np.uint8)[:, ::-1]]
)
def test_arrays_that_do_not_lie_in_one_piece_are_lent_as_a_copy(array):
    spec = BoxSpec(array.shape, "uint8", 0, 255, True, True)
    code = coder(spec, bounds=False, lend=True)
    assert bytes(code.encode(array)) == array.tobytes()


def test_a_reply_that_is_asked_for_again_is_what_was_said_and_not_what_the_env_has_written_since():
    dialogue = EnvDialogue(Make(EPISODE, -1, AGENT, "Env-v0", [1]), WORKER)
    dialogue.reply(Status, content={})
    reset = encode(Reset(EPISODE, 0, AGENT))
    assert dialogue.receive(reset) is not None
    block = np.zeros(LONG, np.uint8)
    body = dialogue.reply(Percept, reward=0.0, terminated=False, truncated=False, info={}, observation=block.data)
    block[:] = 1
    again = dialogue.receive(reset)
    assert isinstance(again, Answer)
    assert again.body == body
    dialogue.reconnect("d" * 16)
    later = dialogue.receive(reset)
    assert isinstance(later, Answer)
    assert decode(later.body) == replace(decode(body), incarnation="d" * 16)


LONGEST = encode(percept([2, [b"a", bytes(LONG)]], {"k": (1, 2)}))
HEAD = len(LONGEST) - LONG


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_done_to_a_long_message_it_is_read_as_if_it_were_copied(data):
    body = bytearray(LONGEST)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, HEAD) | st.sampled_from([len(body) - 1, len(body)]))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    outcomes = []
    for borrow in (False, True):
        try:
            outcomes.append(_bare(unpack(body, borrow=borrow)))
        except DecodeError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def _bare(value):
    return [owned(entry) for entry in value] if type(value) is list else value


def peak_of(call) -> int:
    """Bytes that a call has at the most beside what was there before."""
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_sixteen_lanes_of_frames_are_copied_once_by_who_sends_and_not_at_all_by_who_reads():
    frames = BoxSpec((84, 84, 4), "uint8", 0, 255, True, True)
    spec = DictSpec((("frames", frames),))
    value = {"frames": np.random.default_rng(0).integers(0, 256, (16, 84, 84, 4), np.uint8)}
    size = value["frames"].nbytes
    sent, read = (coder(SequenceSpec(spec, stack=True), bounds=False, lend=lend) for lend in (True, False))
    body = bytearray(encode(percept(sent.encode(value))))
    assert size <= peak_of(lambda: encode(percept(sent.encode(value)))) < 1.1 * size
    assert peak_of(lambda: read.decode(decode(body).observation)) < 0.1 * size
