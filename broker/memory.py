"""``memory://name``: the port inside one process. For tests, demos and single-process training.

All connections to one name meet in one broker, which lives as long as the process. Semantics are RabbitMQ's: exclusive
and durable queues, bounds, returns, redelivery, competing consumers. No broker can fall over here, so a connection
is lost only when ``close`` or ``lose`` is called.

Worker and agent may be one thread for the length of a step: see ``broker.inline``.
"""

from __future__ import annotations

import itertools
import platform
import secrets
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from broker import fork, topology
from broker.errors import BrokerError, ConnectionLost, QueueTaken, again
from broker.inline import Hub, MemoryMailbox
from broker.port import Arrival, Kind, Receipt
from broker.queues import Consumer, Message, Queue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broker.port import Mailbox, Subscription
    from broker.topology import QueueSpec


class MemorySubscription:
    """A queue that a memory connection consumes."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer

    @property
    def queue(self) -> str:
        return self.consumer.queue.spec.name


class MemoryConnection:
    """A connection to an in-process broker. Made by ``broker.connect("memory://name", ...)``. Methods: see the port."""

    def __init__(self, name: str, hub: Hub) -> None:
        self.incarnation = secrets.token_hex(8)
        self.label = f"memory://{name}"
        self.server = {"product": "gymbroker memory", "version": "", "platform": f"Python {platform.python_version()}"}
        self._hub = hub
        self._exchanges = hub.exchanges
        self._refusal: BrokerError | None = None
        self._watched: dict[str, tuple[MemoryMailbox, Any]] = {}
        self._mailboxes: weakref.WeakSet[MemoryMailbox] = weakref.WeakSet()
        self._consumers: set[Consumer] = set()
        self._observers = itertools.count(1)
        fork.watch(self)

    @property
    def closed(self) -> bool:
        return self._refusal is not None

    def mailbox(self) -> MemoryMailbox:
        box = MemoryMailbox(self._hub, self._mailboxes)
        with self._hub.lock:
            self._check()
            self._mailboxes.add(box)
        return box

    def declare_exchanges(self, deadline: float) -> None:
        with self._hub.lock:
            self._check()
            self._exchanges.declare_all()

    def renew(self, env_ids: Iterable[str], subscriptions: Iterable[Subscription]) -> None:
        with self._hub.lock:
            self._check()  # nobody can delete anything here

    def serve(self, env_id: str, mailbox: Mailbox, token: Any, deadline: float) -> MemorySubscription:
        spec = topology.requests_spec(env_id)
        return self._subscribe(spec, topology.REQUESTS, [env_id], mailbox, token, prefetch=1)

    def inbox(
        self, exchange: str, keys: Sequence[str], mailbox: Mailbox, token: Any, *, prefetch: int, deadline: float
    ) -> MemorySubscription:
        spec = topology.inbox_spec(exchange, keys[0])
        return self._subscribe(spec, exchange, keys, mailbox, token, prefetch=prefetch)

    def listen(
        self, exchange: str, patterns: Sequence[str], mailbox: Mailbox, token: Any, deadline: float
    ) -> MemorySubscription:
        spec = topology.observer_spec(topology.observer_queue(self.incarnation, next(self._observers)))
        return self._subscribe(spec, exchange, patterns, mailbox, token, prefetch=0)

    def _subscribe(
        self, spec: QueueSpec, exchange: str, keys: Sequence[str], mailbox: Mailbox, token: Any, *, prefetch: int
    ) -> MemorySubscription:
        keys = [topology.shortstr(key) for key in keys]
        with self._hub.lock:
            self._check()
            self._exchanges.check(exchange, self.label)
            queue = self._exchanges.declare(spec, self)
            if queue.owner not in (None, self):
                name = topology.shown(spec.name)
                raise QueueTaken(f"queue {name!r} at {self.label} is exclusive to another connection")
            self._exchanges.bind(exchange, keys, queue)
            keyed = topology.EXCHANGES[exchange] == "topic"
            consumer = Consumer(queue, self, own(mailbox), token, prefetch=prefetch, keyed=keyed)
            queue.consumers.append(consumer)
            self._consumers.add(consumer)
            queue.hand_out(time.monotonic())
        return MemorySubscription(consumer)

    def cancel(self, subscription: Subscription) -> None:
        if not isinstance(subscription, MemorySubscription):
            raise TypeError(f"expected a subscription of {self.label}, got {subscription!r}")
        consumer = subscription.consumer
        with self._hub.lock:
            self._check()
            if consumer in consumer.queue.consumers:
                consumer.queue.consumers.remove(consumer)
                self._forget(consumer)
                if consumer.queue.owner is self:
                    self._exchanges.delete(consumer.queue)

    def outlive(self, subscription: Subscription, deadline: float) -> None:
        with self._hub.lock:
            self._check()  # it has ended when ``cancel`` comes back

    def watch(self, key: str, mailbox: Mailbox, token: Any) -> None:
        with self._hub.lock:
            self._check()
            self._watched[key] = (own(mailbox), token)

    def unwatch(self, key: str) -> None:
        self._watched.pop(key, None)

    def send(self, exchange: str, key: str, body: bytes, *, settles: Arrival | None = None) -> None:
        with self._hub.lock:
            if self._refusal is not None:
                raise again(self._refusal)
            if settles is not None:
                self._settle(settles)
            self._exchanges.check(exchange, self.label)
            queues = self._exchanges.route(exchange, key)
            if not queues:
                watcher = self._watched.get(topology.shortstr(key))
                if watcher is not None:
                    watcher[0].put(Arrival(Kind.RETURNED, watcher[1], body, key))
                return
            now = time.monotonic()
            for queue in queues:
                queue.add(Message(body, key), now)

    def publish(
        self, exchange: str, key: str, body: bytes, *, deadline: float, persistent: bool = False,
        expires_s: float | None = None,
    ) -> Receipt:  # fmt: skip
        now = time.monotonic()
        message = Message(body, topology.shortstr(key), None if expires_s is None else now + expires_s)
        with self._hub.lock:
            self._check()
            return self._exchanges.publish(exchange, message, now)

    def keep(self, exchange: str, key: str, body: bytes, deadline: float) -> None:
        with self._hub.lock:
            self._keeper(exchange, key).add(Message(body, key), time.monotonic())

    def kept(self, exchange: str, key: str, deadline: float) -> bytes | None:
        with self._hub.lock:
            ready = self._keeper(exchange, key).ready
            return ready[0].body if ready else None

    def _keeper(self, exchange: str, key: str) -> Queue:
        """The queue that keeps one message; here for as long as this process lives."""
        self._check()
        self._exchanges.check(exchange, self.label)
        queue = self._exchanges.declare(topology.kept_spec(key), self)
        self._exchanges.bind(exchange, [key], queue)
        return queue

    def announce(self, exchange: str, key: str, body: bytes) -> None:
        with self._hub.lock:
            self._check()
            self._exchanges.publish(exchange, Message(body, topology.shortstr(key)), time.monotonic())

    def ack(self, arrival: Arrival) -> None:
        with self._hub.lock:
            self._check()
            self._settle(arrival)

    def requeue(self, arrival: Arrival) -> None:
        with self._hub.lock:
            self._check()
            self._settle(arrival, requeue=True)

    def _settle(self, arrival: Arrival, *, requeue: bool = False) -> None:
        consumer = arrival.source
        if not arrival.tag or consumer.owner is not self:
            return
        message = consumer.unsettled.pop(arrival.tag, None)
        now = time.monotonic()
        if requeue and message is not None:
            consumer.queue.give_back([message], now)
        else:
            consumer.queue.hand_out(now)
        self._forget(consumer)
        arrival.tag = 0  # last: what a Ctrl-C strikes before is done again

    def _forget(self, consumer: Consumer) -> None:
        """Drop a consumer that is cancelled and has nothing to settle any more."""
        if not consumer.unsettled and consumer not in consumer.queue.consumers:
            self._consumers.discard(consumer)

    def close(self) -> None:
        self.lose("it was closed by this process")

    def lose(self, reason: str) -> None:
        """End the connection as a network failure would. For tests of what a worker does then."""
        with self._hub.lock:
            if self._refusal is not None:
                return
            self._refusal = ConnectionLost(f"the connection to {self.label} has ended: {reason}")
            for consumer in self._consumers:
                if consumer in consumer.queue.consumers:
                    consumer.queue.consumers.remove(consumer)
            for consumer in self._consumers:
                if consumer.queue.owner is self:
                    self._exchanges.delete(consumer.queue)
                else:
                    consumer.queue.give_back(list(consumer.unsettled.values()), time.monotonic())
            for box in self._mailboxes:
                box.lose(self._refusal)
            self._consumers.clear()  # which hold it
            self._watched.clear()

    def forked(self) -> None:
        self._refusal = fork.refusal(self.label)
        self._hub.lock = threading.Lock()  # a thread of the parent may have held it
        for box in self._mailboxes:
            box.forked(self._refusal)

    def _check(self) -> None:
        """Under the hub's lock: a connection that ends between a look at it and what follows would leave, for one, a
        consumer that nobody reads, and that is given every second ``make``."""
        if self._refusal is not None:
            raise again(self._refusal)


def own(mailbox: Mailbox) -> MemoryMailbox:
    """``mailbox`` itself, if it is of this transport."""
    if not isinstance(mailbox, MemoryMailbox):
        raise TypeError(f"expected a mailbox of a memory:// connection, got {mailbox!r}")
    return mailbox


class Hubs:
    """The in-process brokers by name."""

    def __init__(self) -> None:
        self.forked()

    def connect(self, name: str) -> MemoryConnection:
        with self._lock:
            hub = self._hubs.setdefault(name, Hub())
        return MemoryConnection(name, hub)

    def forked(self) -> None:
        """In a forked child the parent's threads are gone, and with them whoever would answer: start empty."""
        self._lock = threading.Lock()
        self._hubs: dict[str, Hub] = {}


_hubs = Hubs()
fork.watch(_hubs)


def connect(name: str) -> MemoryConnection:
    """A new connection to the in-process broker called ``name``; the broker is made by the first connection."""
    return _hubs.connect(name)
