"""Cuts what comes in over AMQP 0-9-1 into messages and other frames, without an object for each frame. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.amqp.framing import (
    BODY,
    BODY_MAX,
    FRAME_MAX,
    HEAD,
    HEADER,
    HEARTBEAT,
    METHOD,
    NEXT,
    PREFIX,
    WITH_CONTENT,
    FramingError,
)
from broker.port import MESSAGE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.amqp.route import Route

KEPT = MESSAGE_MAX
"""What is kept of a larger body, and a little more: its reader refuses it by its length, as nobody may send so much. It
takes no more memory than a legal one, and its channel goes on."""

IN_PLACE = 16384
"""A body frame of more bytes than this that has not come completely is received straight into its body."""

NO_END = "a frame that does not end where it should"


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
    ``FramingError`` where the stream is none. Small deliveries that come by one of ``routes`` go where that says.
    """

    def __init__(
        self, on_content: Callable[[int, bytes, bytes, bytes], None], on_frame: Callable[[bytes], None]
    ) -> None:
        self._on_content, self._on_frame = on_content, on_frame
        self.routes: dict[bytes, Route] = {}
        """By the prefix of each."""
        self._buffer = bytearray(FRAME_MAX)
        self._view = memoryview(self._buffer)
        self._all = [self._view]
        self._have = 0
        self._contents: dict[int, Content] = {}
        self.large: tuple[int, Content] | None = None
        """Channel and message whose current body frame is received in place."""
        self._left = 0
        """Bytes of that frame that are still to come."""
        self.stopped = False
        """Set it to ignore all that follows."""

    def release(self) -> None:
        """Nothing will be received any more: give the buffer back, and let go of who was to be called."""
        self._on_content, self._on_frame = lambda *_: None, lambda _: None
        self._buffer, self._view, self._all, self.large = bytearray(), memoryview(b""), [], None
        self._contents.clear()
        self.routes.clear()

    def buffers(self) -> list[memoryview]:
        """Where to receive into, in this order; none is empty."""
        if self.large is None:
            return [self._view[self._have :]] if self._have else self._all
        message = self.large[1]
        more = message.position + self._left < message.size
        # With the end of this frame we want the head of the next one, but not its payload: that goes in place too.
        after = self._view[: 8 if more else FRAME_MAX]
        return [message.room()[: self._left], after] if self._left else [after]

    def advance(self, count: int) -> None:
        """``count`` bytes were received into ``buffers()``."""
        if self.large is not None:
            taken = min(count, self._left)
            self._left -= taken
            self.large[1].position += taken
            self._have = count - taken
            if not self._have:
                return
            channel, message = self.large
            if self._have == NEXT.size:  # as nearly always: the head of the next frame of the same body, and no more
                end, kind, number, size = NEXT.unpack_from(self._buffer)
                most = min(message.size - message.position, FRAME_MAX - 8)
                if end == 0xCE and kind == BODY and number == channel and IN_PLACE < size <= most:
                    self._left, self._have = size, 0
                    return
            self.large = None
            if self._buffer[0] != 0xCE:
                raise FramingError(NO_END)
            self._grown(channel, message)
            self._cut(1)
        else:
            self._have += count
            self._cut(0)

    def _cut(self, at: int) -> None:
        """Take all whole frames out of the buffer. One loop and few calls: it is run for every message."""
        buffer, view, have, contents, routes = self._buffer, self._view, self._have, self._contents, self.routes
        while have - at >= 7 and not self.stopped:
            route = routes.get(bytes(view[at : at + PREFIX]))
            end = 0 if route is None else self._take_delivery(route, at)
            if end:
                at = end
                continue
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
                contents[channel] = Content(bytes(view[start : stop - 1]))
            elif kind == BODY and channel in contents:
                self._take_body(channel, contents[channel], start, stop - 1)
            elif kind == HEADER and channel in contents:
                self._take_header(channel, contents[channel], bytes(view[start : stop - 1]))
            else:
                self._check_head(kind, channel, size, at)
                self._on_frame(bytes(view[at:stop]))
            at = stop
        if at == have:
            self._have = 0
        else:
            self._keep(at)

    def _take_delivery(self, route: Route, at: int) -> int:
        """A whole delivery that begins at ``at``. Where it ends; 0: it is of another kind, or not all here."""
        start = at + route.length
        if start >= self._have or self._contents:
            return 0
        tag, again, rest, size, after, here = route.unpack(self._buffer, at + PREFIX)
        stop: int = start + here
        if stop >= self._have or rest != route.rest or after != route.after or size != here or not here:
            return 0
        if self._buffer[stop] != 0xCE:
            raise FramingError(NO_END)
        route.deliver(tag, again, bytes(self._view[start:stop]))
        return stop + 1

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
        if not message.position and stop - start == message.size:  # there is no more of it: nothing to gather
            message.body, message.position = bytes(self._view[start:stop]), message.size
            self._grown(channel, message)
            return
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
        self.large, self._left, self._have = (channel, message), size - here, 0

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
