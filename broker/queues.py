"""Exchanges and queues inside this process: what ``memory://`` stands on. It does to messages what RabbitMQ does.

No lock and no thread in here: the caller holds one lock around every call. No clock: ``now`` comes by argument.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from broker import topology
from broker.errors import TopologyMissing
from broker.port import Arrival, Kind, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broker.topology import QueueSpec


class Sink(Protocol):
    """Where a consumer's messages go."""

    def put(self, arrival: Arrival) -> None:
        """Take it; never blocks."""


@dataclass(slots=True)
class Message:
    """One message in a queue."""

    body: bytes
    key: str
    expires: float | None = None
    redelivered: bool = False


class Consumer:
    """One subscription: it takes messages of a queue while fewer than ``prefetch`` are unsettled (0: no settling)."""

    __slots__ = ("keyed", "owner", "prefetch", "queue", "sink", "token", "unsettled")

    def __init__(self, queue: Queue, owner: object, sink: Sink, token: Any, *, prefetch: int, keyed: bool) -> None:
        self.queue, self.owner, self.sink, self.token = queue, owner, sink, token
        self.prefetch, self.keyed = prefetch, keyed
        self.unsettled: dict[int, Message] = {}

    @property
    def has_room(self) -> bool:
        return self.prefetch == 0 or len(self.unsettled) < self.prefetch

    def deliver(self, message: Message) -> None:
        """Hand it out. It counts as unsettled only then: a Ctrl-C in between leaves nothing that nobody can settle."""
        tag = next(self.queue.tags) if self.prefetch else 0
        key = message.key if self.keyed else ""
        self.sink.put(Arrival(Kind.MESSAGE, self.token, message.body, key, tag, message.redelivered, self))
        if tag:
            self.unsettled[tag] = message


class Queue:
    """A bounded queue, its consumers in turn, and where its dead letters go."""

    __slots__ = ("bound", "consumers", "dead", "owner", "ready", "spec", "tags", "waiting_bytes")

    def __init__(self, spec: QueueSpec, owner: object, dead: Queue | None) -> None:
        self.spec, self.owner, self.dead = spec, owner, dead
        self.ready: deque[Message] = deque()
        self.waiting_bytes = 0
        self.consumers: deque[Consumer] = deque()
        self.bound: list[tuple[str, str]] = []
        self.tags = itertools.count(1)

    def add(self, message: Message, now: float) -> bool:
        """Hand it to a consumer, or keep it. False: the queue is full and it was refused."""
        if not self.ready:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(message)
                return True
        self.drop_expired(now)
        if self.spec.overflow == "reject-publish":
            if not self._has_room(len(self.ready) + 1, self.waiting_bytes + len(message.body)):
                return False
            self._keep(message)
        else:
            self._keep(message)
            while self.ready and not self._has_room(len(self.ready), self.waiting_bytes):
                self._next()
        self.hand_out(now)
        return True

    def _has_room(self, length: int, size: int) -> bool:
        return length <= self.spec.length and (self.spec.size is None or size <= self.spec.size)

    def _keep(self, message: Message) -> None:
        self.waiting_bytes += len(message.body)
        self.ready.append(message)

    def _next(self) -> Message:
        message = self.ready.popleft()
        self.waiting_bytes -= len(message.body)
        return message

    def hand_out(self, now: float) -> None:
        """Give waiting messages to consumers that have room. A Ctrl-C may give one twice, and loses none."""
        while self.ready:
            self.drop_expired(now)
            consumer = self._next_consumer()
            if not self.ready or consumer is None:
                return
            consumer.deliver(self.ready[0])
            self._next()

    def give_back(self, messages: Sequence[Message], now: float) -> None:
        """Put unsettled messages back where they came from, in order, marked as redelivered."""
        for message in messages:
            message.redelivered = True
            self.waiting_bytes += len(message.body)
        self.ready.extendleft(reversed(messages))
        self.hand_out(now)

    def drop_expired(self, now: float) -> None:
        """Bury what expired. As in RabbitMQ only the head of the queue is looked at."""
        while self.ready and (expires := self.ready[0].expires) is not None and expires <= now:
            self._bury(self._next(), now)

    def _bury(self, message: Message, now: float) -> None:
        if self.dead is not None:
            ttl_s = self.dead.spec.ttl_s
            self.dead.add(Message(message.body, message.key, None if ttl_s is None else now + ttl_s), now)

    def _next_consumer(self) -> Consumer | None:
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.has_room:
                return consumer
        return None


