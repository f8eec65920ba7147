"""The byte stream of a broker: any frames, in any pieces, into the reader of AMQP frames."""

from __future__ import annotations

import itertools

from broker.amqp import framing
from broker.amqp.framing import BODY, HEAD, HEADER, METHOD, FrameReader, FramingError
from fuzz.choices import Choices
from fuzz.target import SPARE, Finding, Target

_METHODS = (*framing.WITH_CONTENT, b"\0\x0a\0\x32", b"\0\x14\0\x28")
_SIZES = (0, 1, 2, 8, 300, 5000, 2**17, 2**24, 2**24 + 1, 2**29, 2**40, 2**60, 2**64 - 1)
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
    contents: list[tuple[bytes, bytes]] = []
    frames: list[bytes] = []
    reader = FrameReader(lambda channel, method, header, body: contents.append((header, body)), frames.append)
    for part in pieces:
        piece = part
        while piece:
            buffer = reader.buffers()[0]
            taken = min(len(piece), len(buffer))
            buffer[:taken] = piece[:taken]
            piece = piece[taken:]
            reader.advance(taken)
    if any(frame[-1] != 0xCE for frame in frames):
        raise Finding("a frame that does not end")
    return contents


def _are_whole(contents: list[tuple[bytes, bytes]]) -> None:
    for header, body in contents:
        size = int.from_bytes(header[4:12], "big") if header else len(body)
        if len(body) != size and not framing.KEPT < len(body) < size:
            raise Finding(f"a body of {len(body)} bytes, announced with {size}")


def _seeds() -> list[bytes]:
    deliver, body = bytes((0, 0, 0, 3, 1, 2, 3, 0, 0)), bytes((0, 4, 8)) + b"whatever" + bytes(3)
    return [
        cut + deliver + bytes((0, 2, size, 2, 0, 0, 0, 0)) + body * 3
        for cut, size in itertools.product((b"\0\0", b"\0\6", b"\x0f\xff"), range(len(_SIZES)))
    ]


TARGETS = (
    Target(
        "frames", "streams of frames, in any pieces, into the reader of AMQP frames", ("broker.amqp.framing",), 40_000,
        _read, _seeds, named=(FramingError,), prepare=_pieces, check=_are_whole,
        spare=SPARE + CHANNELS * (framing.KEPT + framing.FRAME_MAX),
    ),
)  # fmt: skip
