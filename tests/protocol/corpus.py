"""Every bad input that we know of, by name, with the error that is due. Made by code: what is wrong stands in the code.

``BODIES`` are no messages at all; ``ODDITIES`` look as if they were wrong and are right; ``STRANGERS`` are messages
that are not due; ``VALUES`` are right on the wire and no value of their space. What the fuzzer has found lies as files
in ``tests/fuzz/found``.
"""

from __future__ import annotations

import gzip
import pickle
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack
import numpy as np

from protocol.codec import encode
from protocol.data import ARRAY, INT, OBJECTS, OPAQUE, SCALAR, TUPLE
from protocol.messages import (
    OUTSIDE,
    Accepted,
    Act,
    Call,
    Closed,
    Error,
    Frame,
    Make,
    Percept,
    Probe,
    Render,
    Reset,
    Result,
    Resume,
    Status,
    Working,
)
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
from tests.protocol.examples import AGENT, EPISODE, WORKER

if TYPE_CHECKING:
    from protocol.specs import Spec

PERCEPT = [1, "percept", EPISODE, 7, WORKER, 1.0, False, False, {}, bytes(16)]
ACT = [1, "act", EPISODE, 1, AGENT, 1]
_WHOLE = msgpack.packb(PERCEPT)
MAKE = [1, "make", EPISODE, -1, AGENT, "E", [1], 1, {}, None, None, None, None, None, None]
OTHER = "f" * 32
STRANGER = "cccccccccccccccc"
MERSENNE = 2**61 - 1
"""Python's hash of an int is its remainder by this."""


def nested(lead: bytes, depth: int, core: bytes = b"\xc0") -> bytes:
    return lead * depth + core


def array_of(items: bytes, count: int) -> bytes:
    return b"\xdc" + struct.pack(">H", count) + items * count


def ext(code: int, payload: bytes) -> bytes:
    """One extension type, alone in a message."""
    return bytes(msgpack.packb(msgpack.ExtType(code, payload)))


def array(code: int, shape: tuple[int, ...], data: bytes, dims: int | None = None) -> bytes:
    """A numeric array as it travels, whatever is wrong with it."""
    head = struct.pack(f"<BB{len(shape)}I", code, len(shape) if dims is None else dims, *shape)
    return ext(ARRAY, head + data)


def but(fields: list[Any], **changes: Any) -> bytes:
    """A message with other fields, by their numbers: ``but(ACT, f3=-2)``."""
    found = list(fields)
    for name, value in changes.items():
        found[int(name[1:])] = value
    return bytes(msgpack.packb(found))


class Evil:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('a pickle was loaded')",)


