"""Messages between a stepper and the child process of an env: a length of four bytes, then so many bytes.

Nothing here is ever unpickled: what a child says is bytes, to be read by ``protocol.codec``.
"""

from __future__ import annotations

import select
import socket
import struct
import time

from protocol.limits import DEFAULT_LIMITS

_LENGTH = struct.Struct("<I")

CHUNK = 2**16
"""Bytes that are read at once where nothing longer is expected."""


LOOK_S = 60.0
"""How often who writes without a deadline looks around."""


class Garbled(Exception):
    """The other end says what is no message."""


class Pipe:
    """One end of a stream socket. Raises ``OSError`` where the other end is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._held = bytearray()
        """What came with the last message, of the next."""
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        self._room = select.poll()
        self._room.register(sock.fileno(), select.POLLOUT)

    def send(self, body: bytes, deadline: float = float("inf")) -> None:
        """Write one message. Raises ``TimeoutError`` if not all of it is taken by then: what was is no message."""
        head = _LENGTH.pack(len(body))
        if len(body) < CHUNK:
            self._write(head + body, deadline)
        else:
            self._write(head, deadline)
            self._write(body, deadline)

    def _write(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[self.sock.send(left, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                wait_s = deadline - time.monotonic()
                if wait_s <= 0:
                    raise TimeoutError from None
                self._room.poll(min(wait_s, LOOK_S) * 1000)

    def receive(self, deadline: float | None = None) -> bytes | None:
        """The next message; None: the other end is closed. Raises ``Garbled`` and ``TimeoutError``.

        A time-out in the middle of a message loses nothing: call it again.
        """
        held = self._held
        while len(held) < 4 or len(held) < 4 + self._length():
            if deadline is not None and not self._poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
                raise TimeoutError
            missing = 4 + self._length() - len(held) if len(held) >= 4 else 0
            data = self.sock.recv(max(CHUNK, min(missing, 2**20)))
            if not data:
                return None
            held += data
        end = 4 + self._length()
        body = bytes(memoryview(held)[4:end])
        del held[:end]
        return body

    def _length(self) -> int:
        (length,) = _LENGTH.unpack_from(self._held)
        if length > DEFAULT_LIMITS.body_bytes:
            raise Garbled(f"a message of {length} bytes, at most {DEFAULT_LIMITS.body_bytes} are legal")
        return int(length)

    def close(self) -> None:
        """Close this end; safe to call twice."""
        self.sock.close()
