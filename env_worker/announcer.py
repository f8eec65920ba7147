"""How a worker says that it is there: on the lossy presence exchange, now and then and whenever something changes."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from broker import topology
from broker.port import Kind
from env_worker.slot import DECLARE_S
from protocol.presence import ASK, Presence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.port import Arrival, Connection, Mailbox, Subscription
    from env_worker.catalogue import Served

PRESENCE_S = 5.0
"""How often a worker says that it is there, whether anything changes or not."""


def stepper_name() -> str:
    """What people call the stepper of this process."""
    return f"{socket.gethostname()}/{os.getpid()}"


class Announcer:
    """Says of one worker what it serves and how many episodes it could still take."""

    def __init__(self, worker: str, catalogue: Served, capacity: int) -> None:
        self._worker, self._envs, self._capacity = worker, tuple(catalogue.entries), capacity
        self._connection: Connection
        self._mailbox: Mailbox
        self._questions: Subscription
        """Where it hears who asks."""
        self._renewed = 0.0

    def attach(self, connection: Connection, mailbox: Mailbox) -> None:
        """From now on, say so on this connection, and let ``mailbox`` hear who asks, for ``hear``."""
        self._connection, self._mailbox = connection, mailbox
        self._listen()

    def _listen(self) -> None:
        deadline = time.monotonic() + DECLARE_S
        self._questions = self._connection.listen(topology.PRESENCE, [ASK], self._mailbox, self, deadline)

    def announce(self, free: int, *, draining: bool) -> None:
        """Say it to whoever listens."""
        presence = self._presence(free, draining)
        self._connection.announce(topology.PRESENCE, presence.key, presence.encode())

    def hear(self, arrival: Arrival, free: int, *, draining: bool) -> None:
        """Say it to who has asked: an announcement may be mute, because nobody listened a while ago."""
        if arrival.kind is not Kind.MESSAGE:  # somebody has deleted the queue of questions
            self._listen()
        presence = self._presence(free, draining)
        self._connection.send(topology.PRESENCE, presence.key, presence.encode())

    def due(self, now: float) -> bool:
        """Whether it is time to ``renew``, and to say it again, whatever has been said meanwhile."""
        return now - self._renewed >= PRESENCE_S

    def renew(self, inboxes: Iterable[Subscription], now: float) -> None:
        """Declare anew what somebody may have deleted: also the lines of a full worker, which agents shall find.

        And bind what comes to ``inboxes``, and the questions.
        """
        self._renewed = now
        self._connection.renew(self._envs, [*inboxes, self._questions])

    def _presence(self, free: int, draining: bool) -> Presence:
        return Presence(self._worker, self._connection.incarnation, self._envs, self._capacity, free, draining)