MSGPACK = {
    "empty": b"",
    "never used byte": b"\xc1",
    "never used byte within": b"\x92\x01\xc1",
    "trailing byte": b"\x01\x01",
    "trailing message": msgpack.packb(PERCEPT) * 2,
    "array of 4 billion": b"\xdd\xff\xff\xff\xff",
    "map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "array of 65535 claimed": b"\xdc\xff\xff",
    "bytes of 4 billion": b"\xc6\xff\xff\xff\xff",
    "text of 4 billion": b"\xdb\xff\xff\xff\xff",
    "extension of 4 billion": b"\xc9\xff\xff\xff\xff\x04",
    "17 lists": nested(b"\x91", 17),
    "511 lists": nested(b"\x91", 511),
    "1000 lists": nested(b"\x91", 1000),
    "100000 lists": nested(b"\x91", 100_000),
    "1000 maps": nested(b"\x81\x01", 1000),
    "1000 maps as keys": nested(b"\x81", 1000),
    "1000 tuples": nested(b"\x92\xc7\x00\x01", 1000),
    "a million empty maps": b"\xdd\x00\x0f\x42\x40" + b"\x80" * 10**6,
    "a million empty maps in lists": array_of(array_of(b"\x80", 1000), 1000),
    "a million small lists": array_of(array_of(b"\x91\x01", 1000), 1000),
    "many arrays": array_of(msgpack.packb(msgpack.ExtType(4, b"\5\1\0\0\0\0")), 16_000),
    "many tuples": array_of(b"\x91\xc7\x00\x01", 16_000),
    "key twice": b"\x82\xa1a\x01\xa1a\x02",
    "key twice as another type": b"\x82\x01\x01\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\x02",
    "8192 int keys": b"\xde\x20\0" + b"".join(msgpack.packb(number) + b"\xc0" for number in range(8192)),
    "list as key": b"\x81\x90\x01",
    "map as key": b"\x81\x80\x01",
    "array as key": b"\x81" + msgpack.packb(msgpack.ExtType(4, b"\5\0\1")) + b"\x01",
    "not UTF-8": b"\xa2\xc3\x28",
    "surrogate": b"\xa3\xed\xa0\x80",
    "a name of more than 1 MiB": msgpack.packb("x" * (2**20 + 1)),
    "timestamp": b"\xd6\xff\0\0\0\0",
    "timestamp far away": b"\xc7\x0c\xff" + b"\xff" * 12,
    "timestamp of a bad length": b"\xc7\x03\xff\0\0\0",
    **{f"extension type {code - 256}": bytes((0xD4, code, 0)) for code in range(128, 256)},
    **{f"extension type {code}": bytes((0xD4, code, 0)) for code in (0, *range(7, 128))},
    "a pickle": pickle.dumps(Evil()),
    "gzip": gzip.compress(msgpack.packb(ACT), mtime=0),
    "JSON": b'{"performative": "act"}',
    "only the end of a percept of lanes": b"\x80\x92\x05\xc4\x00",
    "only the long end of one": b"\x80\x92\x05\xc6\x00\x01\x00\x00" + bytes(2**16),
    "16 MiB and a byte": b"\xc6\x01\0\0\x01" + bytes(2**24 + 1),
    **{f"a percept cut after {size} bytes": _WHOLE[:size] for size in range(1, len(_WHOLE))},
}  # fmt: skip
"""What is no msgpack of ours: ``unpack`` refuses it."""

ARRAYS = {
    "dtype of objects": array(14, (1,), bytes(8)),
    "a dtype string": ext(ARRAY, b"|O8" + bytes(8)),
    "a dtype string of 100,000 fields": ext(ARRAY, b"i1," * 100_000),
    "dtype code 31": array(31, (1,), bytes(8)),
    "dtype code 33": array(33, (1,), bytes(8)),
    "dtype code 255": array(255, (1,), bytes(8)),
    "strings of no character": array(32, (1,), struct.pack("<I", 0)),
    "strings of 2 billion characters": array(32, (1,), struct.pack("<I", 2**31)),
    "no string of 2 billion characters": array(32, (0,), struct.pack("<I", 2**31)),
    "a number that is no code point": array(32, (1,), struct.pack("<II", 1, 0x110000)),
    "negative shape": array(4, (2**32 - 1,), bytes(8)),
    "65 dimensions": array(4, (1,) * 65, bytes(8)),
    "255 dimensions and none": array(4, (), b"", dims=255),
    "empty, of 4 billion": array(5, (0, 2**32 - 1), b""),
    "empty, of 2^62": array(5, (0, 2**31, 2**31), b""),
    "a product that is 0 in 64 bits": array(4, (2**16,) * 4, b""),
    "a product beyond 64 bits": array(4, (2**32 - 1, 2**32 - 1, 2), bytes(8)),
    "fewer bytes than the shape": array(11, (2,), bytes(8)),
    "more bytes than the shape": array(11, (1,), bytes(16)),
    "bytes that are no whole number": array(11, (1,), bytes(7)),
    "a bool of value 7": array(0, (2,), b"\1\7"),
    "no shape": ext(ARRAY, b"\4"),
    "half a shape": ext(ARRAY, b"\4\1\1\0"),
    "a scalar of half its bytes": ext(SCALAR, b"\x0b" + bytes(4)),
    "a scalar of no dtype": ext(SCALAR, b""),
    "a bool scalar of value 2": ext(SCALAR, b"\0\2"),
    "an int of no bytes": ext(INT, b""),
    "an int of 1025 bytes": ext(INT, bytes(1025)),
    "a mark of a tuple alone": ext(TUPLE, b""),
    "a mark of objects alone": ext(OBJECTS, b"\0"),
    "objects of another shape": msgpack.packb([msgpack.ExtType(OBJECTS, b"\1\2\0\0\0"), 1]),
    "objects of 4 billion": msgpack.packb([msgpack.ExtType(OBJECTS, b"\2" + struct.pack("<2I", 0, 2**32 - 1))]),
    "a type without a name": ext(OPAQUE, b""),
    "a type of a name that is not UTF-8": ext(OPAQUE, b"\xff"),
}  # fmt: skip
"""Free data that are none: ``unpack`` refuses them."""

