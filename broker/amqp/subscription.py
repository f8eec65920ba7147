"""A queue that an AMQP connection consumes, and how its messages come. Used with the connection's lock held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broker.amqp.framing import TAG_SIZE
from broker.amqp.route import Route
from broker.port import Arrival, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.amqp.channel import Channel
    from broker.amqp.mailbox import AmqpMailbox
    from broker.amqp.pump import Waiter

MESSAGE = Kind.MESSAGE


def consumer_tag(number: int) -> str:
    """One of ``TAG_SIZE`` characters; of more behind the first 2^32."""
    return f"{number:0{TAG_SIZE}x}"


class AmqpSubscription:
    """A consumer of ours: what comes goes to ``box`` with ``token``.

    ``acks``: each message is to be settled. ``keyed``: its key is told.
    """

    __slots__ = ("_prefix", "acks", "announced", "binds", "box", "channel", "ended", "keyed", "queue", "tag", "token")

    def __init__(
        self, queue: str, channel: Channel, tag: str, box: AmqpMailbox, token: Any, *, acks: bool, keyed: bool
    ) -> None:
        self.queue, self.channel, self.tag, self.box, self.token = queue, channel, tag, box, token
        self.acks, self.keyed = acks, keyed
        self.announced = True
        """Its owner wants to hear when it ends."""
        self.ended: Waiter | None = None
        """Who waits for its end."""
        self.binds: Sequence[Any] = ()
        """What binds its queue to an exchange, for ``Connection.renew``."""
        self._prefix = b""
        """Of the route that its messages come by, once one has come."""

    def deliver(self, number: int, redelivered: bool, body: bytes, key: str = "") -> None:
        """A message has come, with this delivery tag."""
        channel = self.channel
        if not self.acks:
            number = 0
        elif channel.acks is not None:
            channel.acks.deliver(number, self.tag)
        self.box.put(Arrival(MESSAGE, self.token, body, key, number, redelivered, channel))

    def come_by(self, method: bytes, routes: dict[bytes, Route]) -> None:
        """From now on small deliveries like the one with ``method`` come by a route, if they have no properties."""
        route = routes.get(self._prefix)
        if (route is None or not route.is_of(method)) and len(self.tag) == TAG_SIZE:
            self.leave(routes)
            route = Route(self.channel.number, method, self.deliver)
            self._prefix = route.prefix
            routes[self._prefix] = route

    def leave(self, routes: dict[bytes, Route]) -> None:
        """No more of them will come."""
        routes.pop(self._prefix, None)
