"""What all connections need at the broker, and declaring it anew without waiting, as somebody may have deleted it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from broker import topology
from broker.amqp import channel as methods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.amqp.adapter import Adapter
    from broker.amqp.channel import Channel
    from broker.errors import BrokerError

log = logging.getLogger("gymbroker")


def shared_by_all() -> list[Any]:
    """What declares the exchanges and the dead-letter queue."""
    exchanges = [methods.declare_exchange(name, kind) for name, kind in topology.EXCHANGES.items()]
    return [*exchanges, methods.declare_queue(topology.dead_spec()), *methods.bind(topology.DEAD, topology.DEAD, [""])]


def line_for(env_id: str) -> list[Any]:
    """What declares the queue of makes of an env, where agents stand in line, and lets them reach it."""
    spec = topology.requests_spec(env_id)
    return [methods.declare_queue(spec), *methods.bind(spec.name, topology.REQUESTS, [env_id])]


class Renewal:
    """A channel of its own: the broker closes it where a queue is gone that is to be bound, and refuses nobody else."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._channel: Channel | None = None

    def tell(self, calls: Sequence[Any]) -> None:
        """Declare all that is shared, then say ``calls``. Called with the connection's lock held."""
        if self._channel is None or self._channel.error is not None:
            self._channel = self._adapter.open_channel(_refused)
        self._channel.call([*shared_by_all(), *calls])


def _refused(error: BrokerError) -> None:
    log.debug("declaring anew: %s", error)  # who consumes that queue hears that it is gone