ENVELOPES = {
    "nothing": (b"\x90", "array of 4"),
    "nil": (b"\xc0", "array of 4"),
    "a map": (msgpack.packb({"performative": "act"}), "array of 4"),
    "a tuple": (msgpack.packb([msgpack.ExtType(TUPLE, b""), *ACT]), "array of 4"),
    "version 0": (but(ACT, f0=0), "version 0"),
    "version 2": (but(ACT, f0=2), "version 2"),
    "version 2^64-1": (but(ACT, f0=2**64 - 1), "version 18446744073709551615"),
    "version true": (but(ACT, f0=True), "header"),
    "version as float": (but(ACT, f0=1.0), "header"),
    "performative as bytes": (but(ACT, f1=b"act"), "header"),
    "no performative": (but(ACT, f1=""), "unknown performative ''"),
    "unknown performative": (but(ACT, f1="dance"), "unknown performative 'dance'"),
    "performative of 1 MiB": (but(ACT, f1="x" * 2**20), "unknown performative"),
    "performative in capitals": (but(ACT, f1="ACT"), "unknown performative 'ACT'"),
    "no episode": (but(ACT, f2=None), "episode"),
    "episode of no digits": (but(ACT, f2=""), "episode"),
    "episode of 33 digits": (but(ACT, f2=EPISODE + "0"), "episode"),
    "episode in capitals": (but(ACT, f2=EPISODE.upper()), "episode"),
    "episode of 1 MiB": (but(ACT, f2="a" * 2**20), "episode"),
    "episode as bytes": (but(ACT, f2=EPISODE.encode()), "episode"),
    "step_id -2": (but(ACT, f3=-2), "step_id"),
    "step_id 2^63": (but(ACT, f3=2**63), "step_id"),
    "step_id as float": (but(ACT, f3=1.0), "header"),
    "step_id true": (but(ACT, f3=True), "header"),
    "incarnation of 15 digits": (but(ACT, f4=AGENT[1:]), "incarnation"),
    "incarnation with a new line": (but(ACT, f4=AGENT + "\n"), "incarnation"),
    "a field too few": (msgpack.packb(ACT[:-1]), "6 elements"),
    "a field too many": (msgpack.packb([*ACT, 1]), "6 elements"),
    "reward as text": (but(PERCEPT, f5="1"), "reward"),
    "reward true": (but(PERCEPT, f5=True), "reward"),
    "reward beyond all floats": (but(PERCEPT, f5=msgpack.ExtType(INT, b"\0" * 200 + b"\1")), "reward"),
    "terminated 1": (but(PERCEPT, f6=1), "terminated"),
    "truncated nil": (but(PERCEPT, f7=None), "truncated"),
    "info as list": (but(PERCEPT, f8=[]), "info"),
    "a deadline that is no number": (msgpack.packb([1, "accepted", EPISODE, -1, WORKER, float("nan")]), "deadline_s"),
    "a deadline without end": (msgpack.packb([1, "working", EPISODE, 1, WORKER, float("inf")]), "deadline_s"),
    "a deadline in the past": (msgpack.packb([1, "working", EPISODE, 1, WORKER, -1.0]), "deadline_s"),
    "a deadline beyond all floats": (
        msgpack.packb([1, "accepted", EPISODE, -1, WORKER, msgpack.ExtType(INT, b"\0" * 200 + b"\1")]), "deadline_s",
    ),
    "seed true": (msgpack.packb([1, "reset", EPISODE, 0, AGENT, True, None, None]), "seed"),
    "a seed as text": (msgpack.packb([1, "reset", EPISODE, 0, AGENT, [1, "2"], None, None]), "seed"),
    "options as list": (msgpack.packb([1, "reset", EPISODE, 0, AGENT, 1, [], None]), "options"),
    "a mask as list": (msgpack.packb([1, "reset", EPISODE, 0, AGENT, 1, None, [True]]), "mask"),
    "kwargs that are no names": (msgpack.packb([1, "call", EPISODE, 0, AGENT, "name", [], {1: 2}]), "kwargs"),
    "attempt 0": (but(MAKE, f7=0), "attempt"),
    "versions as text": (but(MAKE, f6=["1"]), "versions"),
    "no lanes": (but(MAKE, f9=0), "num_envs"),
    "env_id as bytes": (but(MAKE, f5=b"E"), "env_id"),
    "a compression of nobody": (but(MAKE, f14=5), "compression"),
    "what is deflated as text": (msgpack.packb([1, "deflated", EPISODE, 2, WORKER, 9, "x"]), "data"),
}  # fmt: skip
"""Plain data that are no message, and what the error names."""

