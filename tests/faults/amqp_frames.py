"""AMQP 0-9-1 as far as a proxy must understand it: a byte stream cut into frames, and frames joined into messages."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
PROTOCOL_HEADER = 8
"""Bytes that a client says before its first frame."""
NAMES = {
    (10, 10): "connection.start", (10, 40): "connection.open", (10, 50): "connection.close",
    (20, 10): "channel.open", (20, 40): "channel.close", (50, 10): "queue.declare", (50, 11): "queue.declare-ok",
    (50, 20): "queue.bind", (60, 20): "basic.consume", (60, 40): "basic.publish", (60, 50): "basic.return",
    (60, 60): "basic.deliver", (60, 80): "basic.ack",
}  # fmt: skip
WITH_CONTENT = ("basic.publish", "basic.return", "basic.deliver")


@dataclass
class Unit:
    """One frame, or the three and more frames of a message: ``name``, where it goes, and its bytes as they came."""

    name: str
    frames: list[bytes] = field(default_factory=list)
    exchange: str = ""
    key: str = ""

    @property
    def data(self) -> bytes:
        """All its bytes."""
        return b"".join(self.frames)

    @property
    def body(self) -> bytes:
        """Of a message: what it carries."""
        return b"".join(frame[7:-1] for frame in self.frames[2:])

    def corrupted(self, at: int) -> bytes:
        """Its bytes, with one changed: ``at`` counts from the begin of its body, or, below 0, from the end of all."""
        changed = bytearray(self.data)
        changed[at if at < 0 else sum(map(len, self.frames[:2])) + 7 + at] ^= 0xFF
        return bytes(changed)


class Pieces:
    """In the place of a ``Cutter`` where the stream is encrypted: each piece that comes is a unit named ``bytes``."""

    def feed(self, data: bytes) -> Iterator[Unit]:
        """One unit."""
        yield Unit("bytes", [data])


class Cutter:
    """Cuts one direction of a connection into units; ``client``: the direction that begins with a protocol header."""

    def __init__(self, *, client: bool) -> None:
        self._buffer = bytearray()
        self._greeting = client
        self._open: dict[int, tuple[Unit, int]] = {}
        """Messages that are not complete yet, by channel, and how many bytes of body they lack; -1: not known yet."""

    def feed(self, data: bytes) -> Iterator[Unit]:
        """All units that end in ``data``, in the order of their ends."""
        self._buffer += data
        if self._greeting and len(self._buffer) >= PROTOCOL_HEADER:
            self._greeting = False
            yield Unit("protocol header", [self._take(PROTOCOL_HEADER)])
        while not self._greeting and len(self._buffer) >= 7:
            kind, channel, size = struct.unpack_from("!BHI", self._buffer)
            if len(self._buffer) < size + 8:
                return
            unit = self._join(kind, channel, self._take(size + 8))
            if unit is not None:
                yield unit

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _join(self, kind: int, channel: int, frame: bytes) -> Unit | None:
        if kind == METHOD:
            unit = _method(frame)
            if unit.name not in WITH_CONTENT:
                return unit
            self._open[channel] = (unit, -1)
            return None
        if kind not in (HEADER, BODY):
            return Unit("heartbeat", [frame])
        unit, left = self._open.pop(channel)
        unit.frames.append(frame)
        left = struct.unpack_from("!Q", frame, 11)[0] if kind == HEADER else left - (len(frame) - 8)
        if left == 0:
            return unit
        self._open[channel] = (unit, left)
        return None


def _method(frame: bytes) -> Unit:
    name = NAMES.get(struct.unpack_from("!HH", frame, 7), "another method")
    unit = Unit(name, [frame])
    if name == "basic.publish":  # a reserved short, exchange, key
        unit.exchange, unit.key = _shortstrs(frame, 13)
    elif name == "basic.deliver":  # consumer tag, delivery tag, redelivered, exchange, key
        unit.exchange, unit.key = _shortstrs(frame, 12 + frame[11] + 9)
    elif name == "basic.return":  # reply code, reply text, exchange, key
        unit.exchange, unit.key = _shortstrs(frame, 14 + frame[13])
    return unit


def _shortstrs(frame: bytes, at: int) -> tuple[str, str]:
    first = frame[at + 1 : at + 1 + frame[at]]
    at += 1 + frame[at]
    return first.decode(), frame[at + 1 : at + 1 + frame[at]].decode()
