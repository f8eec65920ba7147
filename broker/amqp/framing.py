"""AMQP 0-9-1 frames on the hot path, without I/O and without pika: built from prepared pieces, and read in part.

Who cuts them out of the stream: ``broker.amqp.reader``.

A frame is: type (1 byte), channel (2), size of the payload (4), payload, 0xCE. A message is a method frame, a header
frame with the size of the body, and as many body frames as it needs.
"""

from __future__ import annotations

import functools
import struct

FRAME_MAX = 131072
"""Largest frame that we agree to, in bytes, as RabbitMQ proposes it."""

FRAME_MIN = 4096
"""No broker may agree to less, says AMQP 0-9-1."""

BODY_MAX = 512 * 1024 * 1024
"""Largest body that a broker may announce, in bytes: RabbitMQ's own upper limit."""

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
HEAD = struct.Struct(">BHI")
CONTENT_HEAD = struct.Struct(">BHIHHQHB")
DELIVER, RETURN, GOT = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x32", b"\x00\x3c\x00\x47"
WITH_CONTENT = (DELIVER, RETURN, GOT)
NEXT = struct.Struct(">BBHI")
"""The end of a frame and the head of the next one."""
NO_PROPERTIES = b"\0\0"
"""The header of a message without properties, from its 13th byte on: behind class, weight and size."""
TAG = struct.Struct(">Q?")
TAG_SIZE = 8
"""Characters of every consumer tag of ours."""
PREFIX = 7 + 4 + 1 + TAG_SIZE
"""Bytes of a delivery up to its delivery tag: the head of its frame, class and method, the consumer tag."""
SETTLE = struct.Struct(">BHIIQBB")
ACK, REJECT = 60 << 16 | 80, 60 << 16 | 90


class FramingError(Exception):
    """The byte stream is not AMQP 0-9-1."""


def publish_head(channel: int, exchange: str, key: str) -> bytes:
    """The method frame of a mandatory ``basic.publish``. Both names have at most 255 bytes."""
    names = b"".join(bytes((len(name),)) + name for name in (exchange.encode(), key.encode()))
    payload = b"\x00\x3c\x00\x28\x00\x00" + names + b"\x01"
    return HEAD.pack(METHOD, channel, len(payload)) + payload + b"\xce"


def content_head(channel: int, size: int) -> bytes:
    """The header frame of a message without properties."""
    return CONTENT_HEAD.pack(HEADER, channel, 14, 60, 0, size, 0, 0xCE)


@functools.lru_cache(256)
def before_body(channel: int, size: int) -> bytes:
    """The header frame of a message without properties, and what stands before its body in the only other frame."""
    return content_head(channel, size) + HEAD.pack(BODY, channel, size)


def content(head: bytes, channel: int, body: bytes, frame_max: int) -> list[bytes | memoryview]:
    """The frames of a message without properties; the body is not copied if it is large."""
    size, most = len(body), frame_max - 8
    pieces: list[bytes | memoryview] = [head, content_head(channel, size)]
    if size <= most:
        if size:
            pieces += (HEAD.pack(BODY, channel, size), body, b"\xce")
        return pieces
    view = memoryview(body)
    for start in range(0, size, most):
        piece = view[start : start + most]
        pieces += (HEAD.pack(BODY, channel, len(piece)), piece, b"\xce")
    return pieces


def ack(channel: int, tag: int, *, up_to: bool = False) -> bytes:
    """A ``basic.ack`` of one message, or of all unsettled ones ``up_to`` it."""
    return SETTLE.pack(METHOD, channel, 13, ACK, tag, up_to, 0xCE)


def requeue(channel: int, tag: int) -> bytes:
    """A ``basic.reject`` of one message that gives it back to its queue."""
    return SETTLE.pack(METHOD, channel, 13, REJECT, tag, 1, 0xCE)


def delivery(method: bytes) -> tuple[str, int, bool]:
    """Consumer tag, delivery tag and redelivered flag of a ``basic.deliver``."""
    end = 5 + method[4]
    return method[5:end].decode(), *TAG.unpack_from(method, end)


def got(method: bytes) -> int:
    """Delivery tag of a ``basic.get-ok``."""
    return int.from_bytes(method[4:12], "big")


def routing_key(method: bytes) -> str:
    """Routing key of a ``basic.deliver`` or ``basic.return``; the last of its fields."""
    at = 5 + method[4] + 9 if method.startswith(DELIVER) else 7 + method[6]
    at += 1 + method[at]  # the name of the exchange
    return method[at + 1 : at + 1 + method[at]].decode(errors="replace")