class Exchanges:
    """All exchanges, bindings and queues of one broker."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.direct: dict[str, dict[str, list[Queue]]] = {}
        self.topics: dict[str, list[tuple[list[str], Queue]]] = {}

    def declare_all(self) -> None:
        """Make the exchanges of the topology and the queue of dead letters. Safe to repeat."""
        for name, kind in topology.EXCHANGES.items():
            if kind == "direct":
                self.direct.setdefault(name, {})
            elif kind == "topic":
                self.topics.setdefault(name, [])
        self.queues.setdefault(topology.DEAD, Queue(topology.dead_spec(), None, None))

    def check(self, exchange: str, label: str) -> None:
        """Raises ``TopologyMissing`` if nobody has declared ``exchange``."""
        if exchange not in self.direct and exchange not in self.topics:
            raise TopologyMissing(f"there is no exchange {exchange!r} at {label}: no env worker has declared it there")

    def declare(self, spec: QueueSpec, owner: object) -> Queue:
        """Make the queue, or find the durable one."""
        queue = self.queues.get(spec.name)
        if queue is None:
            dead = self.queues.get(topology.DEAD) if spec.dead_letters else None
            queue = self.queues[spec.name] = Queue(spec, None if spec.durable else owner, dead)
        return queue

    def bind(self, exchange: str, keys: Iterable[str], queue: Queue) -> None:
        """Route ``keys`` (of a topic exchange: patterns) to ``queue``."""
        for key in keys:
            if (exchange, key) in queue.bound:
                continue
            queue.bound.append((exchange, key))
            if exchange in self.direct:
                self.direct[exchange].setdefault(key, []).append(queue)
            else:
                self.topics[exchange].append((key.split("."), queue))

    def delete(self, queue: Queue) -> None:
        """Remove a queue, its bindings and its messages."""
        self.queues.pop(queue.spec.name, None)
        queue.ready.clear()
        queue.waiting_bytes = 0
        for exchange, key in queue.bound:
            if exchange in self.topics:
                self.topics[exchange] = [found for found in self.topics[exchange] if found[1] is not queue]
                continue
            routes = self.direct[exchange]
            routes[key].remove(queue)
            if not routes[key]:
                del routes[key]
        queue.bound.clear()

    def route(self, exchange: str, key: str) -> list[Queue]:
        """The queues that a message goes to; none if there is no such exchange."""
        routes = self.direct.get(exchange)
        if routes is not None:
            return routes.get(key, [])
        words = key.split(".")
        found: list[Queue] = []
        for pattern, queue in self.topics.get(exchange, ()):
            if queue not in found and topic_matches(pattern, words):
                found.append(queue)
        return found

    def publish(self, exchange: str, message: Message, now: float) -> Receipt:
        """Put a message into every queue that it is routed to."""
        queues = self.route(exchange, message.key)
        if not queues:
            return Receipt.UNROUTABLE
        kept = [queue.add(Message(message.body, message.key, message.expires), now) for queue in queues]
        return Receipt.ROUTED if all(kept) else Receipt.REFUSED


def topic_matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Whether a topic pattern matches a key, both split at dots: ``*`` is one word, ``#`` any number of words."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(topic_matches(pattern[1:], words[start:]) for start in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and topic_matches(pattern[1:], words[1:])
