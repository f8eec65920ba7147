"""Messages as strangers would write them: right ones, and right ones in which something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from protocol.codec import encode
from protocol.data import INT, TUPLE
from protocol.messages import OUTSIDE
from protocol.tail import LONG
from tests.protocol.examples import AGENT, EPISODE, EXAMPLES, WORKER

if TYPE_CHECKING:
    from fuzz.choices import Choices

STRANGER = "cccccccccccccccc"
INCARNATIONS = (AGENT, WORKER, STRANGER)
EPISODES = (EPISODE, EPISODE, EPISODE, "f" * 32)
STEP_IDS = (0, 1, 2, 3, 4, 5, OUTSIDE, 2**63 - 1)


def packed(value: Any) -> bytes:
    """One msgpack object."""
    return bytes(msgpack.packb(value, strict_types=True))


BODIES = {name: encode(message) for name, message in EXAMPLES.items()}
FIELDS = {name: [packed(field) for field in msgpack.unpackb(body)] for name, body in BODIES.items()}
"""The fields of each example, each packed."""

ODD: tuple[bytes, ...] = tuple(
    map(packed, (
        None, True, False, 0, 1, -1, 2, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, -1.0, 1.0, 1e300,
        float("nan"), float("inf"), "", "x" * 300, "act", "status", EPISODE, AGENT, WORKER, STRANGER, b"", bytes(8),
        bytes(300), [], [1], [1] * 20, [None], [[]], {}, {1: 2}, {"a": 1}, {"a": {"b": [1]}}, {"render_modes": 5},
        msgpack.ExtType(INT, (2**8000).to_bytes(1010, "little", signed=True)), msgpack.ExtType(INT, b"\1"),
        msgpack.ExtType(TUPLE, b""), [msgpack.ExtType(TUPLE, b""), 1], msgpack.Timestamp(1), msgpack.ExtType(99, b""),
    ))
)  # fmt: skip
ODD += (BODIES["percept_info"][1:], BODIES["percept_info"][50:], b"\xc1", b"\xca\0\0\0\0", b"\xd9\1a", b"\xdc\0\1\1")


def with_something_wrong(choices: Choices) -> bytes:
    """An example, with up to four of its fields changed, dropped or doubled, and maybe a few of its bytes."""
    fields = list(choices.one(tuple(FIELDS.values())))
    for _ in range(choices.byte() % 5):
        at, what = choices.byte() % (len(fields) + 1), choices.byte() % 8
        if what == 0:
            del fields[at : at + 1]
        elif what == 1:
            fields.insert(at, choices.one(ODD))
        elif what < 6:
            fields[at : at + 1] = [choices.one(ODD)]
        else:
            fields[at : at + 1] = [choices.piece()]
    return damaged(packed_array(fields), choices)


ENDS = packed(bytes(3))
PERCEPT = b"\x9a" + b"".join(map(packed, (1, "percept", EPISODE, 7, WORKER)))
PLAIN = (
    (PERCEPT, packed(1.5), packed(False), packed(True), b"\x80"),
    (PERCEPT, ENDS, ENDS, ENDS, b"\x80", b"\x92\3"),
    (b"\x96" + b"".join(map(packed, (1, "act", EPISODE, 1, AGENT))), b"\x92\3"),
)
"""What ``protocol.plain`` knows, up to its last bytes; in pieces."""
OF_PLAIN = tuple({piece: None for pieces in PLAIN for piece in pieces})
LONG_END = b"\xc6" + LONG.to_bytes(4, "big") + bytes(LONG)


def plain_but_for(choices: Choices) -> bytes:
    """A plain message in which up to three pieces are missing, more, or others; most of them end in long bytes."""
    pieces = list(choices.one(PLAIN))
    for _ in range(choices.byte() % 4):
        at, what = choices.byte() % (len(pieces) + 1), choices.byte() % 8
        if what < 3:
            del pieces[at : at + 1 + what]
        elif what < 5:
            pieces.insert(at, choices.one(OF_PLAIN))
        else:
            pieces[at : at + 1] = [choices.piece()]
    return damaged(b"".join(pieces), choices) + choices.one((LONG_END, LONG_END, LONG_END, ENDS, b"\1", b""))


def packed_array(items: list[bytes]) -> bytes:
    """An array of objects that are packed already."""
    return b"\xdc" + len(items).to_bytes(2, "big") + b"".join(items)


def damaged(body: bytes, choices: Choices) -> bytes:
    """``body``, cut or with other bytes in it, once in a while."""
    what = choices.byte() % 8
    if what == 1:
        return body[: choices.word() % (len(body) + 1)]
    if what == 2 and body:
        found = bytearray(body)
        for _ in range(1 + choices.byte() % 3):
            found[choices.word() % len(found)] = choices.byte()
        return bytes(found)
    return body


def addressed(choices: Choices, names: tuple[str, ...]) -> bytes:
    """An example of one of ``names``, from anybody, in any episode, of any step."""
    fields = list(FIELDS[choices.one(names)])
    fields[2] = packed(choices.one(EPISODES))
    fields[3] = packed(choices.one(STEP_IDS))
    fields[4] = packed(choices.one(INCARNATIONS))
    if choices.byte() % 4 == 1 and len(fields) > 5:
        fields[5 + choices.byte() % (len(fields) - 5)] = choices.one(ODD)
    return damaged(packed_array(fields), choices)


def greedy(choices: Choices) -> bytes:
    """A long message of a short text: one object again and again, in arrays as long as can be, or maps of many keys."""
    unit, count, twice = choices.piece(), choices.word() % (2**14 + 2), choices.byte()
    if twice % 4 == 3:
        count, times = count % 5000, choices.one((1, 2**61 - 1))
        keys = b"".join(packed(number * times % 2**64) + b"\xc0" for number in range(count))
        return b"\xde" + count.to_bytes(2, "big") + keys
    once = b"\xdc" + count.to_bytes(2, "big") + unit * count
    return packed_array([once] * (1 + twice % 3)) if len(once) < 2**22 else once


def greedy_seeds() -> list[bytes]:
    """The worst that is known of each kind."""
    scalar, array = packed(msgpack.ExtType(3, b"\1\7")), packed(msgpack.ExtType(4, b"\5\1\1\0\0\0\7"))
    complex_scalar = packed(msgpack.ExtType(3, b"\x0d" + np.complex128(1 + 2j).tobytes()))
    strings = packed(msgpack.ExtType(4, b"\x20\1\1\0\0\0\1\0\0\0" + bytes(4)))
    units = (b"\x90", b"\x80", b"\x81\1\1", b"\x91\xc7\0\1", b"\xce\xff\xff\xff\xff", b"\xa2ab", b"\xa2\xc4\x81")
    found = []
    for unit in (*units, scalar, array, complex_scalar, strings, packed(msgpack.ExtType(6, b"x"))):
        for count in (100, 5000, 16_000):
            found += [bytes((len(unit),)) + unit + count.to_bytes(2, "big") + bytes((twice,)) for twice in (0, 1, 3)]
    return found
