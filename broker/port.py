"""The port: all that the workers ask of a message broker. ``memory://`` and ``amqp://`` stand behind it.

How bytes travel: ``connection.send(exchange, key, body)`` -> the broker's queue of that key -> the ``Mailbox`` that
the other side gave when it opened the queue -> ``mailbox.get(deadline)``.

Threads: every method may be called from any thread. There is no hidden thread on the hot path: who waits in
``Mailbox.get`` reads the socket itself, and hands what belongs to others to them. Deadlines are absolute seconds of
``time.monotonic()``; there is no way to wait for ever.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


MESSAGE_MAX = 16 * 2**20
"""Largest message in bytes, as ``protocol.limits`` has it. Of a larger one somewhat more arrives than may: enough to be
refused by its length, and no more memory than a legal one takes."""


class Kind(enum.Enum):
    """Why something arrived in a mailbox."""

    MESSAGE = "message"
    """A message of a queue that the mailbox is subscribed to."""
    RETURNED = "returned"
    """A message that we sent came back: at this moment nobody has a queue for that key."""
    CANCELLED = "cancelled"
    """The broker ended a subscription, because somebody deleted its queue."""


class Receipt(enum.Enum):
    """What became of a confirmed publish."""

    ROUTED = "routed"
    """It is in a queue."""
    UNROUTABLE = "unroutable"
    """No queue is bound to that key, or the exchange itself does not exist yet."""
    REFUSED = "refused"
    """The queue is full."""


@dataclass(slots=True)
class Arrival:
    """One thing that came into a mailbox. ``token`` is what was given at ``inbox``/``serve``/``listen``/``watch``."""

    kind: Kind
    token: Any
    body: bytes
    """The message; for ``RETURNED`` the message that came back; empty for ``CANCELLED``.

    A long one may be a bytearray that nobody else has: what is read out of it need not be copied.
    """
    key: str = ""
    """For ``RETURNED``: the key that nobody listens to. For messages of ``listen``: the key it was sent with."""
    tag: int = 0
    """What the transport needs to settle it; 0 where there is nothing to settle."""
    redelivered: bool = False
    """The broker has handed this message to somebody before (its first taker died or requeued it)."""
    source: Any = None
    """The transport's own note of where it came from. Settling it on another connection, or twice, does nothing."""


class Mailbox(Protocol):
    """Where arrivals come to. One thread at a time may wait on it."""

    def get(self, deadline: float) -> Arrival | None:
        """Next arrival in order, or None when ``deadline`` passes first. Raises ``ConnectionLost``.

        After a loss, what had arrived and needs no settling is still given out before ``ConnectionLost`` is raised.
        Behind ``memory://`` it may return late by the time that one ``handle`` of a worker takes (see ``run``).
        """

    def run(self, handle: Callable[[Arrival], None], deadline: float) -> None:
        """Give every arrival to ``handle``, in order and one at a time, until ``deadline``. Raises ``ConnectionLost``.

        This is what a worker does instead of a loop over ``get``. Behind ``memory://`` a thread of the same process
        that waits in ``get`` calls ``handle`` itself, so that a round trip costs no switch of threads. ``handle``
        must not care on which thread it runs; it is never run by two at once, and never while ``run`` is not.
        What ``handle`` raises comes out of ``run`` on the thread that called ``run`` (a KeyboardInterrupt stays
        where it struck), and no further arrival is handled.
        """

    def join(self, other: Mailbox) -> None:
        """From now on what comes into this mailbox comes into ``other``, after what it holds already.

        For who waits for several dialogues at once: ``Arrival.token`` tells whose an arrival is. Nobody waits on this
        mailbox any more; who waits in ``other.get`` sees what this one held at the next arrival or deadline. It
        cannot be undone. Raises ``TypeError`` for a mailbox of another connection, and ``ValueError`` if this one is
        joined already, or others to it, or ``other`` to another: there are no chains.
        """


class Subscription(Protocol):
    """A queue that we consume."""

    @property
    def queue(self) -> str:
        """Its name at the broker."""


