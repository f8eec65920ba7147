"""Doors that read one message: the decoder, a status, what agents and workers say beside the protocol."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import gymnasium.spaces
import numpy as np

from agent_worker import evaluation_messages
from agent_worker.remote import metadata_of
from broker.port import MESSAGE_MAX
from env_worker import intake
from fuzz import messages
from fuzz.choices import Choices
from fuzz.target import SPARE, Finding, Target
from protocol.codec import decode, encode
from protocol.coders import coder
from protocol.compression import inflate
from protocol.description import Description
from protocol.errors import DecodeError
from protocol.limits import Limits
from protocol.messages import Accepted, Deflated, Percept, Status, Working
from protocol.presence import Presence
from protocol.roster import Roster
from protocol.spaces import to_space
from protocol.specs import to_data
from protocol.wire import pack, unpack
from tests.agent_worker.test_evaluation_messages import MESSAGES as OF_EVALUATIONS
from tests.protocol.corpus import BODIES
from tests.protocol.examples import EPISODE, WORKER
from tests.support.zoo import SPECS, same, sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.coders import Coder
    from protocol.messages import Message

WIRE = ("protocol.wire", "protocol.data")


def _settles(value: Any) -> None:
    """What came in can go out again, and then looks the same for ever."""
    again = pack(value)
    if pack(unpack(again)) != again:
        raise Finding("what came in does not arrive as what it was")


def _decode(body: bytes) -> tuple[bytes, Message]:
    return body, decode(body)


def _is_usable(decoded: tuple[bytes, Message]) -> None:
    body, message = decoded
    if isinstance(message, (Accepted, Working)) and not math.isfinite(float(message.deadline_s)):
        raise Finding(f"{message.performative} lasts for {message.deadline_s!r:.40} s")
    if isinstance(message, Percept) and type(message.reward) is not bytes:
        float(message.reward)
    again = encode(message)
    if encode(decode(again)) != again:
        raise Finding("the message does not arrive as what it was")
    if encode(decode(body, Limits()), Limits()) != again:
        raise Finding("the short way of what is plain, and the way of all messages, do not agree")
    if encode(decode(bytearray(body))) != again:  # what a large body comes in
        raise Finding("bytes and a bytearray of them are not the same message")


def _content(body: bytes) -> Description:
    message = decode(body)
    if not isinstance(message, Status):
        raise DecodeError("no status")
    return Description.from_content(message.content)


def _is_buildable(description: Description) -> None:
    """An agent makes spaces and coders of it."""
    metadata_of(description)
    for spec, bounds in ((description.observation_space, False), (description.action_space, True)):
        coder(spec, bounds=bounds)
        to_space(spec, gymnasium.spaces)


def _status(data: bytes) -> bytes:
    """A right status with other bytes in it: of its content, of its spaces, or anywhere."""
    choices = Choices(data)
    content = dict(_CONTENT)
    for _ in range(choices.byte() % 4):
        name = choices.one(tuple(content))
        content[name] = choices.one(_FITTING) if choices.byte() % 2 else choices.one(messages.ODD)
    header = messages.FIELDS["status"][:5]
    pairs = b"".join(messages.packed(name) + value for name, value in content.items())
    body = messages.packed_array([*header, b"\xde" + len(content).to_bytes(2, "big") + pairs])
    return messages.damaged(body, choices)


_SPECS = list(SPECS.values())
_FITTING = tuple(pack(to_data(spec)) for spec in _SPECS)
_CONTENT = {
    name: pack(value)
    for name, value in Description(
        1, "host/1", "E", SPECS["dict"], SPECS["graph"], metadata={"render_modes": ["ansi"]}, spec={"id": "E"}
    ).to_content().items()
}


def _coded(data: bytes) -> tuple[Coder, Any]:
    """A space, and what might be one of its values on the wire."""
    choices = Choices(data)
    at, bounds = choices.byte() % len(_SPECS), bool(choices.byte() % 2)
    try:
        return _CODERS[at, bounds], unpack(choices.rest())
    except DecodeError:
        return _CODERS[at, bounds], None


def _uncode(prepared: tuple[Coder, Any]) -> tuple[Coder, Any]:
    found, wire = prepared
    return found, found.decode(wire)


def _is_of_the_space(decoded: tuple[Coder, Any]) -> None:
    found, value = decoded
    if not same(found.decode(unpack(pack(found.encode(value)))), value):
        raise Finding("a value of the space does not arrive as what it was")


def _samples() -> list[bytes]:
    rng, seeds = np.random.default_rng(1), []
    for at, spec in enumerate(_SPECS):
        for bounds in (0, 1):
            wire = _CODERS[at, bool(bounds)].encode(sample(spec, rng))
            seeds.append(bytes((at, bounds)) + pack(wire))
    return [seed for seed in seeds if len(seed) < 4000]


_CODERS = {
    (at, bounds): coder(spec, bounds=bounds) for at, spec in enumerate(_SPECS) for bounds in (False, True)
}

_ROSTER = Roster(["ann", "bob"])


def _roster(body: bytes) -> None:
    message = decode(body)
    if isinstance(message, Percept):
        for turns in (False, True):
            _ROSTER.read(message, turns=turns)


def _deflated(data: bytes) -> Deflated:
    """A reply, deflated, or what says so: its size may be a lie, its stream cut or of anything."""
    choices = Choices(data)
    body = messages.with_something_wrong(choices) if choices.byte() % 2 else choices.piece() * choices.word()
    packed = messages.damaged(zlib.compress(body[: 2**25], 1), choices)
    size = choices.one((len(body), len(body), len(body) + 1, 0, -1, 2**24, 2**63))
    return Deflated(EPISODE, choices.byte() % 4, WORKER, size, packed)


class _Catalogue:
    """Of a worker that serves one env."""

    entries = ("E",)

    def get(self, env_id: str) -> object | None:
        return self if env_id == "E" else None


def _is_answerable(found: Any) -> None:
    if isinstance(found, intake.Refusal):
        decode(found.body)


def _of(*names: str) -> Callable[[], list[bytes]]:
    return lambda: [messages.BODIES[name] for name in names]


def _shaped(names: tuple[str, ...]) -> Callable[[bytes], bytes]:
    return lambda data: messages.addressed(Choices(data), names)


_ROSTERS = ("percept_parallel", "percept_parallel_keys", "percept_aec", "percept_info")
_PRESENCE = Presence("host/1", WORKER, ("E",), 4, 3).encode()

TARGETS = (
    Target(
        "wire", "any bytes, into the decoder of msgpack and free data", WIRE, 300_000,
        unpack, lambda: [*messages.BODIES.values(), *(body for body, _ in BODIES.values() if len(body) < 4000)],
        check=_settles,
    ),
    Target(
        "greedy", "long messages of tiny objects and of many keys, into the same", WIRE, 400,
        unpack, messages.greedy_seeds, prepare=lambda data: messages.greedy(Choices(data)),
    ),
    Target(
        "envelope", "messages with wrong fields, and cut or damaged, into the codec", ("protocol.codec", *WIRE),
        60_000, _decode, lambda: [bytes((at, 0)) for at in range(len(messages.FIELDS))],
        prepare=lambda data: messages.with_something_wrong(Choices(data)), check=_is_usable,
    ),
    Target(
        "plain", "messages that are nearly plain, long ones too, into the codec",
        ("protocol.plain", "protocol.tail", "protocol.codec", *WIRE), 60_000, _decode,
        lambda: [bytes((at, 0, 0, end)) for at in range(len(messages.PLAIN)) for end in (0, 3)],
        prepare=lambda data: messages.plain_but_for(Choices(data)), check=_is_usable,
    ),
    Target(
        "status", "what a worker says of its env: spaces, metadata", ("protocol.description", "protocol.specs"),
        5_000, _content, lambda: [b"", *(bytes((1, at, 1, spec)) for at in (3, 4) for spec in range(len(_SPECS)))],
        prepare=_status, check=_is_buildable,
    ),
    Target(
        "values", "what may be no value of its space, into the coders of all spaces",
        ("protocol.coders", "protocol.coders_arrays", "protocol.coders_batches", "protocol.coders_composite"),
        200_000, _uncode, _samples, prepare=_coded, check=_is_of_the_space,
    ),
    Target(
        "roster", "percepts of many agents", ("protocol.roster",), 120_000, _roster, _of(*_ROSTERS),
    ),
    Target(
        "evaluation", "what agents that share an evaluation say", ("agent_worker.evaluation_messages",), 130_000,
        evaluation_messages.decode, lambda: [evaluation_messages.encode(one) for one in OF_EVALUATIONS],
    ),
    Target(
        "presence", "what workers say of themselves", ("protocol.presence",), 120_000,
        Presence.decode, lambda: [_PRESENCE],
    ),
    Target(
        "deflated", "replies that say they are deflated, bombs too, into an agent", ("protocol.compression",), 10_000,
        inflate, lambda: [bytes((1, at, 0)) for at in range(30)] + [b"\0\1\0\xff\xff\0", b"\0\2ab\xff\xff\0"],
        prepare=_deflated, spare=SPARE + 2 * MESSAGE_MAX,
    ),
    Target(
        "requests", "the queue of requests: what is wanted, or why not", ("env_worker.intake",), 40_000,
        lambda body: intake.understand(body, WORKER, _Catalogue()),  # type: ignore[arg-type]  # all that is asked of one
        lambda: [bytes((at,)) for at in range(8)], named=(),
        prepare=_shaped(("make", "make_lanes", "make_seat", "act", "close")), check=_is_answerable,
    ),
)  # fmt: skip
