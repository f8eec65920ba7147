"""Who leads a shared evaluation: a thread beside the player that was first to declare the evaluation's queue.

It hands out episodes, gathers results, and finds dead players: whatever it sends them comes back. How far it has come
lies at the broker, so that whoever leads next goes on from there, and who comes when all is done finds the result.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from agent_worker.evaluation_ledger import Ledger
from agent_worker.evaluation_messages import Kept, Probe, Take, decode, encode
from broker import topology
from broker.errors import BrokerError, QueueTaken
from broker.port import Kind
from protocol.errors import DecodeError

if TYPE_CHECKING:
    from agent_worker.evaluation_ledger import Answers
    from agent_worker.evaluation_messages import Settings
    from broker.port import Arrival, Connection, Mailbox, Subscription

log = logging.getLogger("gymbroker")

LOOK_S = 0.5
"""How often it looks whether a player has been silent for too long."""

PROBE_S = 2.0
"""How often it asks players that hold episodes whether they live."""

KEEP_S = 5.0
"""How often it keeps at the broker how far it has come."""

TAKEOVER_S = 3.0
"""How long players of a leader that is gone have to say what they hold; they speak once a second."""

DECLARE_S = 30.0


class EvaluationError(Exception):
    """A shared evaluation cannot go on; the text says why."""


class OtherSettings(EvaluationError, ValueError):
    """Under this name others play, or have played, by other settings."""

    @classmethod
    def of(cls, name: str, theirs: Settings, ours: Settings) -> OtherSettings:
        """Say where they differ."""
        return cls(f"evaluation {name!r} is one of {theirs.differences(ours)}; give yours another name")


class Leader:
    """Leads until it is stopped or its connection is lost. Made by ``elect``."""

    def __init__(self, connection: Connection, key: str, mailbox: Mailbox, inbox: Subscription, ledger: Ledger) -> None:
        self.ledger = ledger
        """Of the thread; others may only ask for ``results``."""
        self._connection, self._key, self._mailbox, self._inbox = connection, key, mailbox, inbox
        self._kept = -1
        self._keep_at = self._probe_at = self._look_at = 0.0
        self._watched: set[str] = set()
        self._stopping = False
        self.failure: Exception | None = None
        """What ended it, if that was neither ``stop`` nor the broker: the player beside it raises it."""
        self._thread = threading.Thread(target=self._run, name="evaluation leader", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it leads no more."""
        return not self._thread.is_alive()

    def stop(self, timeout: float) -> None:
        """End it, and keep how far it has come."""
        self._stopping = True
        if self._thread.is_alive() and not self._connection.closed:
            self._connection.send(topology.EVALUATIONS, self._key, b"")  # to wake it
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._handle(self._mailbox.get(time.monotonic() + LOOK_S), time.monotonic())
            self._keep(time.monotonic())
        except BrokerError as error:
            log.debug("this process leads the evaluation no more: %s", error)
        except Exception as error:  # noqa: BLE001 - a fault of ours; its thread has nobody to raise it to
            self.failure = error
        finally:  # whatever ended it: while the queue is there, nobody else can lead
            self._resign()

    def _resign(self) -> None:
        if self._connection.closed:
            return
        try:
            for player in self._watched:
                self._connection.unwatch(topology.player_key(self._key, player))
            self._connection.cancel(self._inbox)
        except BrokerError as error:
            log.debug("giving up the lead: %s", error)

    def _handle(self, arrival: Arrival | None, now: float) -> None:
        answers: Answers = []
        if arrival is not None and arrival.kind is Kind.MESSAGE:
            answers = self._hear(arrival.body, now)
        elif arrival is not None and arrival.kind is Kind.RETURNED:
            answers = self._lose(arrival.token, now)
        elif arrival is not None:
            self._stopping = True  # somebody deleted the queue
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            answers += self.ledger.look(now)
            self._probe(now)
        if self.ledger.done or now >= self._keep_at:
            self._keep(now)  # before anybody is told that all is done
        for player, answer in answers:
            self._connection.send(topology.EVALUATIONS, topology.player_key(self._key, player), encode(answer))

    def _hear(self, body: bytes, now: float) -> Answers:
        try:
            take = decode(body)
        except DecodeError as error:
            if body:
                log.debug("not of a player: %s", error)
            return []
        if not isinstance(take, Take) or not (take.player.isalnum() and len(take.player) <= 32):
            return []
        if take.player not in self._watched:
            self._watched.add(take.player)
            self._connection.watch(topology.player_key(self._key, take.player), self._mailbox, take.player)
        return self.ledger.hear(take, now)

    def _lose(self, player: str, now: float) -> Answers:
        if player in self.ledger.holders():
            log.warning("a player of the evaluation is gone; what it played is played again")
        return self.ledger.lose(player, now)

    def _probe(self, now: float) -> None:
        if now >= self._probe_at:
            self._probe_at = now + PROBE_S
            body = encode(Probe(self.ledger.leader, 0))
            for player in self.ledger.holders():
                self._connection.send(topology.EVALUATIONS, topology.player_key(self._key, player), body)

    def _keep(self, now: float) -> None:
        if len(self.ledger.results) != self._kept:
            self._keep_at = now + KEEP_S + len(self.ledger.results) // 10_000  # many take a while to be written
            keep(self._connection, self._key, self.ledger.kept(now))
            self._kept = len(self.ledger.results)


def elect(connection: Connection, name: str, settings: Settings) -> Leader | None:
    """Lead, if nobody does. Raises ``OtherSettings``, ``TopologyMissing`` and other ``BrokerError``."""
    key, mailbox, deadline = topology.evaluation_key(name), connection.mailbox(), time.monotonic() + DECLARE_S
    try:
        inbox = connection.inbox(topology.EVALUATIONS, [key], mailbox, None, prefetch=0, deadline=deadline)
    except QueueTaken:
        return None
    kept = find_kept(connection, key)
    if kept is not None and kept.settings != settings:
        connection.cancel(inbox)
        raise OtherSettings.of(name, kept.settings, settings)
    now = time.monotonic()
    begun = kept is not None and not kept.done
    ledger = Ledger(settings, connection.incarnation, now, kept=kept, opens=now + TAKEOVER_S if begun else now)
    if kept is None:
        keep(connection, key, ledger.kept(now))  # from now on whoever leads knows that it is not the first
    log.info("evaluation %s: this worker leads; %d of %d are done", name, len(ledger.results), settings.episodes)
    return Leader(connection, key, mailbox, inbox, ledger)


def keep(connection: Connection, key: str, kept: Kept) -> None:
    """Let the broker keep how far an evaluation has come."""
    deadline = time.monotonic() + DECLARE_S
    connection.keep(topology.EVALUATIONS, topology.evaluation_kept_key(key), encode(kept), deadline)


def find_kept(connection: Connection, key: str) -> Kept | None:
    """What is kept of an evaluation. What cannot be read counts as nothing, and is overwritten."""
    body = connection.kept(topology.EVALUATIONS, topology.evaluation_kept_key(key), time.monotonic() + DECLARE_S)
    if body is None:
        return None
    try:
        kept = decode(body)
    except DecodeError as error:
        log.warning("what is kept of the evaluation cannot be read, so it begins anew: %s", error)
        return None
    return kept if isinstance(kept, Kept) else None
