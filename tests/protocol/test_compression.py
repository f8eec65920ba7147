"""Deflated replies: shorter or not sent, read by who asked for them, and no way to make anybody allocate."""

from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.agent_dialogue import AgentDialogue
from protocol.codec import decode, encode
from protocol.compression import HEAD, LEAST, deflate, inflate
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import DecodeError, ErrorCode, Fault, RemoteProtocolError
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.messages import Deflated, Error, Make, Percept, Reset, Status
from tests.protocol.examples import AGENT, EPISODE, EXAMPLES, WORKER

NOISE = np.random.default_rng(0).bytes(300_000)
LONG = Percept(EPISODE, 0, WORKER, 0.0, False, False, {"at": (1, 2)}, b"abcd" * 60_000)


def packed(body: bytes, **changes) -> Deflated:
    return replace(Deflated(EPISODE, 0, WORKER, len(body), zlib.compress(body, 1)), **changes)


def dialogue(compression: str | None) -> tuple[AgentDialogue, EnvDialogue]:
    """Both ends after ``status``, with a ``reset`` that is being executed."""
    agent = AgentDialogue(EPISODE, AGENT)
    make = decode(agent.make("Env-v0", compression=compression))
    assert isinstance(make, Make)
    env = EnvDialogue(make, WORKER)
    agent.receive(env.reply(Status, content={"padding": "x" * 5000}))
    env.receive(agent.ask(Reset))
    return agent, env


def fields(observation: bytes) -> dict:
    return {"reward": 0.0, "terminated": False, "truncated": False, "info": {}, "observation": observation}


def test_the_example_of_the_golden_bytes_is_what_it_says():
    assert inflate(EXAMPLES["deflated"]) == EXAMPLES["closed"]


@pytest.mark.parametrize("observation", [b"ab" * LEAST, b"\0" * 200_000, [2, [b"xyz" * 90_000, "text" * 2000]]])
def test_a_long_reply_is_deflated_and_arrives_as_it_was(observation):
    agent, env = dialogue("deflate")
    body = env.reply(Percept, **fields(observation))
    assert type(decode(body)) is Deflated
    assert len(body) < len(encode(Percept(EPISODE, 0, WORKER, **fields(observation)))) / 10
    seen = agent.receive(body)
    assert seen == Percept(EPISODE, 0, WORKER, **fields(observation))


@pytest.mark.parametrize("observation", [b"", b"a" * (LEAST - 200), NOISE, NOISE[: LEAST + HEAD]])
def test_what_is_short_or_would_not_get_shorter_goes_as_it_is(observation):
    agent, env = dialogue("deflate")
    body = env.reply(Percept, **fields(observation))
    assert body == encode(Percept(EPISODE, 0, WORKER, **fields(observation)))
    assert agent.receive(body) is not None


def test_noise_as_long_as_can_be_sent_is_not_refused_because_it_would_grow():
    body = encode(Percept(EPISODE, 0, WORKER, 0.0, False, False, {}, NOISE[:1] * 1000 + NOISE * 55))
    assert DEFAULT_LIMITS.body_bytes - 400_000 < len(body) <= DEFAULT_LIMITS.body_bytes
    assert decode(deflate(body, EPISODE, 0, WORKER)).episode == EPISODE


def test_nothing_is_deflated_for_who_has_not_asked_and_a_deflated_reply_is_refused_there():
    agent, env = dialogue(None)
    body = env.reply(Percept, **fields(b"a" * 100_000))
    assert len(body) > 100_000
    with pytest.raises(RemoteProtocolError, match="an env may not say deflated"):
        agent.receive(encode(packed(body)))
    assert agent.receive(body) is not None


def test_an_error_is_never_deflated():
    agent, env = dialogue("deflate")
    body = env.fail(ErrorCode.ENV_ERROR, "why " * 500, Fault.ENV)
    assert type(decode(body)) is Error
    again = env.receive(agent.repeat())
    assert isinstance(again, Answer)
    assert again.body == body
    assert agent.receive(body) is not None


def test_a_reply_that_is_asked_for_again_is_deflated_again():
    agent, env = dialogue("deflate")
    body = env.reply(Percept, **fields(b"a" * 100_000))
    again = env.receive(agent.repeat())
    assert isinstance(again, Answer)
    assert again.body == body


def test_a_worker_inflates_nothing():
    _, env = dialogue("deflate")
    request = encode(Reset(EPISODE, 1, AGENT, options={"text": "x" * 5000}))
    refused = env.receive(encode(packed(request, step_id=1, incarnation=AGENT)))
    assert isinstance(refused, Answer)
    answer = decode(refused.body)
    assert isinstance(answer, Error)
    assert answer.code == "illegal"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            packed(encode(LONG), size=DEFAULT_LIMITS.body_bytes + 1),
            "of 16777217 bytes, at most 16777216",
        ),
        (packed(encode(LONG), size=-1), "deflated message of -1 bytes"),
        (packed(encode(LONG), size=100), "is not of 100 bytes"),
        (packed(encode(LONG), size=10**6), "is not of 1000000 bytes"),
        (packed(encode(LONG), data=b""), "is not of"),
        (packed(encode(LONG), data=NOISE[:500]), "cannot be inflated"),
        (packed(encode(LONG), data=zlib.compress(encode(LONG)) + b"x"), "is not of"),
        (packed(encode(LONG), data=zlib.compress(encode(LONG))[:-1]), "is not of"),
        (packed(encode(packed(encode(LONG)))), "holds no reply with the same header"),
        (packed(encode(replace(LONG, step_id=3))), "holds no reply with the same header"),
        (packed(encode(replace(LONG, incarnation="c" * 16))), "holds no reply with the same header"),
        (packed(b"\xc1" * 2000), "no msgpack"),
        (packed(b""), "ends early"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_is_wrong_with_a_deflated_message_is_a_decode_error(message, text):
    with pytest.raises(DecodeError, match=text):
        inflate(message)


def test_limits_hold_for_what_is_inside():
    with pytest.raises(DecodeError, match="at most 1000 are legal"):
        inflate(packed(encode(LONG)), Limits(body_bytes=1000))
    with pytest.raises(DecodeError, match="nest deeper"):
        inflate(packed(b"\x91" * 5000 + b"\xc0"))


@given(st.binary(max_size=300), st.integers(-1, 2**20))
def test_any_bytes_are_a_message_or_a_decode_error(data, size):
    try:
        inflate(Deflated(EPISODE, 0, WORKER, size, data))
    except DecodeError:
        return
    raise AssertionError("that was a message")


@pytest.mark.parametrize("size", [2000, DEFAULT_LIMITS.body_bytes, DEFAULT_LIMITS.body_bytes + 1])
def test_a_bomb_allocates_no_more_than_it_may(size):
    """100 MB of zeros in 100 kB."""
    bomb = zlib.compressobj(9)
    data = b"".join(bomb.compress(bytes(2**20)) for _ in range(100)) + bomb.flush()
    message = Deflated(EPISODE, 0, WORKER, size, data)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            inflate(message)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    allowed = size if size <= DEFAULT_LIMITS.body_bytes else 0
    assert peak < 2.5 * allowed + 2 * len(data)
