"""AMQP frames on a blocking socket and nothing else: the limit for anything that goes through the broker.

pika encodes and reads what opens the queue; from then on a delivery is cut out of the stream here, and a message is
one write. Only what comes in the hot path is understood: deliveries of one queue.
"""

from __future__ import annotations

import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pika import frame, spec

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTH = 256
"""As the queues of episodes: broker.topology.INBOX_LENGTH."""

CHANNEL = 1
FRAME_MAX = 131072
METHOD, HEADER, BODY = 1, 2, 3
HEAD = struct.Struct(">BHI")
ACK = struct.Struct(">BHIHHQBB")
LARGEST = FRAME_MAX - 8
"""Bytes of a body that fit into one frame."""
SMALL = 4096
BUFFER = 2 * FRAME_MAX

WAYS = {"nagle", "no-ack", "not-mandatory", "unbounded", "durable", "queue-v2"}
"""What can be otherwise, for the group ``settings``."""


class RawPeer:
    """One end of a dialogue: a queue of its own, and a key to send to.

    Args:
        url: ``amqp://`` or ``amqps://``.
        mine: (exchange, name of my queue and its key)
        other: (exchange, key) that I send to
        declare: declare both exchanges, as an env worker does
        prefetch: 0: deliveries count as settled; else each is settled by ``send(..., ack=True)``.
        ways: of ``WAYS``: what is to be otherwise than an episode has it.
    """

    def __init__(
        self, url: str, mine: tuple[str, str], other: tuple[str, str], *, declare: bool, prefetch: int,
        ways: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._ways = WAYS & set(ways)
        self.socket = _connect(url, nodelay="nagle" not in ways)
        self._tag = 0
        self._inbox = bytearray(BUFFER)
        self._have = self._at = 0
        self._open(urlsplit(url))
        self._declare(mine, other, declare, prefetch)
        publish = spec.Basic.Publish(exchange=other[0], routing_key=other[1], mandatory="not-mandatory" not in ways)
        self._publish = frame.Method(CHANNEL, publish).marshal()
        self._heads: dict[int, bytes] = {}

    def send(self, body: bytes, *, ack: bool = False) -> None:
        """Publish mandatory; with ``ack``, settle the delivery that was received last in the same write."""
        size = len(body)
        ending = ACK.pack(METHOD, CHANNEL, 13, 60, 80, self._tag, 0, 0xCE) if ack else b""
        if size <= LARGEST:
            pieces = (self._head(size), HEAD.pack(BODY, CHANNEL, size), body, b"\xce", ending)
            self.socket.sendall(b"".join(pieces))
        else:
            self._send_large(body, ending)

    def receive(self) -> bytearray:
        """Wait for the next delivery; gives its body."""
        at = self._frame()
        self._tag = _tag(self._inbox, at)
        at = self._frame()
        want: int = struct.unpack_from(">Q", self._inbox, at + 11)[0]
        if want > LARGEST:
            return self._receive_large(want)
        at = self._frame()
        return self._inbox[at + 7 : at + 7 + want]

    def _send_large(self, body: bytes, ending: bytes) -> None:
        """No byte of the body is copied on its way to the system."""
        view = memoryview(body)
        pieces = [memoryview(self._head(len(body)))]
        for start in range(0, len(body), LARGEST):
            part = view[start : start + LARGEST]
            pieces += [memoryview(HEAD.pack(BODY, CHANNEL, len(part))), part, memoryview(b"\xce")]
        pieces.append(memoryview(ending))
        while pieces:
            sent = self.socket.sendmsg(pieces)
            while pieces and sent >= len(pieces[0]):
                sent -= len(pieces.pop(0))
            if sent:
                pieces[0] = pieces[0][sent:]

    def _receive_large(self, want: int) -> bytearray:
        """The body is received in its place, except for what came with the frames before it."""
        body, done = bytearray(want), 0
        view, inbox = memoryview(body), memoryview(self._inbox)
        while done < want:
            while self._have - self._at < 7:
                self._fill()
            left: int = HEAD.unpack_from(inbox, self._at)[2]
            self._at += 7
            here = min(left, self._have - self._at)
            view[done : done + here] = inbox[self._at : self._at + here]
            done, left, self._at = done + here, left - here, self._at + here
            while left:  # the inbox is empty now; it takes what comes behind
                count = self.socket.recvmsg_into([view[done : done + left], inbox[:SMALL]])[0]
                if not count:
                    raise ConnectionError("the broker closed the connection")
                into = min(count, left)
                done, left = done + into, left - into
                self._at, self._have = 0, count - into
            while self._have - self._at < 1:
                self._fill()
            self._at += 1
        return body

    def _head(self, size: int) -> bytes:
        head = self._heads.get(size)
        if head is None:
            properties = frame.Header(CHANNEL, size, spec.BasicProperties()).marshal()
            head = self._heads[size] = self._publish + properties
        return head

    def _frame(self) -> int:
        """Where in the buffer the next whole frame begins."""
        while True:
            at, have = self._at, self._have
            if have - at >= 8:
                end = at + 8 + HEAD.unpack_from(self._inbox, at)[2]
                if end <= have:
                    self._at = end
                    return at
            self._fill()

    def _fill(self) -> None:
        """Read a little: a large body is not to come here."""
        if self._at == self._have:
            self._at = self._have = 0
        elif len(self._inbox) - self._have < SMALL:
            rest = bytes(self._inbox[self._at : self._have])
            self._inbox[: len(rest)] = rest
            self._at, self._have = 0, len(rest)
        count = self.socket.recv_into(memoryview(self._inbox)[self._have :], SMALL)
        if not count:
            raise ConnectionError("the broker closed the connection")
        self._have += count

    def _open(self, parts: Any) -> None:
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self._expect(spec.Connection.Start)
        secret = f"\0{unquote(parts.username)}\0{unquote(parts.password)}"
        self._call(0, spec.Connection.StartOk({}, "PLAIN", secret, "en_US"), spec.Connection.Tune)
        self._write(0, spec.Connection.TuneOk(CHANNEL, FRAME_MAX, 0))
        self._call(0, spec.Connection.Open(unquote(parts.path[1:]) or "/"), spec.Connection.OpenOk)
        self._call(CHANNEL, spec.Channel.Open(), spec.Channel.OpenOk)

    def _declare(self, mine: tuple[str, str], other: tuple[str, str], declare: bool, prefetch: int) -> None:
        if declare:
            for exchange, _ in (mine, other):
                method = spec.Exchange.Declare(exchange=exchange, type="direct", durable=True)
                self._call(CHANNEL, method, spec.Exchange.DeclareOk)
        exchange, queue = mine
        overflow = "reject-publish" if prefetch else "drop-head"
        arguments: dict[str, Any] = {"x-queue-type": "classic"}
        if "unbounded" not in self._ways:
            arguments |= {"x-max-length": LENGTH, "x-overflow": overflow}
        if "queue-v2" in self._ways:
            arguments["x-queue-version"] = 2
        queued = spec.Queue.Declare(
            queue=queue, exclusive=True, durable="durable" in self._ways, arguments=arguments
        )  # fmt: skip
        self._call(CHANNEL, queued, spec.Queue.DeclareOk)
        self._call(CHANNEL, spec.Queue.Bind(queue=queue, exchange=exchange, routing_key=queue), spec.Queue.BindOk)
        if prefetch:
            self._call(CHANNEL, spec.Basic.Qos(prefetch_count=prefetch), spec.Basic.QosOk)
        consume = spec.Basic.Consume(queue=queue, consumer_tag="1", no_ack=not prefetch)
        self._call(CHANNEL, consume, spec.Basic.ConsumeOk)

    def _call(self, channel: int, method: Any, answer: type) -> None:
        self._write(channel, method)
        self._expect(answer)

    def _write(self, channel: int, method: Any) -> None:
        self.socket.sendall(frame.Method(channel, method).marshal())

    def _expect(self, answer: type) -> None:
        at = self._frame()
        _, found = frame.decode_frame(bytes(self._inbox[at : self._at]))
        if not isinstance(found.method, answer):
            raise ConnectionError(f"the broker was expected to say {answer.__name__} and said {found.method}")


def _connect(url: str, *, nodelay: bool) -> socket.socket:
    """TLS is not verified here: that is a matter of the handshake, which is not measured."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    found = socket.create_connection((parts.hostname, parts.port or 5672))
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
    if parts.scheme == "amqps":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(found)
    return found


def _tag(buffer: bytearray, at: int) -> int:
    """The delivery tag of the Deliver frame that begins at ``at``: behind the consumer tag."""
    tag_size = buffer[at + 11]
    found: int = struct.unpack_from(">Q", buffer, at + 12 + tag_size)[0]
    return found
