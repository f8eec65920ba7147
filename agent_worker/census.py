"""Who is there: asks the env workers of a broker for their presence, and gathers what they say."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from broker import topology
from broker.errors import BrokerError, BrokerTimeout, TopologyMissing
from broker.port import Kind
from protocol.errors import DecodeError
from protocol.presence import ASK, WORKERS, Presence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.port import Connection, Subscription

log = logging.getLogger("gymbroker")

DECLARE_S = 5.0

LOOK_S = 0.5
"""How long an answer may take."""

FIND_S = 2.0
"""How soon nobody is believed to be there: a worker answers between two steps, and may be at a long one."""


def served_by(found: Iterable[Presence]) -> list[str]:
    """What these workers serve, sorted, each once."""
    return sorted({env_id for presence in found for env_id in presence.envs})


class Census:
    """Presence of env workers, gathered through one lossy queue that exists only if somebody asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._mailbox = connection.mailbox()
        self._subscription: Subscription | None = None
        self._workers: dict[str, Presence] = {}

    def ask(self) -> None:
        """Ask all workers to say that they are there. Their answers come a little later. Costs nothing if none is."""
        try:
            if self._subscription is None:
                deadline = time.monotonic() + DECLARE_S
                self._subscription = self._connection.listen(
                    topology.PRESENCE, [WORKERS], self._mailbox, self, deadline
                )
            self._connection.send(topology.PRESENCE, ASK, b"")  # an announcement may be mute, a question never
        except TopologyMissing:
            pass  # no worker has ever been here
        except BrokerTimeout as error:
            log.debug("nobody can be asked now: %s", error)  # it is a courtesy, and ends nothing

    def gather(self, deadline: float) -> list[Presence]:
        """What has been heard until ``deadline`` (``time.monotonic()``), by name."""
        while self._subscription is not None and time.monotonic() < deadline:
            arrival = self._mailbox.get(deadline)
            if arrival is None:
                break
            if arrival.kind is not Kind.MESSAGE:
                continue
            try:
                presence = Presence.decode(arrival.body)
            except DecodeError as error:
                log.debug("a presence that cannot be read: %s", error)
            else:
                self._workers[presence.incarnation] = presence
        return sorted(self._workers.values(), key=lambda presence: presence.worker)

    def look(self) -> list[Presence]:
        """Ask, and wait a moment for the answers."""
        self.ask()
        return self.gather(time.monotonic() + LOOK_S)

    def find(self) -> list[Presence]:
        """Look again and again until somebody answers, for ``FIND_S``: for who has not asked before."""
        deadline = time.monotonic() + FIND_S
        while True:
            found = self.look()
            if found or self._subscription is None or time.monotonic() >= deadline:
                return found

    def describe(self, env_id: str) -> str:
        """One phrase about who serves ``env_id`` now."""
        serving = [presence for presence in self.look() if env_id in presence.envs]
        if not serving:
            return "no worker that serves it is there now"
        free = sum(presence.free for presence in serving)
        return f"{len(serving)} worker(s) serve it, with {free} free slot(s)"

    def close(self) -> None:
        """Stop listening."""
        subscription, self._subscription = self._subscription, None
        if subscription is None or self._connection.closed:
            return
        try:
            self._connection.cancel(subscription)
        except BrokerError as error:
            log.debug("ending the census: %s", error)