class Connection(Protocol):
    """One connection to a broker, shared by all threads of one process."""

    @property
    def incarnation(self) -> str:
        """16 hex digits, new for every connection: the fence in queue names."""

    @property
    def label(self) -> str:
        """The broker's address without user and password, for people."""

    @property
    def server(self) -> dict[str, str]:
        """``product``, ``version`` and ``platform`` that the broker gave."""

    @property
    def closed(self) -> bool:
        """True once it is closed or lost; it never opens again."""

    def mailbox(self) -> Mailbox:
        """A new, empty mailbox."""

    def declare_exchanges(self, deadline: float) -> None:
        """Make sure the exchanges and the dead-letter queue exist. Env workers only."""

    def renew(self, env_ids: Iterable[str], subscriptions: Iterable[Subscription]) -> None:
        """The same without waiting, with the queues of makes of ``env_ids``: somebody may have deleted all that.

        The queues of ``subscriptions`` are bound anew. One of these that is gone is not declared by this.
        """

    def serve(self, env_id: str, mailbox: Mailbox, token: Any, deadline: float) -> Subscription:
        """Compete for ``make`` messages of ``env_id``: one at a time, each to be settled by ``ack`` or ``requeue``.

        Declares the durable queue. Call ``cancel`` to stop; the queue stays.
        """

    def inbox(
        self, exchange: str, keys: Sequence[str], mailbox: Mailbox, token: Any, *, prefetch: int, deadline: float
    ) -> Subscription:
        """Own an exclusive, bounded queue named ``keys[0]`` and bound to ``exchange`` by every key of ``keys``.

        ``prefetch`` > 0: at most so many unsettled messages are handed out; settle each by ``ack`` or
        ``send(settles=)``. ``prefetch`` = 0: messages count as settled when they arrive. ``cancel`` deletes the
        queue. Raises ``TopologyMissing`` if there is no such exchange, and ``QueueTaken`` if the queue is there
        already and belongs to another connection, or is deleted at this very moment: of many that try, one gets it.
        """

    def listen(
        self, exchange: str, patterns: Sequence[str], mailbox: Mailbox, token: Any, deadline: float
    ) -> Subscription:
        """Observe a topic exchange through an exclusive, bounded, lossy queue. ``cancel`` deletes the queue."""

    def cancel(self, subscription: Subscription) -> None:
        """End a subscription. Deliveries that came before the broker heard of it may still arrive: ``requeue`` them."""

    def outlive(self, subscription: Subscription, deadline: float) -> None:
        """Wait until a subscription that was cancelled has ended: all that ever comes of it is in its mailbox then."""

    def watch(self, key: str, mailbox: Mailbox, token: Any) -> None:
        """From now on a message sent to ``key`` that comes back arrives in ``mailbox`` as ``RETURNED``."""

    def unwatch(self, key: str) -> None:
        """Forget ``watch(key)``; returns for it are dropped from now on."""

    def send(self, exchange: str, key: str, body: bytes, *, settles: Arrival | None = None) -> None:
        """Publish mandatory and unconfirmed, and ack ``settles`` in the same write. This is the hot path.

        Returns when the bytes are with the operating system. If nobody has a queue for ``key``, it comes back to
        the mailbox of ``watch(key)``. A refusal (``TopologyMissing``: no such exchange; ``AccessRefused``; a body
        that the broker finds too large) is known later: the next ``send`` raises it, and sends nothing.
        """

    def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        *,
        deadline: float,
        persistent: bool = False,
        expires_s: float | None = None,
    ) -> Receipt:
        """Publish mandatory and confirmed, and wait for what became of it.

        ``expires_s``: take it out of the queue (to the dead letters) if nobody takes it in so many seconds.
        """

    def keep(self, exchange: str, key: str, body: bytes, deadline: float) -> None:
        """Put ``body`` in the place of what was kept under ``key``, in a durable queue of that name and one message.

        Returns when the broker has it: it outlives this connection, and a restart of the broker. It goes when nobody
        has asked for it for a day. Raises ``TopologyMissing``.
        """

    def kept(self, exchange: str, key: str, deadline: float) -> bytes | None:
        """What was kept under ``key`` last; it stays. None: nothing. Raises ``TopologyMissing``.

        One at a time may ask: while one looks at it, another may see nothing.
        """

    def announce(self, exchange: str, key: str, body: bytes) -> None:
        """Publish lossy: nobody learns what becomes of it. For presence and events.

        Where nobody listens to ``key`` it costs nothing: RabbitMQ says so, and for 2 s nothing is sent to that key.
        """

    def ack(self, arrival: Arrival) -> None:
        """Settle a message as done."""

    def requeue(self, arrival: Arrival) -> None:
        """Give a message back to the broker for somebody else, marked as redelivered."""

    def close(self) -> None:
        """Close; safe to call twice. All subscriptions end, and exclusive queues are gone."""
