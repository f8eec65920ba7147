"""What agent workers of an evaluation say survives the way, and a stranger's bytes are refused as a whole."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_worker.evaluation_messages import (
    MOST_EPISODES,
    Done,
    Kept,
    Play,
    Probe,
    Refuse,
    Settings,
    Take,
    Tell,
    Wait,
    decode,
    encode,
)  # fmt: skip
from protocol.errors import DecodeError
from protocol.wire import pack, unpack

SETTINGS = Settings("CartPole-v1", '{"a": 1}', "model.zip 0123", True, 100, -1)
RESULTS = {3: (1.5, 7), 0: (-math.inf, 2**40), 99: (1e300, 0)}
KEPT = Kept(SETTINGS, RESULTS, 12.5)
TAKE = Take(SETTINGS, "0123456789abcdef", 7, 6, "fedcba9876543210", 4, (5, 6), RESULTS, 360.0, leaving=True)
MESSAGES = [
    TAKE, Play("me", 7, (1, 2)), Wait("me", 7), Tell("me", 7), Done("me", 7, KEPT), Refuse("me", 7, SETTINGS),
    Probe("me", 0), KEPT,
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_arrives_as_it_was(message):
    assert decode(encode(message)) == message


def test_a_return_that_is_no_number_arrives_as_such():
    kept = decode(encode(Kept(SETTINGS, {0: (math.nan, 1)}, 0.0)))
    assert math.isnan(kept.results[0][0])


def test_the_results_of_the_most_episodes_go_into_one_message():
    results = {number: (float(number), number) for number in range(MOST_EPISODES)}
    done = Done("me", 1, Kept(replace(SETTINGS, episodes=MOST_EPISODES), results, 1.0))
    assert decode(encode(done)) == done


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize(
    "bad", [None, "x", -5, 2.5, math.nan, [], {}, [1, 2, 3], np.zeros(3), np.zeros((2, 2), np.int64)], ids=repr
)
def test_a_field_of_another_kind_is_refused_by_name(message, bad):
    plain = unpack(encode(message))
    for name in set(plain) - {"type"}:
        if type(bad) is type(plain[name]) and isinstance(bad, (str, float)) and bad == bad:
            continue  # a str for a str
        with pytest.raises(DecodeError, match=name):
            decode(pack({**plain, name: bad}))
        with pytest.raises(DecodeError, match=name):
            decode(pack({key: value for key, value in plain.items() if key != name}))


@pytest.mark.parametrize("value", [None, [], {}, {"type": "give"}, {"type": 5}, {"type": ["take"]}, b"take", 3])
def test_what_is_no_message_is_refused(value):
    with pytest.raises(DecodeError):
        decode(pack(value))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_decode_error(body):
    with pytest.raises(DecodeError):
        decode(body)


@given(st.data())
def test_a_message_with_broken_bytes_is_a_message_or_a_decode_error(data):
    body = bytearray(encode(data.draw(st.sampled_from(MESSAGES))))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        decode(bytes(body))


def test_columns_of_different_lengths_are_refused():
    plain = unpack(encode(KEPT))
    plain["results"][1] = plain["results"][1][:-1]
    with pytest.raises(DecodeError, match="3 numbers, 2 returns"):
        decode(pack(plain))


def test_settings_say_where_they_differ():
    other = dataclasses.replace(SETTINGS, seed=3, episodes=5)
    assert SETTINGS.differences(other) == "episodes 100 instead of 5, seed -1 instead of 3"
    assert SETTINGS.differences(SETTINGS) == ""


@pytest.mark.parametrize("number", [-1, SETTINGS.episodes, 2**40])
def test_results_of_episodes_that_there_are_not_are_refused(number):
    kept = Kept(SETTINGS, {number: (1.0, 1)}, 0.0)
    for message in (kept, Done("me", 1, kept)):
        with pytest.raises(DecodeError, match="of an episode that there is not"):
            decode(encode(message))
