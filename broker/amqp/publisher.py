"""Publishing beside the hot path: with a confirm, and without any promise. Each on a channel of its own."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from broker.amqp import channel as methods
from broker.amqp import framing
from broker.amqp.pump import Waiter
from broker.amqp.strikes import is_strike
from broker.port import Receipt

if TYPE_CHECKING:
    from broker.amqp.adapter import Adapter
    from broker.amqp.channel import Channel
    from broker.errors import BrokerError

MUTE_S = 2.0
"""How long nothing is announced under a key after an announcement came back."""

REFUSED_MUTE_S = 5.0
"""How long nothing is announced at all after the broker refused to take an announcement."""

MOST_KEYS = 512
"""So many keys are remembered of those that nobody says they are done with."""


class Pending:
    """A message whose confirm has not come; ``waiter`` gets a ``Receipt`` or a ``BrokerError``."""

    def __init__(self, exchange: str, key: str, body: bytes, properties: dict[str, Any]) -> None:
        self.exchange, self.key, self.body, self.properties = exchange, key, body, properties
        self.waiter = Waiter()
        self.returned = False


class Confirms:
    """Publishes with confirms. Used with the connection's lock held."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._channel: Channel | None = None
        self._numbers = itertools.count(1)
        self._pending: dict[int, Pending] = {}

    @property
    def number(self) -> int:
        """Number of its channel; 0 if it has none."""
        return self._channel.number if self._channel is not None else 0

    def publish(self, pending: Pending) -> None:
        """Send; the outcome comes to ``pending.waiter``."""
        try:
            if self._channel is None:
                self._channel = self._adapter.open_channel(self._on_closed)
                self._channel.on_confirm = self._on_confirm
                self._channel.call([methods.confirm_select()])
                self._numbers = itertools.count(1)
            number = next(self._numbers)
            self._pending[number] = pending
            # The id comes back with a return. A key does not tell which of two messages came back.
            properties = {"message_id": str(number), **pending.properties}
            self._channel.publish(pending.exchange, pending.key, pending.body, **properties)
        except BaseException as error:
            if is_strike(error):  # our numbers and the broker's may differ now
                self._adapter.interrupted()
            raise

    def forget(self, pending: Pending) -> None:
        """Nobody waits for it any more."""
        for number, one in list(self._pending.items()):
            if one is pending:
                del self._pending[number]

    def on_return(self, header: bytes) -> None:
        """A message came back; its confirm will follow."""
        pending = self._pending.get(int(methods.message_id(header) or 0))
        if pending is not None:
            pending.returned = True

    def _on_confirm(self, kept: bool, number: int, multiple: bool) -> None:
        numbers = [one for one in self._pending if one <= number] if multiple else [number]
        for one in numbers:
            pending = self._pending.pop(one, None)
            if pending is not None:
                outcome = Receipt.ROUTED if kept else Receipt.REFUSED
                pending.waiter.put(Receipt.UNROUTABLE if pending.returned else outcome)

    def _on_closed(self, error: BrokerError) -> None:
        """One publish was refused, and the broker dropped what came after it: send the others again."""
        self._channel = None
        waiting, self._pending = list(self._pending.values()), {}
        named = [pending for pending in waiting if f"'{pending.exchange}'" in str(error)] or waiting
        for pending in named:
            pending.waiter.put(error)
        for pending in waiting:
            if pending not in named:
                self.publish(pending)


class Announcer:
    """Publishes that nobody waits for. Used with the connection's lock held.

    They go out mandatory, because a return tells that nobody listens to their key: it is mute for a while then.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._channel: Channel | None = None
        self._heads: dict[tuple[str, str], bytes] = {}
        self._muted: dict[str, float] = {}
        self._muted_all = 0.0

    @property
    def number(self) -> int:
        """Number of its channel; 0 if it has none."""
        return self._channel.number if self._channel is not None else 0

    def is_muted(self, key: str) -> bool:
        """Whether an announcement under ``key`` would be dropped now. The one method that needs no lock."""
        until = max(self._muted.get(key, 0.0), self._muted_all)
        return until > 0.0 and until > time.monotonic()

    def publish(self, exchange: str, key: str, body: bytes) -> None:
        """Send."""
        if self._channel is None:
            self._channel = self._adapter.open_channel(self._on_closed)
            self._heads.clear()
        head = self._heads.get((exchange, key))
        if head is None:
            if len(self._heads) >= MOST_KEYS:
                self._heads.clear()
            head = self._heads[exchange, key] = framing.publish_head(self._channel.number, exchange, key)
        frame_max = self._adapter.params.frame_max
        self._adapter.write_pieces(framing.content(head, self._channel.number, body, frame_max))

    def on_return(self, key: str) -> None:
        """Nobody listens to ``key``."""
        if len(self._muted) >= MOST_KEYS:
            self._muted.clear()
        self._muted[key] = time.monotonic() + MUTE_S

    def _on_closed(self, error: BrokerError) -> None:
        self._channel = None
        self._muted_all = time.monotonic() + REFUSED_MUTE_S