BODIES: dict[str, tuple[bytes, str]] = {
    **{name: (body, ".") for name, body in (MSGPACK | ARRAYS).items()},
    **ENVELOPES,
}
"""No messages: everybody refuses them by ``DecodeError`` with this in its text, and goes on."""


class Odd(NamedTuple):
    """Bytes that are right, and what they are."""

    body: bytes
    value: Any


ODDITIES = {
    "NaN": Odd(b"\xcb\x7f\xf8\0\0\0\0\1\x23", np.array([0x7FF8000000000123], "u8").view("f8").item()),
    "inf": Odd(msgpack.packb(float("inf")), float("inf")),
    "minus inf": Odd(msgpack.packb(float("-inf")), float("-inf")),
    "minus zero": Odd(msgpack.packb(-0.0), -0.0),
    "uint64 max": Odd(msgpack.packb(2**64 - 1), 2**64 - 1),
    "int as key": Odd(msgpack.packb({1: 2}), {1: 2}),
    "nil as key": Odd(msgpack.packb({None: 2}), {None: 2}),
    "a name of no bytes": Odd(msgpack.packb(""), ""),
    "a name of 1 MiB": Odd(msgpack.packb("x" * 2**20), "x" * 2**20),
    "what msgpack-numpy takes for an array, a pickle in it": Odd(
        msgpack.packb({b"nd": True, b"kind": b"O", b"type": "|O8", b"shape": [1], b"data": pickle.dumps(Evil())}),
        {b"nd": True, b"kind": b"O", b"type": "|O8", b"shape": [1], b"data": pickle.dumps(Evil())},
    ),
    "an int of 1024 bytes": Odd(ext(INT, bytes(1023) + b"\1"), 2 ** (8 * 1023)),
    "an array of strings with a NUL": Odd(array(32, (1,), struct.pack("<4I", 3, 97, 0, 98)), np.array(["a\0b"])),
    "an array of no dimension": Odd(array(11, (), bytes(8)), np.array(0.0)),
}


class Undue(NamedTuple):
    """A message that is not due, or not from who may say it."""

    body: bytes
    env: str
    """Of the env's end, which runs a run and has answered step 1: the reason that it counts. It answers with an error
    if that is an error's code, and is silent otherwise."""
    agent: str
    """Of the agent's end, which waits for step 2: the reason that it counts. It raises for ``illegal``, and is
    silent otherwise."""


def _said(message: Any, env: str, agent: str) -> Undue:
    return Undue(encode(message), env, agent)


