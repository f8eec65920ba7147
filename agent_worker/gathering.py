"""Several sessions that one thread waits for together: which is ready first?

Their mailboxes are joined into one, so that a wait costs what it costs for one session, however many there are.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from agent_worker import caretaker
from agent_worker.episode import CLOSE_PROBE_S, FLOOD_S
from agent_worker.errors import AlreadyPending, NothingPending, RemoteEnvError
from agent_worker.joint import Joint
from broker.errors import BrokerError, ConnectionLost
from protocol.messages import Message, Reset

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agent_worker.lasting import AnySession
    from broker.port import Arrival
    from protocol.messages import Request

log = logging.getLogger("gymbroker")

LOOK_S = 0.25
"""How often what is due is looked at: probes, workers that do not come back, broken connections."""

Outcome = Message | RemoteEnvError
"""What became of a request."""


class Gathering:
    """Sessions by number, in the order given, which are used through it only. One thread at a time.

    What goes wrong with one session is the outcome of its own request; the others go on. Methods raise
    ``BrokerError`` where the broker itself cannot be reached again, and ``wait_any`` may be called again then.
    """

    def __init__(self, sessions: Sequence[AnySession]) -> None:
        self.sessions = tuple(sessions)
        self._numbers = {session.token: number for number, session in enumerate(self.sessions)}
        self._ready: dict[int, Outcome] = {}
        """What nobody has been given yet, in the order it came."""
        self._look_at = 0.0
        alive = next((session for session in self.sessions if not session.connection.closed), self.sessions[0])
        self._joint = Joint(alive.connection, alive.mailbox)
        for session in self.sessions:
            session.gather(self._joint.on)

    def busy(self, number: int) -> bool:
        """Whether the session has been asked, and nobody has been given its outcome yet."""
        return number in self._ready or self.sessions[number].pending is not None

    def check(self, number: int, kind: type[Request]) -> None:
        """Raise what hinders the session from asking ``kind`` now. A ``reset`` may overtake what is pending."""
        session = self.sessions[number]
        session.check(kind)
        if number in self._ready and kind is not Reset:
            raise AlreadyPending(f"{session.env_id}: {kind.performative} is not legal before the last reply is taken")

    def ask(self, kind: type[Request], timeout: float, requests: Mapping[int, dict[str, Any]]) -> None:
        """Send each session its request, which ``check`` allows; ``requests`` has the fields by number.

        Next: ``wait_any`` or ``wait_all``; also after ``BrokerError``, as all have been asked then, or will be.
        """
        failed: BrokerError | None = None
        for number, fields in requests.items():
            self._ready.pop(number, None)
            try:
                self.sessions[number].send(kind, timeout if failed is None else None, **fields)
            except BrokerError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def wait_any(self, deadline: float) -> tuple[int, Outcome] | None:
        """The session that is ready first, and its reply or its error. None: ``deadline`` has passed.

        Raises ``NothingPending`` if there is nothing to wait for.
        """
        while not self._ready:
            if not any(session.pending for session in self.sessions):
                raise NothingPending(f"{self.sessions[0].env_id}: nothing has been asked that a reply could come to")
            if not self._turn(deadline) and not self._ready:
                return None
        number = next(iter(self._ready))
        return number, self._ready.pop(number)

    def wait_all(self, numbers: Collection[int], deadline: float) -> dict[int, Outcome] | None:
        """The outcomes of these sessions. None: ``deadline`` has passed; what came is kept for the next wait.

        Raises ``NothingPending`` unless all of them have been asked.
        """
        if not all(map(self.busy, numbers)):
            what = "nothing" if not any(map(self.busy, numbers)) else "not every episode of this vector env"
            raise NothingPending(f"{self.sessions[0].env_id}: {what} has been asked that a reply could come to")
        while not self._has(numbers):
            if not self._turn(deadline) and not self._has(numbers):  # the last may have come late
                return None
        return {number: self._ready.pop(number) for number in numbers}

    def _has(self, numbers: Collection[int]) -> bool:
        return len(self._ready) >= len(numbers) and all(number in self._ready for number in numbers)

    def _turn(self, deadline: float) -> bool:
        """Wait for one arrival, and do what is due. False: ``deadline`` has passed, and no more is there."""
        arrived = False
        try:
            arrived = self._take_one(min(deadline, self._look_at))
            due = time.monotonic() >= self._look_at
            flood = time.monotonic() + FLOOD_S
            while due and time.monotonic() < flood and self._take_one(0.0):
                pass  # what has come already may say that a worker is back, before it is taken for lost
        except ConnectionLost as error:
            log.debug("a broken connection: %s", error)
            due = True
        now = time.monotonic()
        if due:
            self._look(now, deadline)
        return now < deadline + (FLOOD_S if arrived else 0.0)

    def _take_one(self, deadline: float) -> bool:
        """Wait for one arrival, and take it in. False: ``deadline`` has passed."""
        arrival = self._joint.mailbox.get(deadline)
        if arrival is not None:
            self._take(arrival)
        return arrival is not None

    def _take(self, arrival: Arrival) -> None:
        number = self._number_of(arrival)
        if number is None:
            return
        session = self.sessions[number]
        try:
            reply = session.take(arrival)
        except RemoteEnvError as error:
            self._ready.setdefault(number, error)
            return
        if reply is not None:
            self._ready[number] = reply
        elif session.pending:
            self._look_at = min(self._look_at, session.lost_until)

    def _number_of(self, arrival: Arrival) -> int | None:
        """Whose it is; None: of a session that is with another worker by now."""
        number = self._numbers.get(arrival.token)
        if number is None:
            self._numbers = {session.token: number for number, session in enumerate(self.sessions)}
            number = self._numbers.get(arrival.token)
        return number

    def _look(self, now: float, deadline: float) -> None:
        self._look_at = now + LOOK_S
        for number, session in enumerate(self.sessions):
            if session.pending and number not in self._ready:
                try:
                    reply = session.look(now, deadline)
                    self._look_at = min(self._look_at, session.lost_until)
                except RemoteEnvError as error:
                    self._ready[number] = error
                else:
                    if reply is not None:
                        self._ready[number] = reply

    def overdue(self, waited_s: float) -> dict[int, RemoteEnvError]:
        """For each session that still waits: the error that says so."""
        waiting = {number for number, session in enumerate(self.sessions) if session.pending} - self._ready.keys()
        return {number: self.sessions[number].overdue(waited_s) for number in sorted(waiting)}

    @property
    def in_use(self) -> bool:
        """Whether a thread is in a method of one of its sessions, and may wait there."""
        return any(session.in_use for session in self.sessions)

    def close(self, timeout: float, reason: str = "") -> None:
        """End all episodes, and wait for that for ``timeout`` seconds at most. Never raises; safe to call twice."""
        if caretaker.interrupts():
            caretaker.drop(self)
            return
        waiting = {number for number, session in enumerate(self.sessions) if session.begin_close(reason)}
        try:
            self._wait_closed(waiting, time.monotonic() + timeout)
        except BrokerError as error:
            log.debug("closing %s: %s", self.sessions[0].env_id, error)
        finally:
            for session in self.sessions:
                session.finish_close()

    def _wait_closed(self, waiting: set[int], deadline: float) -> None:
        pause = CLOSE_PROBE_S
        while waiting:
            arrival = self._joint.mailbox.get(min(deadline, time.monotonic() + pause))
            if arrival is not None:
                number = self._number_of(arrival)
                if number in waiting and self.sessions[number].take_closed(arrival):
                    waiting.discard(number)
            if time.monotonic() >= deadline:
                return
            if arrival is None:
                pause *= 2
                for number in waiting:
                    self.sessions[number].probe()
