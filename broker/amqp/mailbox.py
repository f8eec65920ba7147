"""Where arrivals of an AMQP connection come to; who waits there reads the socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from broker.amqp.pump import Waiter
from broker.errors import again
from broker.joining import refuse_chains

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.amqp.consuming import Consuming
    from broker.port import Arrival, Mailbox


class AmqpMailbox(Waiter):
    """Mailbox of an AMQP connection."""

    __slots__ = ("connection", "joined", "many")

    def __init__(self, connection: Consuming) -> None:
        super().__init__()
        self.connection = connection
        self.joined = self.many = False

    def get(self, deadline: float) -> Arrival | None:
        connection, items = self.connection, self.items
        while True:
            if not items:
                if connection.refusal is not None:
                    raise again(connection.refusal)
                connection.pump.wait(self, deadline)
                if items or connection.refusal is not None or time.monotonic() < deadline:
                    continue
                return None
            arrival: Arrival = items.popleft()
            # after a loss, what needs settling belongs to the broker again
            if connection.refusal is None or not (arrival.tag or connection.inherited):
                return arrival

    def run(self, handle: Callable[[Arrival], None], deadline: float) -> None:
        while time.monotonic() < deadline:
            arrival = self.get(deadline)
            if arrival is None:
                return
            handle(arrival)

    def join(self, other: Mailbox) -> None:
        connection = self.connection
        box = connection.own(other)
        with connection.lock:  # whoever reads puts with it held
            refuse_chains(self, box)
            self.joined = box.many = True
            box.items.extend(self.items)
            self.items, self.alarm = box.items, box.alarm
        box.alarm.ring()
