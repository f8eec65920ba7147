"""One AMQP channel. Requests go out without waiting for one another; their replies come back in the same order.

pika's own ``Channel`` sends one request at a time; a declare, two binds and a consume would be four round trips.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from pika import frame, spec

from broker import topology
from broker.amqp.strikes import is_strike
from broker.errors import AccessRefused, BrokerError, QueueTaken, TopologyMissing
from broker.port import Arrival, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broker.amqp.acks import Acks
    from broker.amqp.adapter import Adapter
    from broker.topology import QueueSpec

Reply = Any
"""The method that the broker answered with, the ``Arrival`` that ``get`` asked for, or a ``BrokerError``."""


class Channel:
    """Used with the connection's lock held. ``on_closed(error)`` is called when the broker closes it, at most once."""

    def __init__(self, adapter: Adapter, number: int, on_closed: Callable[[BrokerError], None]) -> None:
        self.adapter, self.number = adapter, number
        self.error: BrokerError | None = None
        """Why it is closed; None while it is open."""
        self.on_confirm: Callable[[bool, int, bool], None] = lambda routed, tag, multiple: None
        self.on_cancel: Callable[[str], None] = lambda consumer_tag: None
        self.acks: Acks | None = None
        """What settles its deliveries, where not each is acked at once."""
        self._on_closed = on_closed
        self._replies: deque[Callable[[Reply], None]] = deque()
        self.call([spec.Channel.Open()])

    def call(self, methods: Sequence[Any], on_reply: Callable[[Reply], None] | None = None) -> None:
        """Send methods in one write. ``on_reply`` gets the reply to the last of them that has one."""
        if self.error is not None:
            raise self.error
        waiting = [method for method in methods if method.synchronous and not getattr(method, "nowait", False)]
        data = b"".join(frame.Method(self.number, method).marshal() for method in methods)
        try:
            if waiting:
                self._replies.extend([*[_ignore] * (len(waiting) - 1), on_reply or _ignore])
            self.adapter.write(data)
        except BaseException as error:
            if is_strike(error):  # what is waited for and what was asked for may differ now
                self.adapter.interrupted()
            raise

    def publish(self, exchange: str, key: str, body: bytes, **properties: Any) -> None:
        """Publish mandatory, with properties; for what is not on the hot path."""
        method = spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=True)
        self.adapter.send_message(self.number, method, spec.BasicProperties(**properties), body)

    def close(self, last: Sequence[Any] = ()) -> None:
        """Give it up: nothing that comes on it counts any more. ``last`` are methods that it says before."""
        if self.error is None:
            self.error = BrokerError(f"channel {self.number} is closed")
            self._replies.clear()
            methods = [*last, spec.Channel.Close(200, "", 0, 0)]
            self.adapter.write(b"".join(frame.Method(self.number, method).marshal() for method in methods))

    def release(self) -> None:
        """Its connection has ended: let go of all who were to be called."""
        self._on_closed = self.on_cancel = _ignore
        self.on_confirm = lambda routed, tag, multiple: None
        self._replies.clear()

    def on_method(self, method: Any) -> None:
        """A method that is no message has come."""
        if isinstance(method, spec.Channel.CloseOk):
            self.adapter.channels.pop(self.number, None)
        elif isinstance(method, spec.Channel.Close):
            self.adapter.write(frame.Method(self.number, spec.Channel.CloseOk()).marshal())
            if self.error is None:
                self.adapter.channels.pop(self.number, None)
                self._end(_explain(method.reply_code, method.reply_text, self.adapter.url.label))
            # else both have closed it at the same time, and the broker's answer to ours is still to come
        elif self.error is not None:
            return
        elif isinstance(method, spec.Basic.Cancel):
            self.on_cancel(method.consumer_tag)
        elif isinstance(method, (spec.Basic.Ack, spec.Basic.Nack)):
            self.on_confirm(isinstance(method, spec.Basic.Ack), method.delivery_tag, method.multiple)
        elif isinstance(method, spec.Channel.Flow):
            self.call([spec.Channel.FlowOk(method.active)])
        else:
            self._replies.popleft()(method)

    def on_got(self, tag: int, body: bytes) -> None:
        """The reply to ``get`` is a message."""
        if self.error is None:
            self._replies.popleft()(Arrival(Kind.MESSAGE, None, body, tag=tag, source=self))

    def _end(self, error: BrokerError) -> None:
        if self.error is None:
            self.error = error
            for on_reply in self._replies:
                on_reply(error)
            self._on_closed(error)


def _ignore(reply: Reply) -> None:
    """For replies that say nothing: an error closes the channel, and its owner hears of that."""


def _explain(code: int, text: str, label: str) -> BrokerError:
    text = topology.shown(text)
    if code == 404 and "no exchange" in text:
        return TopologyMissing(f"{label}: {text}; no env worker has declared it there")
    if code == 403:
        return AccessRefused(f"{label}: {text}")
    if code == 405:
        return QueueTaken(f"{label}: {text} (the queue is exclusive to another connection)")
    if code == 404 and "no queue" in text:
        return QueueTaken(f"{label}: {text} (it was deleted while it was being declared)")
    return BrokerError(f"{label}: {code} {text}")


def declare_exchange(name: str, kind: str) -> Any:
    """A durable exchange."""
    return spec.Exchange.Declare(exchange=name, type=kind, durable=True, nowait=True, arguments={})


def declare_queue(queue: QueueSpec) -> Any:
    """A queue: durable, or exclusive to this connection."""
    return spec.Queue.Declare(
        queue=queue.name, durable=queue.durable, exclusive=not queue.durable, nowait=True, arguments=queue.arguments()
    )


def bind(queue: str, exchange: str, keys: Sequence[str]) -> list[Any]:
    """One bind for each key; only the last is answered."""
    last = len(keys) - 1
    return [
        spec.Queue.Bind(queue=queue, exchange=exchange, routing_key=key, nowait=at < last, arguments={})
        for at, key in enumerate(keys)
    ]


def delete_queue(queue: str, *, answered: bool = False) -> Any:
    """Delete a queue and what is in it."""
    return spec.Queue.Delete(queue=queue, nowait=not answered)


def prefetch(count: int) -> Any:
    """Most unsettled messages of each consumer that starts after this."""
    return spec.Basic.Qos(prefetch_count=count, global_qos=False)


def consume(queue: str, consumer_tag: str, *, acks: bool) -> Any:
    """Take messages of a queue."""
    return spec.Basic.Consume(queue=queue, consumer_tag=consumer_tag, no_ack=not acks, arguments={})


def get(queue: str) -> Any:
    """Ask for one message of a queue, to be settled."""
    return spec.Basic.Get(queue=queue, no_ack=False)


def cancel(consumer_tag: str) -> Any:
    """Take no more messages; it is answered."""
    return spec.Basic.Cancel(consumer_tag=consumer_tag)


def confirm_select() -> Any:
    """Ask for confirms of what is published on this channel."""
    return spec.Confirm.Select(nowait=True)


def message_id(header: bytes) -> str:
    """The message id among the properties in a header frame's payload."""
    found = spec.BasicProperties().decode(header, 12).message_id
    return found if isinstance(found, str) else ""