_FINE: dict[str, Any] = {"reward": 0.0, "terminated": False, "truncated": False, "info": {}, "observation": b""}
STRANGERS = {
    "an act in another episode": _said(Act(OTHER, 2, AGENT, 1), "another episode", "another episode"),
    "a percept in another episode": _said(Percept(OTHER, 2, WORKER, **_FINE), "another episode", "another episode"),
    "an act of another incarnation": _said(Act(EPISODE, 2, STRANGER, 1), "another incarnation", "illegal"),
    "a percept of another incarnation": _said(
        Percept(EPISODE, 2, STRANGER, **_FINE), "another incarnation", "another incarnation"
    ),
    "a make once more": _said(Make(EPISODE, OUTSIDE, AGENT, "E", [1]), "illegal", "illegal"),
    "a make of another incarnation": _said(
        Make(EPISODE, OUTSIDE, STRANGER, "E", [1]), "another incarnation", "illegal"
    ),
    "a resume of a stranger": _said(
        Resume(EPISODE, 1, STRANGER, OTHER[:16]), "another incarnation", "another incarnation"
    ),
    "an agent's percept": _said(Percept(EPISODE, 2, AGENT, **_FINE), "illegal", "another incarnation"),
    "an agent's status": _said(Status(EPISODE, OUTSIDE, AGENT, {}), "illegal", ""),
    "an agent's error": _said(Error(EPISODE, 2, AGENT, "x", "", "env", False, True), "illegal", "another incarnation"),
    "an env's act": _said(Act(EPISODE, 2, WORKER, 1), "another incarnation", "illegal"),
    "an env's reset": _said(Reset(EPISODE, 2, WORKER), "another incarnation", "illegal"),
    "an act of step -1": _said(Act(EPISODE, -1, AGENT, 1), "step_stale", "illegal"),
    "an act of a step long ago": _said(Act(EPISODE, 0, AGENT, 1), "step_stale", "illegal"),
    "an act of the last step with another body": _said(Act(EPISODE, 1, AGENT, 2), "step_conflict", "illegal"),
    "an act too far": _said(Act(EPISODE, 3, AGENT, 1), "step_gap", "illegal"),
    "an act of step 2^63-1": _said(Act(EPISODE, 2**63 - 1, AGENT, 1), "step_gap", "illegal"),
    "a render too far": _said(Render(EPISODE, 9, AGENT), "step_gap", "illegal"),
    "a call too far": _said(Call(EPISODE, 9, AGENT, "x", [], {}), "step_gap", "illegal"),
    "a percept of a step long ago": _said(Percept(EPISODE, 1, WORKER, **_FINE), "another incarnation", "an older step"),
    "a percept of a step to come": _said(Percept(EPISODE, 3, WORKER, **_FINE), "another incarnation", "illegal"),
    "a frame for an act": _said(Frame(EPISODE, 2, WORKER, None), "another incarnation", "illegal"),
    "a result for an act": _said(Result(EPISODE, 2, WORKER, None), "another incarnation", "illegal"),
    "a closed for an act": _said(Closed(EPISODE, 2, WORKER), "another incarnation", "illegal"),
    "an accepted for an act": _said(Accepted(EPISODE, OUTSIDE, WORKER, 1.0), "another incarnation", "nothing new"),
    "a status for an act": _said(Status(EPISODE, OUTSIDE, WORKER, {}), "another incarnation", "nothing new"),
    "an error of a step long ago": _said(
        Error(EPISODE, 1, WORKER, "x", "", "env", False, False), "another incarnation", "an older step"
    ),
    "an error of a step to come": _said(
        Error(EPISODE, 9, WORKER, "x", "", "env", False, False), "another incarnation", "illegal"
    ),
    "a working of a stranger": _said(Working(EPISODE, 2, STRANGER, 1.0), "another incarnation", "another incarnation"),
    "a probe of a stranger": _said(Probe(EPISODE, 2, STRANGER), "another incarnation", "another incarnation"),
}  # fmt: skip


class Misfit(NamedTuple):
    """A value that travels and is none of its space."""

    spec: Spec
    wire: Any
    says: str


CART = BoxSpec((4,), "float32", -1.0, 1.0)
PAIR = DictSpec((("arm", BoxSpec((2,), "float64", -1.0, 1.0)), ("grip", DiscreteSpec(2))))
ROW = SequenceSpec(DiscreteSpec(3))
STACK = SequenceSpec(DiscreteSpec(3), stack=True)
NET = GraphSpec(BoxSpec((1,), "float32", 0.0, 1.0), DiscreteSpec(2))
_NAN, _INF, _SEVEN = (np.full(4, value, "<f4").tobytes() for value in (np.nan, np.inf, 7.0))
_TWO, _LINK, _LINK_BACK = (np.array(two, "<i4").tobytes() for two in ([2, 0], [0, 1], [0, -1]))

