"""The byte stream of a broker: any frames, in any pieces, into the reader of AMQP frames."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from broker.amqp import framing
from broker.amqp.framing import BODY, HEAD, HEADER, METHOD, FramingError
from broker.amqp.reader import KEPT, FrameReader
from broker.amqp.route import Route
from fuzz.choices import Choices
from fuzz.target import SPARE, Finding, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

_METHODS = (*framing.WITH_CONTENT, b"\0\x0a\0\x32", b"\0\x14\0\x28")
_SIZES = (0, 1, 2, 8, 300, 5000, 2**17, 2**24, 2**24 + 1, 2**29, 2**40, 2**60, 2**64 - 1)
_DELIVER = b"\0\x3c\0\x3c\x0800000001" + bytes(9) + b"\1e\1k"
_ENDS = (b"\xce", b"\xce", b"\xce", b"\0", b"")
CHANNELS = 3


def _pieces(data: bytes) -> list[bytes]:
    """A stream, cut where the socket might cut it."""
    choices = Choices(data)
    stream: list[bytes] = []
    cut = 1 + choices.word() % 5000
    while choices and len(stream) < 40:
        channel, what = choices.byte() % CHANNELS, choices.byte() % 8
        if what < 2:
            stream.append(_frame(METHOD, channel, choices.one(_METHODS) + choices.piece(), choices))
        elif what < 4:
            size = choices.one(_SIZES).to_bytes(8, "big")
            stream.append(_frame(HEADER, channel, b"\0\x3c\0\0" + size + choices.piece(), choices))
        elif what < 6:
            stream.append(_frame(BODY, channel, choices.piece() * (1 + choices.byte() % 64), choices))
        elif what == 6 and choices.byte() % 2:
            deliver = _DELIVER[:13] + (choices.take(9) + bytes(9))[:9] + _DELIVER[22:]
            body = choices.piece()
            stream.append(_frame(METHOD, channel, deliver, choices))
            stream.append(_frame(HEADER, channel, b"\0\x3c\0\0" + len(body).to_bytes(8, "big") + b"\0\0", choices))
            stream.append(_frame(BODY, channel, body, choices))
        elif what == 6:
            stream.append(_frame(choices.byte(), channel, choices.piece(), choices))
        else:
            stream.append(choices.piece())
    whole = b"".join(stream)
    return [whole[at : at + cut] for at in range(0, len(whole), cut)]


def _frame(kind: int, channel: int, payload: bytes, choices: Choices) -> bytes:
    size = choices.word() if choices.byte() % 16 == 15 else len(payload)
    return HEAD.pack(kind, channel, size) + payload + choices.one(_ENDS)


def _read(pieces: list[bytes]) -> list[tuple[bytes, bytes]]:
    contents, refusal = _cut(pieces, ())
    routed, refused = _cut(pieces, range(CHANNELS))
    if str(refusal) != str(refused) or [body for _, body in contents] != [body for _, body in routed]:
        raise Finding(f"by a route it is another stream: {refused}, without {refusal}")
    if refusal is not None:
        raise refusal
    return contents


def _cut(pieces: list[bytes], channels: Sequence[int]) -> tuple[list[tuple[bytes, bytes]], FramingError | None]:
    """What messages the stream holds, and why it ends early, if it does. ``channels``: those that have a route."""
    contents: list[tuple[bytes, bytes]] = []
    frames: list[bytes] = []
    reader = FrameReader(lambda channel, method, header, body: contents.append((header, body)), frames.append)
    for channel in channels:
        route = Route(channel, _DELIVER, lambda tag, redelivered, body: contents.append((b"", body)))
        reader.routes[route.prefix] = route
    try:
        for piece in pieces:
            _feed(reader, piece)
    except FramingError as error:
        return contents, error
    if any(frame[-1] != 0xCE for frame in frames):
        raise Finding("a frame that does not end")
    return contents, None


def _feed(reader: FrameReader, piece: bytes) -> None:
    while piece:
        buffer = reader.buffers()[0]
        taken = min(len(piece), len(buffer))
        buffer[:taken] = piece[:taken]
        piece = piece[taken:]
        reader.advance(taken)


def _are_whole(contents: list[tuple[bytes, bytes]]) -> None:
    for header, body in contents:
        size = int.from_bytes(header[4:12], "big") if header else len(body)
        if len(body) != size and not KEPT < len(body) < size:
            raise Finding(f"a body of {len(body)} bytes, announced with {size}")


def _seeds() -> list[bytes]:
    deliver, body = bytes((0, 0, 0, 3, 1, 2, 3, 0, 0)), bytes((0, 4, 8)) + b"whatever" + bytes(3)
    routed = bytes((1, 6, 1)) + bytes(9) + bytes((3, 1, 2, 3)) + bytes(6)
    return [b"\x0f\xff" + routed * 2] + [
        cut + deliver + bytes((0, 2, size, 2, 0, 0, 0, 0)) + body * 3
        for cut, size in itertools.product((b"\0\0", b"\0\6", b"\x0f\xff"), range(len(_SIZES)))
    ]


TARGETS = (
    Target(
        "frames", "streams of frames, in any pieces, into the reader of AMQP frames", ("broker.amqp.reader",), 40_000,
        _read, _seeds, named=(FramingError,), prepare=_pieces, check=_are_whole,
        spare=SPARE + CHANNELS * (KEPT + framing.FRAME_MAX),
    ),
)  # fmt: skip
