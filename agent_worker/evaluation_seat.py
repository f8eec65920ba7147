"""A player's place at the broker in a shared evaluation: its connection and queue, the way to the leader, the election.

The connection is its own: an exclusive queue belongs to a connection, and the shared one may have two players on it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent_worker.errors import UnknownEnv
from agent_worker.evaluation_leader import elect
from agent_worker.evaluation_messages import Answer, decode, encode
from broker import connect, topology
from broker.errors import BrokerError, ConnectionLost, TopologyMissing
from broker.port import Kind
from protocol.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_worker.evaluation_leader import Leader
    from agent_worker.evaluation_messages import Settings, Take
    from broker.port import Connection, Mailbox

log = logging.getLogger("gymbroker")

LOOK_S = 0.5
"""How often it looks whether an env worker has been there by now."""

TELL_EVERY_S = 5.0
DECLARE_S = 30.0
LEAVE_S = 5.0


class LeaderGone(Exception):
    """What was sent to the leader came back: its queue is not there any more."""


class Seat:
    """Made by ``Seat(...)``, taken by ``sit`` (again after ``ConnectionLost``), given up by ``leave``."""

    def __init__(self, name: str, settings: Settings, url: str) -> None:
        self.name, self._settings, self._url = name, settings, url
        self.leading: Leader | None = None
        """Set while this process leads."""
        self._key = topology.evaluation_key(name)
        self._connection: Connection | None = None
        self._mailbox: Mailbox | None = None
        self._told = 0.0

    @property
    def player(self) -> str:
        """Who we are to the leader; another one after each ``sit``."""
        assert self._connection is not None
        return self._connection.incarnation

    def sit(self, connect_timeout: float, deadline: float) -> None:
        """Connect, and lead if nobody does. ``deadline``: for an env worker to have been there.

        Raises ``OtherSettings``, ``UnknownEnv``, ``BrokerError``.
        """
        if self._connection is not None:
            self._connection.close()  # it may live: somebody may have deleted its queue only
        self.leading = None  # if it led, its thread ends with the connection that it had
        connection = connect(self._url, timeout_s=connect_timeout, name=f"evaluation {self.name}")
        self._connection, self._mailbox = connection, connection.mailbox()
        connection.watch(self._key, self._mailbox, None)
        key = topology.player_key(self._key, connection.incarnation)
        while True:
            try:
                give_up = time.monotonic() + DECLARE_S
                connection.inbox(topology.EVALUATIONS, [key], self._mailbox, None, prefetch=0, deadline=give_up)
                break
            except TopologyMissing:
                self._wait_for_topology(deadline)
        self.stand()

    def stand(self) -> None:
        """Lead, if nobody does. Raises ``OtherSettings``, ``BrokerError``."""
        assert self._connection is not None
        if self.leading is None or self.leading.over:
            self.leading = elect(self._connection, self.name, self._settings)

    def send(self, take: Take) -> None:
        """To the leader, whoever that is."""
        assert self._connection is not None
        self._connection.send(topology.EVALUATIONS, self._key, encode(take))

    def hear(self, deadline: float) -> Answer | None:
        """What the leader says next; None: nothing until ``deadline``. Raises ``LeaderGone``, ``BrokerError``."""
        assert self._mailbox is not None
        while (arrival := self._mailbox.get(deadline)) is not None:
            if self.leading is not None and self.leading.failure is not None:
                raise self.leading.failure
            if arrival.kind is Kind.RETURNED:
                self.tell("its leader is gone")
                raise LeaderGone
            if arrival.kind is Kind.CANCELLED:
                raise ConnectionLost(f"somebody deleted the queue of this player of evaluation {self.name!r}")
            try:
                answer = decode(arrival.body)
            except DecodeError as error:
                log.debug("evaluation %s: not of a leader: %s", self.name, error)
                continue
            if isinstance(answer, Answer):
                return answer
        return None

    def tell(self, what: str) -> None:
        """Say to people what we wait for, now and then."""
        if time.monotonic() - self._told >= TELL_EVERY_S:
            self._told = time.monotonic()
            log.warning("evaluation %s: %s", self.name, what)

    def leave(self, good_bye: Callable[[], Take | None]) -> None:
        """Give up the seat, and the lead. Never raises; safe to call twice."""
        if self._connection is None or self._connection.closed:
            return
        try:
            last = good_bye()
            if last is not None:
                self.send(last)
            if self.leading is not None:
                self.leading.stop(LEAVE_S)
        except BrokerError as error:
            log.debug("leaving evaluation %s: %s", self.name, error)
        finally:
            self._connection.close()

    def _wait_for_topology(self, deadline: float) -> None:
        assert self._connection is not None
        assert self._mailbox is not None
        at = self._connection.label
        if time.monotonic() >= deadline:
            raise UnknownEnv(f"{self._settings.env_id!r} is not served at {at}: no env worker has ever been there")
        self.tell(f"no env worker has ever been at {at}")
        self._mailbox.get(min(deadline, time.monotonic() + LOOK_S))
