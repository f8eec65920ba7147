"""AMQP 0-9-1 frames on the hot path, without I/O and without pika: what is sent is built from prepared pieces, and
deliveries are cut out of the byte stream without an object for each frame. All other frames are handed on untouched.

A frame is: type (1 byte), channel (2), size of the payload (4), payload, 0xCE. A message is a method frame, a header
frame with the size of the body, and as many body frames as it needs.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING

from broker.port import MESSAGE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME_MAX = 131072
"""Largest frame that we agree to, in bytes, as RabbitMQ proposes it."""

FRAME_MIN = 4096
"""No broker may agree to less, says AMQP 0-9-1."""

BODY_MAX = 512 * 1024 * 1024
"""Largest body that a broker may announce, in bytes: RabbitMQ's own upper limit."""

KEPT = MESSAGE_MAX
"""What is kept of a larger body, and a little more: its reader refuses it by its length, as nobody may send so much. It
takes no more memory than a legal one, and its channel goes on."""

IN_PLACE = 16384
"""A body frame of more bytes than this that has not come completely is received straight into its body."""

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
HEAD = struct.Struct(">BHI")
CONTENT_HEAD = struct.Struct(">BHIHHQHB")
DELIVER, RETURN, GOT = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x32", b"\x00\x3c\x00\x47"
WITH_CONTENT = (DELIVER, RETURN, GOT)
CONTENT_AND_BODY_HEAD = struct.Struct(">BHIHHQHBBHI")
BEFORE_BODY = CONTENT_AND_BODY_HEAD.size
TAG = struct.Struct(">Q?")
SIZE = struct.Struct(">I")
SETTLE = struct.Struct(">BHIIQBB")
ACK, REJECT = 60 << 16 | 80, 60 << 16 | 90


NO_END = "a frame that does not end where it should"


class FramingError(Exception):
    """The byte stream is not AMQP 0-9-1."""


def publish_head(channel: int, exchange: str, key: str) -> bytes:
    """The method frame of a mandatory ``basic.publish``. Both names have at most 255 bytes."""
    names = b"".join(bytes((len(name),)) + name for name in (exchange.encode(), key.encode()))
    payload = b"\x00\x3c\x00\x28\x00\x00" + names + b"\x01"
    return HEAD.pack(METHOD, channel, len(payload)) + payload + b"\xce"


def small_content(head: bytes, channel: int, body: bytes, after: bytes) -> bytes:
    """The frames of a message without properties and with a body that fits into one frame, and ``after``."""
    if not body:
        return b"".join((head, CONTENT_HEAD.pack(HEADER, channel, 14, 60, 0, 0, 0, 0xCE), after))
    return b"".join((head, _before_body(channel, len(body)), body, b"\xce", after))


@functools.lru_cache(256)
def _before_body(channel: int, size: int) -> bytes:
    """The header frame of a message without properties, and what stands before its body in the only other frame."""
    return CONTENT_AND_BODY_HEAD.pack(HEADER, channel, 14, 60, 0, size, 0, 0xCE, BODY, channel, size)


def content(head: bytes, channel: int, body: bytes, frame_max: int) -> list[bytes | memoryview]:
    """The frames of a message without properties; the body is not copied if it is large."""
    size, most = len(body), frame_max - 8
    pieces: list[bytes | memoryview] = [head, CONTENT_HEAD.pack(HEADER, channel, 14, 60, 0, size, 0, 0xCE)]
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


class Content:
    """A message that is coming in: ``method`` and ``header`` are payloads; ``view`` is where its body is written."""

    __slots__ = ("body", "header", "method", "position", "size", "view")

    def __init__(self, method: bytes) -> None:
        self.method = method
        self.header = b""
        self.size = -1
        self.position = 0
        self.view: memoryview | None = None
        self.body: bytes = b""

    def room(self) -> memoryview:
        """Where the next bytes of the body go. What is beyond ``KEPT`` is written over: nobody will read it."""
        if self.view is None:
            body = bytearray(min(self.size, KEPT + FRAME_MAX))
            self.body, self.view = body, memoryview(body)
        return self.view[min(self.position, KEPT) :]


