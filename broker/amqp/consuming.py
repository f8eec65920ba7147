"""The half of the port over RabbitMQ that takes messages: mailboxes, declares, subscriptions.

Channels: one to declare on, which the broker closes when it refuses; one for deliveries, where there is nothing to
refuse; one for each queue of ``make`` messages, and for each whose name is not ours alone; one to declare anew on.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from broker import topology
from broker.amqp import channel as methods
from broker.amqp.acks import Acks
from broker.amqp.framing import NO_PROPERTIES, delivery, routing_key
from broker.amqp.link import Link
from broker.amqp.mailbox import AmqpMailbox
from broker.amqp.pump import Waiter
from broker.amqp.renewal import Renewal, line_for, shared_by_all
from broker.amqp.subscription import AmqpSubscription, consumer_tag
from broker.errors import BrokerError, BrokerTimeout, TopologyMissing
from broker.port import Arrival, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broker.amqp.channel import Channel
    from broker.port import Mailbox, Subscription
    from broker.topology import QueueSpec


class Consuming(Link):
    """A connection that declares and consumes. What its public methods promise is told in ``broker.port``."""

    def prepare(self, deadline: float) -> None:
        self._subscriptions: dict[str, AmqpSubscription] = {}
        self._serving: dict[str, Channel] = {}
        self._ending: dict[str, Waiter] = {}
        """Queues of our own that the broker has been told to delete on the channel of deliveries."""
        self._tags, self._observers = itertools.count(1), itertools.count(1)
        self._control: Channel | None = None
        self._renewal = Renewal(self.adapter)
        self._control_turn = threading.RLock()  # it knows who holds it, also where a Ctrl-C has struck right after
        opened = Waiter()
        with self.lock:
            self._deliveries = self.adapter.open_channel(self._deliveries_closed)
            self._deliveries.on_cancel = self._on_cancel
            self._deliveries.acks = self.acks = Acks(self._deliveries.number)
            self._prefetch = 1
            self._deliveries.call([methods.prefetch(1)], opened.put)
        self.reply(opened, deadline, "opening channels")

    def mailbox(self) -> AmqpMailbox:
        self.check()
        return AmqpMailbox(self)

    def declare_exchanges(self, deadline: float) -> None:
        self._declare(shared_by_all(), deadline, "declaring exchanges")

    def renew(self, env_ids: Iterable[str], subscriptions: Iterable[Subscription]) -> None:
        self.check()
        lines = [call for env_id in env_ids for call in line_for(env_id)]
        binds = [bind for found in subscriptions if isinstance(found, AmqpSubscription) for bind in found.binds]
        with self.lock:
            self._renewal.tell([*lines, *binds])
        self.written()

    def serve(self, env_id: str, mailbox: Mailbox, token: Any, deadline: float) -> AmqpSubscription:
        self.check()
        spec = topology.requests_spec(env_id)
        started = Waiter()
        with self.lock:
            channel = self._serving.get(env_id) or self._open_serving(env_id)
            found = self._subscribe(spec.name, channel, mailbox, token, acks=True)
            take = [methods.prefetch(1), methods.consume(spec.name, found.tag, acks=True)]
            found.announced = False

            def begun(outcome: Any) -> None:
                found.announced = not isinstance(outcome, BrokerError)  # with the lock: its end may come right behind
                started.put(outcome)

            channel.call([*line_for(env_id), *take], begun)
        try:
            self.written()
            self.reply(started, deadline, f"consuming {topology.shown(spec.name)!r}")
        except BaseException:
            with self.lock:
                found.announced = False
                channel.close()
                self._serving_closed(env_id, channel)
            raise
        return found

    def _open_serving(self, env_id: str) -> Channel:
        channel = self.adapter.open_channel(lambda _: self._serving_closed(env_id, channel))
        channel.on_cancel = self._on_cancel
        self._serving[env_id] = channel
        return channel

    def inbox(
        self, exchange: str, keys: Sequence[str], mailbox: Mailbox, token: Any, *, prefetch: int, deadline: float
    ) -> AmqpSubscription:
        spec = topology.inbox_spec(exchange, keys[0])
        return self._own(spec, exchange, keys, mailbox, token, prefetch=prefetch, deadline=deadline)

    def listen(
        self, exchange: str, patterns: Sequence[str], mailbox: Mailbox, token: Any, deadline: float
    ) -> AmqpSubscription:
        spec = topology.observer_spec(topology.observer_queue(self.incarnation, next(self._observers)))
        return self._own(spec, exchange, patterns, mailbox, token, prefetch=0, deadline=deadline)

    def _own(
        self, spec: QueueSpec, exchange: str, keys: Sequence[str], mailbox: Mailbox, token: Any,
        *, prefetch: int, deadline: float,
    ) -> AmqpSubscription:  # fmt: skip
        """Declare and bind an exclusive queue, then consume it. Nobody waits for the consumer: the queue keeps all."""
        binds = methods.bind(spec.name, exchange, [topology.shortstr(key) for key in keys])
        self._outlive(spec.name, deadline)
        undo = [methods.delete_queue(spec.name)]
        try:
            calls = [methods.declare_queue(spec), *binds]
            self._declare(calls, deadline, f"declaring {topology.shown(spec.name)!r}", undo)
        except TopologyMissing:
            self._drop(spec.name)  # it was declared before the bind was refused
            raise
        with self.lock:
            self.check()
            ours = self.incarnation in spec.name
            channel = self._deliveries if ours else self._open_shared()
            keyed = topology.EXCHANGES.get(exchange) == "topic"
            found = self._subscribe(spec.name, channel, mailbox, token, acks=prefetch > 0, keyed=keyed)
            found.binds = binds
            if channel.acks is not None:
                channel.acks.begin(found.tag, prefetch)
            calls = [methods.consume(spec.name, found.tag, acks=found.acks)]
            if prefetch and not (ours and prefetch == self._prefetch):
                calls.insert(0, methods.prefetch(prefetch))
                self._prefetch = prefetch if ours else self._prefetch
            channel.call(calls)
        self.written()
        return found

    def _open_shared(self) -> Channel:
        """A channel for a queue whose name another connection may have had a moment ago.

        RabbitMQ deletes such a queue by its name, maybe so late that it hits ours; to consume it is refused then.
        """

        def cancelled(tag: str) -> None:
            self._on_cancel(tag)
            channel.close()

        channel = self.adapter.open_channel(lambda _: self._end_all(channel))
        channel.on_cancel = cancelled
        return channel

    def _subscribe(
        self, queue: str, channel: Channel, mailbox: Mailbox, token: Any, *, acks: bool, keyed: bool = False
    ) -> AmqpSubscription:
        tag = consumer_tag(next(self._tags))
        found = AmqpSubscription(queue, channel, tag, self.own(mailbox), token, acks=acks, keyed=keyed)
        self._subscriptions[tag] = found
        return found

    def _declare(self, calls: Sequence[Any], deadline: float, what: str, undo: Sequence[Any] = ()) -> Any:
        """Declare on the control channel, wait, and give the last reply. ``undo`` is said if that does not come.

        A refusal closes that channel; the next declare opens another.
        """
        self.check()
        try:
            if not self._control_turn.acquire(timeout=max(deadline - time.monotonic(), 0)):
                raise BrokerTimeout(f"{self.label} did not answer others in time; not even begun: {what}")
            return self._declare_now(calls, deadline, what, undo)
        finally:
            try:  # noqa: SIM105 - a Ctrl-C could strike in suppress(), before the release
                self._control_turn.release()
            except RuntimeError:
                pass  # another thread has it

    def _declare_now(self, calls: Sequence[Any], deadline: float, what: str, undo: Sequence[Any]) -> Any:
        try:
            done = Waiter()
            with self.lock:
                self._tell(calls, done)
            self.written()
            return self.reply(done, deadline, what)
        except BaseException:
            with self.lock:
                if self._control is not None:
                    self._control.close(undo)  # a late reply must not be taken for that of the next declare
                    self._control = None
            raise

    def declare_kept(self, exchange: str, key: str, deadline: float, *more: Any) -> Any:
        """Declare and bind the queue that keeps one message, and say ``more``; gives the last reply."""
        spec = topology.kept_spec(key)
        calls = [methods.declare_queue(spec), *methods.bind(spec.name, exchange, [key]), *more]
        return self._declare(calls, deadline, f"what is kept in {key!r}")

    def _tell(self, calls: Sequence[Any], done: Waiter | None = None) -> None:
        if self._control is None:
            self._control = self.adapter.open_channel(self._control_closed)
        self._control.call(calls, done.put if done is not None else None)

    def _drop(self, queue: str) -> None:
        with self._control_turn, self.lock:
            self._tell([methods.delete_queue(queue)])

    def cancel(self, subscription: Subscription) -> None:
        self.check()
        if not isinstance(subscription, AmqpSubscription):
            raise TypeError(f"expected a subscription of {self.label}, got {subscription!r}")
        channel, tag, queue = subscription.channel, subscription.tag, subscription.queue
        with self.lock:
            if channel.error is not None or tag not in self._subscriptions or queue in self._ending:
                return
            subscription.announced = False
            serving = channel in self._serving.values()
            if channel is self._deliveries:
                # Its consumer ends with it. On this channel, as the broker may not have heard of that consumer yet.
                self._ending[queue] = Waiter()
                channel.call([methods.delete_queue(queue, answered=True)], lambda reply: self._on_deleted(queue, reply))
            elif serving:
                channel.call([methods.cancel(tag)], lambda _: self._on_cancel(tag))
            else:
                channel.on_cancel(tag)
        if not serving and channel is not self._deliveries:
            self._drop(queue)  # where its next declare will be: channels overtake one another
        self.written()

    def _on_deleted(self, queue: str, reply: Any) -> None:
        """The broker has deleted it. Called with the lock held."""
        self._ending.pop(queue).put(reply)

    def outlive(self, subscription: Subscription, deadline: float) -> None:
        with self.lock:
            if not isinstance(subscription, AmqpSubscription) or subscription.tag not in self._subscriptions:
                return
            subscription.ended = ended = Waiter()  # the broker's word of its end comes behind all that it delivered
        self.reply(ended, deadline, f"ending {topology.shown(subscription.queue)!r}")

    def _outlive(self, queue: str, deadline: float) -> None:
        """Wait until our former queue of that name is gone: its delete might come after the declare of the new one."""
        ended = self._ending.get(queue)
        if ended is not None:
            self.reply(ended, deadline, f"deleting {topology.shown(queue)!r}")

    def own(self, mailbox: Mailbox) -> AmqpMailbox:
        """``mailbox`` itself, if it is of this connection."""
        if not isinstance(mailbox, AmqpMailbox) or mailbox.connection is not self:
            raise TypeError(f"expected a mailbox of this connection to {self.label}, got {mailbox!r}")
        return mailbox

    def deliver(self, method: bytes, header: bytes, body: bytes) -> None:
        """Put a delivery into its mailbox. Called with the lock held."""
        tag, number, redelivered = delivery(method)
        found = self._subscriptions.get(tag)
        if found is None:
            return
        if found.keyed:
            found.deliver(number, redelivered, body, routing_key(method))
            return
        if header[12:] == NO_PROPERTIES:
            found.come_by(method, self.adapter.reader.routes)
        found.deliver(number, redelivered, body)

    def _on_cancel(self, tag: str) -> None:
        """The queue of a subscription is gone, or the subscription was cancelled by ``cancel``."""
        found = self._subscriptions.get(tag)
        if found is None:
            return
        found.leave(self.adapter.reader.routes)
        if found.channel.acks is not None:
            found.channel.acks.end(tag)
        del self._subscriptions[tag]  # not before: where a Ctrl-C strikes, who cancels again finishes it
        if found.ended is not None:
            found.ended.put(None)
        if found.announced:
            found.box.put(Arrival(Kind.CANCELLED, found.token, b""))

    def _serving_closed(self, env_id: str, channel: Channel) -> None:
        if self._serving.get(env_id) is channel:
            del self._serving[env_id]
        self._end_all(channel)

    def _end_all(self, channel: Channel) -> None:
        """The subscriptions of a channel that is closed."""
        for tag, found in list(self._subscriptions.items()):
            if found.channel is channel:
                self._on_cancel(tag)

    def _control_closed(self, error: BrokerError) -> None:
        self._control = None  # whoever declares hears the error

    def _deliveries_closed(self, error: BrokerError) -> None:
        self.adapter.fail(f"the channel of all deliveries is closed: {error}")
