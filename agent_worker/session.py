"""An open episode that a thread waits on: replies, probes, coming back after a broken connection.

A step's way: ``RemoteEnv.step`` -> ``Session.request`` -> ``AgentDialogue.ask`` -> ``Connection.send`` -> queue, and
the reply back through ``Mailbox.get`` -> ``AgentDialogue.receive``.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from agent_worker import caretaker, opening
from agent_worker.episode import CLOSE_PROBE_S, FLOOD_S, Episode
from agent_worker.errors import ProtocolFailure
from broker import backoff, shared, topology
from broker.errors import BrokerError, ConnectionLost
from broker.port import Kind
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.messages import Working

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_worker.opened import Opened
    from agent_worker.wish import Wish
    from broker.port import Arrival, Connection, Mailbox
    from protocol.messages import Message, Request

log = logging.getLogger("gymbroker")

REVIVE_S = 10.0
"""How long the caretaker looks for a broker at a time: it has other sessions to look after."""

REVIVED_S = 2.0
"""How long it may hold a session that comes back, once the broker is there."""


class Session(Episode):
    """One open episode. Made by ``Session.open``; one thread at a time may use it."""

    def __init__(self, wish: Wish, opened: Opened) -> None:
        super().__init__(wish, opened)
        self._using = threading.Lock()
        """Held by who uses the session: its user, or for a moment the caretaker."""
        self._mailbox_on: Callable[[Connection], Mailbox] = lambda connection: connection.mailbox()

    @property
    def mailbox(self) -> Mailbox:
        """Where its arrivals come to now."""
        return self._mailbox

    @classmethod
    def open(cls, wish: Wish, given_up: threading.Event | None = None) -> Session:
        """Ask for an env and wait until it is there. Raises ``RemoteEnvError`` and ``BrokerError``.

        ``given_up``: set from another thread, it ends the waiting with ``GivenUp`` soon.
        """
        session = cls(wish, opening.open_episode(wish, given_up))
        caretaker.watch(session)
        return session

    def request(self, kind: type[Request], timeout: float, **fields: Any) -> Message:
        """Ask, and wait ``timeout`` seconds at the most for the reply. Raises ``RemoteEnvError``, ``BrokerError``."""
        with self._using:
            try:
                self._ask(kind, fields)
            except ConnectionLost as error:
                self._resume(error, time.monotonic() + timeout)
            return self._wait(timeout)

    def send(self, kind: type[Request], timeout: float | None, **fields: Any) -> None:
        """Ask without waiting; next: ``wait``. ``timeout``: for coming back, should the connection be broken.

        None: ``wait`` comes back. The request is pending also if ``BrokerError`` is raised.
        """
        with self._using:
            self._begin(time.monotonic())
            try:
                self._ask(kind, fields)
            except ConnectionLost as error:
                if timeout is not None:
                    self._resume(error, time.monotonic() + timeout)

    def wait(self, timeout: float) -> Message:
        """Wait (again) for the reply to the request that is pending. Raises ``NothingPending`` if none is."""
        with self._using:
            if not self.pending:
                raise self._idle()
            return self._wait(timeout)

    def _wait(self, timeout: float) -> Message:
        started = time.monotonic()
        deadline = started + timeout
        self._begin(started)
        while True:
            try:
                arrival = self._mailbox.get(min(deadline, self._probe_at, self.lost_until))
                if arrival is not None:
                    reply = self._arrived(arrival)
                    if reply is not None:
                        return reply
                    if time.monotonic() < deadline + FLOOD_S:
                        continue  # behind it may be the reply, which has come already
                now = time.monotonic()
                if deadline <= now < self.lost_until:
                    raise self.overdue(now - started)
                self._look(now)
            except ConnectionLost as error:
                self._resume(error, deadline)

    def gather(self, mailbox_on: Callable[[Connection], Mailbox]) -> None:
        """From now on its arrivals come to the mailbox that ``mailbox_on`` gives for a connection: see ``Gathering``.

        ``take`` and ``look`` stand for ``wait`` then.
        """
        with self._using:
            self._mailbox_on = mailbox_on
            if not self._connection.closed:
                mailbox = mailbox_on(self._connection)
                if mailbox is not self._mailbox:
                    self._mailbox.join(mailbox)
                    self._mailbox = mailbox

    def take(self, arrival: Arrival) -> Message | None:
        """The reply to the pending request, or None if this was something else. Raises as ``wait``."""
        with self._using:
            return None if self.ended else self._arrived(arrival)

    def take_closed(self, arrival: Arrival) -> bool:
        """After ``begin_close``: whether ``arrival`` is the end."""
        with self._using:
            try:
                return self._hear_closed(arrival)
            except RemoteProtocolError as error:
                log.debug("closing %s: %s", self.env_id, error)
                return True

    def look(self, now: float, deadline: float) -> Message | None:
        """Do what is due while a request is pending. Raises ``WorkerLost``; ``BrokerError`` if it cannot come back.

        None: a reply never comes of a look here (of a ``LastingSession`` it may).
        """
        with self._using:
            if self._connection.closed:
                self._resume(None, deadline)
            try:
                self._look(now)
            except ConnectionLost as error:
                log.debug("%s: %s", self.env_id, error)  # the next look comes back
            return None

    def probe(self) -> None:
        """Send a probe: it comes back if nobody is there. Raises ``BrokerError``."""
        with self._using:
            self._connection.send(topology.ACTS, self._key, self._dialogue.probe())

    def revive(self) -> None:
        """If the connection broke while nobody used the session: come back, so that the worker knows that we live.

        Its user may come at any moment: the session is not held while the broker is looked for.
        """
        if not self._connection.closed or self.ended:
            return
        shared(self._wish.broker, timeout_s=min(self._wish.reconnect_timeout, REVIVE_S), name=self._wish.name)
        if self._using.acquire(blocking=False):
            try:
                if not self.ended and self._connection.closed:
                    self._resume(None, time.monotonic() + REVIVED_S)
            finally:
                self._using.release()

    def _resume(self, loss: ConnectionLost | None, deadline: float) -> None:
        """Our connection broke: open a new one, say ``resume`` at the worker's control key, and ask again.

        A broker that comes up may break the new one, too: then once more, until the time is up.
        """
        until = min(deadline, time.monotonic() + self._wish.reconnect_timeout)
        for breaks in itertools.count(1):
            log.warning("%s; connecting again for %s", loss or "the connection broke", self.env_id)
            left = max(0.0, until - time.monotonic())
            connection = shared(self._wish.broker, timeout_s=left, name=self._wish.name)
            try:
                mailbox = self._mailbox_on(connection)
                self._move(connection, mailbox, self.new_inbox(connection, mailbox, deadline))
                return
            except ConnectionLost as error:
                if time.monotonic() >= until:
                    raise
                loss = error
                time.sleep(backoff(breaks))  # nothing can come meanwhile: there is no connection

    def ping(self, timeout: float) -> float:
        """Seconds of a round trip to the worker and back, without its env. Raises as ``request`` does."""
        started = time.monotonic()
        deadline = started + timeout
        self._connection.send(topology.ACTS, self._key, self._dialogue.probe())
        while time.monotonic() < deadline:
            arrival = self._mailbox.get(min(deadline, self.lost_until))
            if arrival is None:
                break
            if arrival.kind is not Kind.MESSAGE:
                raise self._lost()
            try:
                if isinstance(self._dialogue.receive(arrival.body), Working):
                    return time.monotonic() - started
            except RemoteProtocolError as error:
                raise ProtocolFailure(f"{self.env_id}: the worker broke the protocol: {error}") from error
        raise self.overdue(time.monotonic() - started)

    def forked(self) -> None:
        """In a forked child: who used it was a thread of the parent. The connection says what is wrong now."""
        self._using = threading.Lock()

    @property
    def in_use(self) -> bool:
        """Whether a thread is in one of its methods, and may wait there."""
        return self._using.locked()

    def is_free(self, timeout: float) -> bool:
        """Whether no thread is in one of its methods, or leaves it within ``timeout`` seconds."""
        free = self._using.acquire(timeout=max(0.0, timeout))
        if free:
            self._using.release()
        return free

    def close(self, timeout: float, reason: str = "") -> None:
        """End the episode, and wait for that for ``timeout`` seconds at most. Never raises; safe to call twice."""
        if caretaker.interrupts():
            caretaker.drop(self)
            return
        self.end(timeout, reason)

    def end(self, timeout: float, reason: str = "") -> None:
        """``close``, for who has no request or lock of ours in hand, whatever module it is of."""
        try:
            if self.begin_close(reason):
                with self._using:
                    self._wait_closed(time.monotonic() + timeout)
        except (BrokerError, RemoteProtocolError) as error:
            log.debug("closing %s: %s", self.env_id, error)
        finally:
            self.finish_close()

    def begin_close(self, reason: str = "") -> bool:
        """Ask for the end without waiting. False: it has ended, or cannot be reached. Next: ``finish_close``."""
        with self._using:
            try:
                return self._say_close(reason)
            except (BrokerError, LocalProtocolError) as error:
                log.debug("closing %s: %s", self.env_id, error)
                return False

    def finish_close(self) -> None:
        """End it on our side, whatever the worker says. Safe to call twice."""
        with self._using:
            self._forget()

    def _wait_closed(self, deadline: float) -> None:
        pause = CLOSE_PROBE_S
        while not self.ended:
            arrival = self._mailbox.get(min(deadline, time.monotonic() + pause))
            if arrival is not None and self._hear_closed(arrival):
                return
            if time.monotonic() >= deadline:
                return
            if arrival is None:
                # The queue may have been deleted with the close in it, which tells nobody; a probe comes back.
                pause *= 2
                self._connection.send(topology.ACTS, self._key, self._dialogue.probe())