class FrameReader:
    """Cuts a byte stream into messages and other frames.

    Receive into ``buffers()``, then tell ``advance`` how many bytes came; in the order of the stream it calls
    ``on_content(channel, method payload, header payload, body)`` and ``on_frame(whole frame)``, and raises
    ``FramingError`` where the stream is none. The header payload may be empty for a message without properties.
    """

    def __init__(
        self, on_content: Callable[[int, bytes, bytes, bytes], None], on_frame: Callable[[bytes], None]
    ) -> None:
        self._on_content, self._on_frame = on_content, on_frame
        self._buffer = bytearray(FRAME_MAX)
        self._view = memoryview(self._buffer)
        self._all = [self._view]
        self._have = 0
        self._contents: dict[int, Content] = {}
        self._large: tuple[int, Content] | None = None
        """Channel and message whose current body frame is received in place."""
        self._left = 0
        """Bytes of that frame that are still to come."""
        self.stopped = False
        """Set it to ignore all that follows."""

    @property
    def in_place(self) -> bool:
        """Whether what comes next belongs to a long body, and is received straight into it."""
        return self._large is not None

    def release(self) -> None:
        """Nothing will be received any more: give the buffer back."""
        self._buffer, self._view, self._all, self._large = bytearray(), memoryview(b""), [], None
        self._contents.clear()

    def buffers(self) -> list[memoryview]:
        """Where to receive into, in this order; none is empty."""
        if self._large is None:
            return [self._view[self._have :]] if self._have else self._all
        message = self._large[1]
        more = message.position + self._left < message.size
        # With the end of this frame we want the head of the next one, but not its payload: that goes in place too.
        after = self._view[: 8 if more else FRAME_MAX]
        return [message.room()[: self._left], after] if self._left else [after]

    def advance(self, count: int) -> None:
        """``count`` bytes were received into ``buffers()``."""
        if self._large is not None:
            taken = min(count, self._left)
            self._left -= taken
            self._large[1].position += taken
            self._have = count - taken
            if not self._have:
                return
            channel, message = self._large
            self._large = None
            if self._buffer[0] != 0xCE:
                raise FramingError(NO_END)
            self._grown(channel, message)
            self._cut(1)
        else:
            self._have += count
            self._cut(0)

    def _cut(self, at: int) -> None:
        """Take all whole frames out of the buffer. One loop and few calls: it is run for every message."""
        buffer, view, have, contents = self._buffer, self._view, self._have, self._contents
        while have - at >= 7 and not self.stopped:
            kind, channel, size = HEAD.unpack_from(buffer, at)
            start, stop = at + 7, at + size + 8
            if stop > have:
                self._check_head(kind, channel, size, at)
                if kind == BODY and size > IN_PLACE and channel in contents:
                    self._go_in_place(channel, size, start)
                    return
                break
            if buffer[stop - 1] != 0xCE:
                raise FramingError(NO_END)
            if kind == METHOD and buffer.startswith(WITH_CONTENT, start):
                at = self._take_method(channel, start, stop)
                continue
            message = contents.get(channel)
            if kind == BODY and message is not None:
                if size == message.size and not message.position:
                    del contents[channel]
                    self._on_content(channel, message.method, message.header, bytes(view[start : stop - 1]))
                else:
                    self._take_body(channel, message, start, stop - 1)
            elif kind == HEADER and message is not None:
                self._take_header(channel, message, bytes(view[start : stop - 1]))
            else:
                self._check_head(kind, channel, size, at)
                self._on_frame(bytes(view[at:stop]))
            at = stop
        if at == have:
            self._have = 0
        else:
            self._keep(at)

    def _take_method(self, channel: int, start: int, stop: int) -> int:
        """The method frame of a message. How far that is cut: all of the message, if it is small, as nearly always.

        Small is one without properties and with one body frame, that is all here.
        """
        method, body = bytes(self._view[start : stop - 1]), stop + BEFORE_BODY
        if self._have > body and channel not in self._contents:
            (size,) = SIZE.unpack_from(self._buffer, body - SIZE.size)
            end: int = body + size + 1
            whole = size > 0 and end <= self._have and self._buffer[end - 1] == 0xCE
            if whole and self._buffer.startswith(_before_body(channel, size), stop):
                self._on_content(channel, method, b"", bytes(self._view[body : end - 1]))
                return end
        self._contents[channel] = Content(method)
        return stop

    def _keep(self, at: int) -> None:
        """Move what is not cut yet to the front."""
        rest = self._have - at
        if at and rest > 0:
            self._view[:rest] = self._view[at : self._have]
        self._have = max(rest, 0)

    def _take_header(self, channel: int, message: Content, header: bytes) -> None:
        if message.header:
            raise FramingError(f"a second header of one message on channel {channel}")
        message.header, message.size = header, int.from_bytes(header[4:12], "big")
        if message.size > BODY_MAX:
            raise FramingError(f"a body of {message.size} bytes; at most {BODY_MAX} are accepted")
        if not message.size:
            self._grown(channel, message)

    def _take_body(self, channel: int, message: Content, start: int, stop: int) -> None:
        self._check_room(message, stop - start)
        message.room()[: stop - start] = self._view[start:stop]
        message.position += stop - start
        self._grown(channel, message)

    def _go_in_place(self, channel: int, size: int, start: int) -> None:
        message = self._contents[channel]
        self._check_room(message, size)
        here = self._have - start
        message.room()[:here] = self._view[start : self._have]
        message.position += here
        self._large, self._left, self._have = (channel, message), size - here, 0

    def _grown(self, channel: int, message: Content) -> None:
        if message.position == message.size:
            del self._contents[channel]
            self._on_content(channel, message.method, message.header, message.body)

    def _check_room(self, message: Content, size: int) -> None:
        if message.position + size > message.size:
            raise FramingError("a body that is longer than its header says")

    def _check_head(self, kind: int, channel: int, size: int, at: int) -> None:
        if self._buffer.startswith(b"AMQP", at):
            raise FramingError("it speaks another version of AMQP than 0-9-1")
        if kind in (HEADER, BODY) and channel not in self._contents:
            raise FramingError(f"a piece of a message on channel {channel} where none has begun")
        if kind not in (METHOD, HEADER, BODY, HEARTBEAT) or size + 8 > FRAME_MAX:
            raise FramingError(f"a frame of type {kind} and {size} bytes on channel {channel}; this is not AMQP 0-9-1")