VALUES = {
    "a Box of 15 bytes": Misfit(CART, bytes(15), "expected"),
    "a Box of 17 bytes": Misfit(CART, bytes(17), "expected"),
    "a Box of no bytes": Misfit(CART, b"", "expected"),
    "a Box of another shape": Misfit(CART, bytes(32), "expected"),
    "a Box as text": Misfit(CART, "x" * 16, "expected"),
    "a Box as numbers": Misfit(CART, [0.0] * 4, "expected"),
    "a Box as an array of its own": Misfit(CART, np.zeros(4, np.float32), "expected"),
    "a Box of nil": Misfit(CART, None, "expected"),
    "a Box of NaN": Misfit(CART, _NAN, "expected"),
    "a Box of inf": Misfit(CART, _INF, "expected"),
    "a Box out of bounds": Misfit(CART, _SEVEN, "expected a number from -1.0 to 1.0, got 7.0"),
    "a bool Box of value 7": Misfit(BoxSpec((2,), "bool", False, True), b"\1\7", "expected"),
    "a Discrete as float": Misfit(DiscreteSpec(3), 1.0, "expected"),
    "a Discrete true": Misfit(DiscreteSpec(3), True, "expected"),
    "a Discrete as bytes": Misfit(DiscreteSpec(3), b"\1", "expected"),
    "a Discrete as text": Misfit(DiscreteSpec(3), "1", "expected"),
    "a Discrete as a numpy scalar": Misfit(DiscreteSpec(3), np.int64(1), "expected"),
    "a Discrete as a list": Misfit(DiscreteSpec(3), [1], "expected"),
    "a Discrete of -1": Misfit(DiscreteSpec(3), -1, "expected an integer from 0 to 2"),
    "a Discrete beyond its end": Misfit(DiscreteSpec(3), 3, "expected an integer from 0 to 2"),
    "a Discrete of 2^64-1": Misfit(DiscreteSpec(3), 2**64 - 1, "expected"),
    "a Discrete of 2^8000": Misfit(DiscreteSpec(3), 2**8000, "expected"),
    "a Discrete of NaN": Misfit(DiscreteSpec(3), float("nan"), "expected"),
    "a MultiBinary of value 2": Misfit(MultiBinarySpec(2), b"\1\2", "expected"),
    "a MultiDiscrete beyond its end": Misfit(MultiDiscreteSpec(np.array([2, 3]), 0, "int32"), _TWO, "expected"),
    "a Text of other characters": Misfit(TextSpec(1, 4, "ab"), "abc", "expected"),
    "a Text of too many": Misfit(TextSpec(1, 4, "ab"), "ababa", "expected"),
    "a Text of none": Misfit(TextSpec(1, 4, "ab"), "", "expected"),
    "a Text as bytes": Misfit(TextSpec(1, 4, "ab"), b"a", "expected"),
    "a Tuple of too few": Misfit(TupleSpec((DiscreteSpec(3),)), [], "expected"),
    "a Tuple of too many": Misfit(TupleSpec((DiscreteSpec(3),)), [1, 1], "expected"),
    "a Tuple as a tuple": Misfit(TupleSpec((DiscreteSpec(3),)), (1,), "expected"),
    "a Dict as a map": Misfit(PAIR, {"arm": bytes(16), "grip": 1}, "expected"),
    "a Dict of too few": Misfit(PAIR, [bytes(16)], "expected"),
    "a Dict with a wrong part": Misfit(PAIR, [bytes(16), 2], r"action\['grip'\]: expected"),
    "a OneOf of no index": Misfit(OneOfSpec((DiscreteSpec(3),)), [0], "expected"),
    "a OneOf beyond its end": Misfit(OneOfSpec((DiscreteSpec(3),)), [1, 0], "expected"),
    "a OneOf of index -1": Misfit(OneOfSpec((DiscreteSpec(3),)), [-1, 0], "expected"),
    "a OneOf of index true": Misfit(OneOfSpec((DiscreteSpec(3),)), [True, 0], "expected"),
    "a Sequence as bytes": Misfit(ROW, b"\0", "expected"),
    "a Sequence with a wrong item": Misfit(ROW, [0, 1, 3], r"action\[2\]: expected"),
    "a stack of 2^30 and 8 bytes": Misfit(STACK, [2**30, bytes(8)], "expected"),
    "a stack of -1": Misfit(STACK, [-1, b""], "expected"),
    "a stack of 2^62 of nothing": Misfit(
        SequenceSpec(BoxSpec((0,), "float64", 0.0, 1.0), stack=True), [2**62, b""], "expected"
    ),
    "a graph of 2^40 nodes": Misfit(NET, [2**40, b"", 0, None, None], "expected"),
    "a graph of fewer links than edges": Misfit(NET, [1, bytes(4), 2, bytes(16), bytes(8)], "expected"),
    "a graph with a link to nobody": Misfit(NET, [1, bytes(4), 1, bytes(8), _LINK], "expected"),
    "a graph with a link to -1": Misfit(NET, [1, bytes(4), 1, bytes(8), _LINK_BACK], "expected"),
}  # fmt: skip
