"""The port over RabbitMQ: the half that sends, on top of ``broker.amqp.consuming``.

Sending has channels of its own, for the broker closes a channel when it refuses a message: one for the hot path, one
for confirmed and one for lossy publishes. No delivery is lost by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broker import topology
from broker.amqp import channel as methods
from broker.amqp import framing
from broker.amqp.consuming import Consuming
from broker.amqp.framing import before_body
from broker.amqp.publisher import MOST_KEYS, Announcer, Confirms, Pending
from broker.errors import BrokerError, BrokerTimeout, TopologyMissing, again
from broker.port import Arrival, Kind, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.amqp.mailbox import AmqpMailbox
    from broker.port import Mailbox

SMALL = framing.FRAME_MIN - 8
"""Bodies up to so many bytes are joined with their frames, in one piece; larger ones are not copied."""

EXPIRATION_MAX = 2**32 - 1
"""Longest life of a message that RabbitMQ takes, in milliseconds: 49 days."""


class AmqpConnection(Consuming):
    """A connection to RabbitMQ. Made by ``broker.connect("amqp://...", ...)``; methods: see ``broker.port``."""

    def prepare(self, deadline: float) -> None:
        self._watched: dict[str, tuple[AmqpMailbox, Any]] = {}
        self._heads: dict[tuple[str, str], bytes] = {}
        self._send_error: BrokerError | None = None
        self._confirms, self._announcer = Confirms(self.adapter), Announcer(self.adapter)
        with self.lock:
            self._sending = self.adapter.open_channel(self._sending_closed)
        super().prepare(deadline)

    def watch(self, key: str, mailbox: Mailbox, token: Any) -> None:
        self.check()
        self._watched[key] = (self.own(mailbox), token)

    def unwatch(self, key: str) -> None:
        self._watched.pop(key, None)
        for exchange in topology.EXCHANGES:  # who no longer listens for returns has no more to send there
            self._heads.pop((exchange, key), None)

    def send(self, exchange: str, key: str, body: bytes, *, settles: Arrival | None = None) -> None:
        if self.refusal is not None:
            raise again(self.refusal)
        if self._send_error is not None:
            error, self._send_error = self._send_error, None
            raise again(error)
        with self.lock:
            head = self._heads.get((exchange, key)) or self._head(exchange, key)
            ack = self._ack(settles) if settles is not None and settles.tag else b""
            size = len(body)
            if 0 < size <= SMALL:
                frames = head, before_body(self._sending.number, size), body, b"\xce", ack
                self.adapter.write(b"".join(frames))
            else:
                pieces = framing.content(head, self._sending.number, body, self.adapter.params.frame_max)
                self.adapter.write_pieces([*pieces, ack] if ack else pieces)
        if self.wire.backlog or self.refusal is not None:
            self.written()

    def publish(
        self, exchange: str, key: str, body: bytes, *, deadline: float, persistent: bool = False,
        expires_s: float | None = None,
    ) -> Receipt:  # fmt: skip
        self.check()
        properties: dict[str, Any] = {"delivery_mode": 2 if persistent else 1}
        if expires_s is not None:
            properties["expiration"] = str(min(max(int(expires_s * 1000), 0), EXPIRATION_MAX))
        pending = Pending(exchange, topology.shortstr(key), body, properties)
        with self.lock:
            self._confirms.publish(pending)
        try:
            self.written()
            outcome = self.reply(pending.waiter, deadline, f"confirming a message to {exchange!r}")
        except TopologyMissing:
            return Receipt.UNROUTABLE
        except BrokerTimeout:
            with self.lock:
                self._confirms.forget(pending)
            raise
        return Receipt(outcome)

    def keep(self, exchange: str, key: str, body: bytes, deadline: float) -> None:
        self.declare_kept(exchange, key, deadline)
        if self.publish(exchange, key, body, deadline=deadline, persistent=True) is not Receipt.ROUTED:
            raise BrokerError(f"{self.label}: queue {key!r} was deleted while a message was put into it")

    def kept(self, exchange: str, key: str, deadline: float) -> bytes | None:
        found = self.declare_kept(exchange, key, deadline, methods.get(key))
        if not isinstance(found, Arrival):
            return None
        self.requeue(found)
        self.declare_kept(exchange, key, deadline)  # answered by the queue after it has taken the message back
        return bytes(found.body)

    def announce(self, exchange: str, key: str, body: bytes) -> None:
        self.check()
        if not self._announcer.is_muted(key):
            with self.lock:
                self._announcer.publish(exchange, topology.shortstr(key), body)
            self.written()

    def ack(self, arrival: Arrival) -> None:
        self._settle(arrival, self._ack)

    def requeue(self, arrival: Arrival) -> None:
        self._settle(arrival, self._reject)

    def forget(self) -> None:
        self._subscriptions.clear()
        self._watched.clear()

    def settle_idle(self) -> None:
        with self.lock:
            frames = self.acks.flush()
            if frames:
                self.adapter.write(frames)

    def _settle(self, arrival: Arrival, build: Callable[[Arrival], bytes]) -> None:
        self.check()
        with self.lock:
            frames = build(arrival)
            if frames:
                self.adapter.write(frames)
        self.written()

    def _ack(self, arrival: Arrival) -> bytes:
        """The frames that are due when it is settled. A second ack would close the channel."""
        tag, channel = arrival.tag, arrival.source
        if not tag or channel.adapter is not self.adapter or channel.error is not None:
            return b""
        arrival.tag = 0
        return framing.ack(channel.number, tag) if channel.acks is None else channel.acks.settle(tag)

    def _reject(self, arrival: Arrival) -> bytes:
        """The frame that gives it back."""
        tag, channel = arrival.tag, arrival.source
        if not tag or channel.adapter is not self.adapter or channel.error is not None:
            return b""
        arrival.tag = 0
        return framing.requeue(channel.number, tag) if channel.acks is None else channel.acks.reject(tag)

    def _head(self, exchange: str, key: str) -> bytes:
        if len(self._heads) >= MOST_KEYS + len(self._watched):
            self._heads.clear()
        head = framing.publish_head(self._sending.number, exchange, topology.shortstr(key))
        self._heads[exchange, key] = head
        return head

    def on_content(self, channel: int, method: bytes, header: bytes, body: bytes) -> None:
        if method.startswith(framing.DELIVER):
            self.deliver(method, header, body)
        elif channel == self._sending.number:
            key = framing.routing_key(method)
            watcher = self._watched.get(key)
            if watcher is not None:
                watcher[0].put(Arrival(Kind.RETURNED, watcher[1], body, key))
        elif channel == self._confirms.number:
            self._confirms.on_return(header)
        elif channel == self._announcer.number:
            self._announcer.on_return(framing.routing_key(method))
        elif method.startswith(framing.GOT) and channel in self.adapter.channels:
            self.adapter.channels[channel].on_got(framing.got(method), body)

    def _sending_closed(self, error: BrokerError) -> None:
        """The broker refused a message of ``send``; the next ``send`` raises it."""
        self._send_error = error
        self._heads.clear()
        self._sending = self.adapter.open_channel(self._sending_closed)
