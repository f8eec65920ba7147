"""One non-blocking TCP or TLS socket to a broker: opening it, writing to it with an ordered backlog, reading from it.

No locks in here: whoever reads or writes holds the connection's lock; only ``poll`` is called without it.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from broker.errors import BrokerUnreachable, BrokerUntrusted, InvalidBrokerUrl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.amqp.reader import FrameReader
    from broker.url import BrokerUrl, TlsOptions

ATTEMPT_S = 10.0
"""Longest time for one attempt to open a connection, TLS and AMQP handshake included."""

PIECES = 256
"""Most pieces in one ``sendmsg``; Linux takes 1024."""

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wire:
    """An open socket. ``backlog`` is what the operating system has not taken yet; it goes out in order."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self.backlog: deque[bytes | memoryview] = deque()
        self.progress = time.monotonic()
        """When the operating system last took something of a backlog, or a backlog began."""
        self.fd = sock.fileno()

    def write(self, data: bytes) -> None:
        """Send; what the operating system does not take now joins the backlog. Raises ``OSError``."""
        if self.backlog:
            self.backlog.append(data)
            self.flush()
            return
        try:
            sent = self._socket.send(data)
        except WOULD_BLOCK:
            sent = 0
        if sent != len(data):
            self.progress = time.monotonic()
            self.backlog.append(memoryview(data)[sent:] if sent else data)

    def write_pieces(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Send without joining them: for large bodies."""
        if not self.backlog:
            self.progress = time.monotonic()
        self.backlog.extend(pieces)
        self.flush()

    def flush(self) -> None:
        """Send of the backlog what the operating system takes now. Raises ``OSError``."""
        backlog = self.backlog
        while backlog:
            try:
                # a TLS socket has no sendmsg, and wants the same bytes again after it would have blocked
                sent = self._socket.send(backlog[0]) if self._tls else self._socket.sendmsg(islice(backlog, PIECES))
            except WOULD_BLOCK:
                return
            self.progress = time.monotonic()
            while backlog and sent >= len(backlog[0]):
                sent -= len(backlog.popleft())
            if sent:
                backlog[0] = memoryview(backlog[0])[sent:]

    def receive(self, reader: FrameReader) -> int:
        """Read what is there into ``reader``; how many bytes it was. Raises ``OSError``, at the end ``EOFError``."""
        total = 0
        while True:
            buffers = reader.buffers()
            try:
                if self._tls or len(buffers) == 1:
                    count = self._socket.recv_into(buffers[0])
                else:
                    count = self._socket.recvmsg_into(buffers)[0]
            except WOULD_BLOCK:
                return total
            if not count:
                raise EOFError("it closed the connection without a word")
            total += count
            reader.advance(count)
            # The rest of a long body may be there already; TLS may have decrypted more than a poll would tell.
            if reader.large is None and not self._tls:
                return total

    def shut_down(self) -> None:
        """End the stream both ways, which wakes whoever polls. The descriptor stays until ``close``."""
        self.backlog.clear()
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return  # the peer was faster

    def close(self) -> None:
        """Give the descriptor back. Nothing is sent."""
        self._socket.close()


def open_wire(url: BrokerUrl, deadline: float) -> Wire:
    """Connect. Raises ``BrokerUnreachable``, ``BrokerUntrusted`` or ``InvalidBrokerUrl`` (a file that it names)."""
    context = _context(url.tls) if url.tls is not None else None
    sock = _connect(url, deadline)
    try:
        _tune(sock)
        if context is not None and url.tls is not None:
            sock = _encrypt(sock, context, url, url.tls.server_name or url.host, deadline)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return Wire(sock)


def time_left(deadline: float) -> float:
    """Seconds until ``deadline``, as a timeout for a socket: never 0, which would mean non-blocking."""
    return max(deadline - time.monotonic(), 0.001)


def _connect(url: BrokerUrl, deadline: float) -> socket.socket:
    try:
        return socket.create_connection((url.host, url.port), timeout=time_left(deadline))
    except TimeoutError:
        raise BrokerUnreachable(f"no broker at {url.label}: nobody answered in time") from None
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BrokerUnreachable(f"no broker at {url.label}: {reason}") from error


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        if hasattr(socket, name):  # not on every platform; heartbeats find a dead peer anyway
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _context(options: TlsOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.cacertfile or None)
        if options.certfile:
            context.load_cert_chain(options.certfile, options.keyfile or None, password=_no_password)
    except OSError as error:  # ssl.SSLError is one
        files = [name for name in (options.cacertfile, options.certfile, options.keyfile) if name]
        raise InvalidBrokerUrl(f"a certificate or key of {files} cannot be loaded: {error}") from error
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    raise ssl.SSLError("the key is encrypted, and there is nobody to ask for its password")


def _encrypt(sock: socket.socket, context: ssl.SSLContext, url: BrokerUrl, name: str, deadline: float) -> socket.socket:
    sock.settimeout(time_left(deadline))
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        trusted = url.tls.cacertfile if url.tls is not None else ""
        raise BrokerUntrusted(
            f"the certificate of {url.label} is not trusted as that of {name!r}: {error.verify_message}; trusted are "
            + (f"the authorities in {trusted}" if trusted else "those of the system; name others with ?cacertfile=...")
        ) from error
    except OSError as error:
        raise BrokerUnreachable(f"{url.label} does not complete a TLS handshake: {error}") from error
