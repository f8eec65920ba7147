"""A session that outlives its worker: ``on_worker_loss`` is ``truncate`` or ``replay``.

It is used like a ``Session``, and has one inside: when its worker is lost, the next one takes its place. A user's
thread waits for that in ``request`` and ``wait``; for a ``Gathering``, which serves others meanwhile, a thread of its
own does, and ``look`` sees what came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_worker import caretaker
from agent_worker.episode import NEVER
from agent_worker.errors import EnvClosed, GivenUp, RemoteEnvError, StepTimeout
from agent_worker.recovery import Recovery
from agent_worker.session import Session
from agent_worker.survival import Plan, Survival
from protocol.messages import Percept, Reset

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from agent_worker.wish import Wish
    from broker.port import Arrival, Connection, Mailbox
    from protocol.description import Description
    from protocol.messages import Message, Request


def open_session(wish: Wish, given_up: threading.Event | None = None) -> AnySession:
    """Ask for an env and wait until it is there; as ``Session.open``."""
    session = Session.open(wish, given_up)
    return session if wish.on_worker_loss == "raise" else LastingSession(wish, session)


class LastingSession:
    """See ``Session`` for what is not said here."""

    def __init__(self, wish: Wish, session: Session) -> None:
        self._wish, self._session = wish, session
        self._survival = Survival(wish, session)
        self._recovery: Recovery | None = None
        """Another worker is being looked for."""
        self._given: Percept | None = None
        """What to give to who asks by ``look``."""
        self._mailbox_on: Callable[[Connection], Mailbox] | None = None
        self._closed = False

    @property
    def description(self) -> Description:
        """What the worker of now says about the env."""
        return self._session.description

    @property
    def env_id(self) -> str:
        """The id that it was asked for by."""
        return self._wish.env_id

    @property
    def token(self) -> object:
        """What its arrivals have as their ``token``; another one when another worker has it."""
        return self._session.token

    @property
    def connection(self) -> Connection:
        """The connection that it lives on now."""
        return self._session.connection

    @property
    def mailbox(self) -> Mailbox:
        """Where its arrivals come to now."""
        return self._session.mailbox

    @property
    def lost_until(self) -> float:
        """When ``look`` is to be called at the latest."""
        return NEVER if self._recovery is not None else self._session.lost_until

    @property
    def pending(self) -> object:
        """Whether a request has no reply yet, and may still get one."""
        return self._given is not None or self._survival.plan is not None or self._session.pending is not None

    def check(self, kind: type[Request]) -> None:
        """Raise what hinders the session from asking ``kind`` now."""
        if self._survival.undisturbed:
            self._session.check(kind)
        else:
            self._survival.check(kind)

    # In the thread of who waits for this one only.

    def request(self, kind: type[Request], timeout: float, **fields: Any) -> Message:
        """Ask, and wait: ``timeout`` seconds for a worker's reply, and ``make_timeout`` for another worker."""
        if kind is Reset:
            self._survival.forget()
        if self._survival.undisturbed:
            try:
                return self._survival.heard(self._session.request(kind, timeout, **fields))
            except RemoteEnvError as error:
                return self._follow(self._survival.lose(error), timeout)
        self.check(kind)
        return self._follow(self._survival.begin(kind, fields), timeout)

    def wait(self, timeout: float) -> Message:
        """Wait (again) for the reply to the request that is pending. Raises ``NothingPending`` if none is."""
        plan = self._survival.plan
        if plan is not None and self._survival.lost is not None:
            return self._follow(plan, timeout)
        try:
            return self._survival.heard(self._session.wait(timeout))
        except RemoteEnvError as error:
            return self._follow(self._survival.lose(error), timeout)

    def _follow(self, plan: Plan | Percept | None, timeout: float) -> Message:
        while isinstance(plan, Plan):
            if self._survival.lost is not None:
                self._recovery = Recovery(self._wish, self._survival)
                self._move(self._recovery, self._recovery.run)
            try:
                return self._survival.heard(self._session.request(plan.kind, timeout, **plan.fields))
            except RemoteEnvError as error:
                plan = self._survival.lose(error)
        assert plan is not None
        return plan

    def _move(self, recovery: Recovery, found: Callable[[], Session]) -> None:
        try:
            session = found()
        except GivenUp:
            raise EnvClosed(f"{self.env_id}: closed while another worker was looked for") from None
        except RemoteEnvError as error:
            self._survival.not_moved(error)
            raise
        finally:
            self._recovery = None
        if self._closed:
            session.close(0.0, "the env was closed")
            raise EnvClosed(f"{self.env_id}: closed while another worker was looked for")
        former, self._session = self._session, session
        former.finish_close()  # one that its worker has ended still has its queue
        self._survival.moved(session, recovery.losses)
        caretaker.watch(session)
        if self._mailbox_on is not None:
            session.gather(self._mailbox_on)

    # For a Gathering.

    def gather(self, mailbox_on: Callable[[Connection], Mailbox]) -> None:
        """From now on its arrivals come to the mailbox that ``mailbox_on`` gives for a connection."""
        self._mailbox_on = mailbox_on
        self._session.gather(mailbox_on)

    def send(self, kind: type[Request], timeout: float | None, **fields: Any) -> None:
        """Ask without waiting; next: ``take`` and ``look``."""
        self._given = None
        if kind is Reset:
            self._stop()
            self._survival.forget()
        if self._survival.undisturbed:
            self._session.send(kind, timeout, **fields)
        else:
            self._pursue(self._survival.begin(kind, fields))

    def take(self, arrival: Arrival) -> Message | None:
        """The reply to the pending request, or None if this was something else. Raises as ``wait``."""
        try:
            reply = self._session.take(arrival)
        except RemoteEnvError as error:
            self._pursue(self._survival.lose(error))
            return self._give()
        return None if reply is None else self._survival.heard(reply)

    def look(self, now: float, deadline: float) -> Message | None:
        """Do what is due while a request is pending; gives the reply if it is known now. Raises as ``wait``."""
        plan, recovery = self._survival.plan, self._recovery
        if recovery is not None and recovery.done:
            self._move(recovery, recovery.outcome)
            self._pursue(plan)
        elif recovery is None and plan is not None and self._survival.lost is not None:
            self._pursue(plan)  # once more: the broker could not be reached
        elif recovery is None and self._given is None:
            try:
                self._session.look(now, deadline)
            except RemoteEnvError as error:
                self._pursue(self._survival.lose(error))
        return self._give()

    def _pursue(self, plan: Plan | Percept | None) -> None:
        if isinstance(plan, Percept):
            self._given = plan
        elif plan is not None and self._survival.lost is not None:
            self._recovery = Recovery(self._wish, self._survival)
            self._recovery.start()
        elif plan is not None:
            try:
                self._session.send(plan.kind, None, **plan.fields)
            except RemoteEnvError as error:
                self._survival.lose(error)

    def _give(self) -> Percept | None:
        given, self._given = self._given, None
        return given

    def overdue(self, waited_s: float) -> StepTimeout:
        """What to raise when the reply to the pending request has not come for so long."""
        if self._recovery is None:
            return self._session.overdue(waited_s)
        what = f"{self._survival.lost}; another one is looked for since, and was not there"
        return StepTimeout(f"{what} when {waited_s:.1f} s had been waited; wait(), reset() or close()")

    def probe(self) -> None:
        """Send a probe: it comes back if nobody is there. Raises ``BrokerError``."""
        self._session.probe()

    # The end.

    @property
    def in_use(self) -> bool:
        """Whether a thread is in a method of its session, and may wait there."""
        return self._session.in_use

    def close(self, timeout: float, reason: str = "") -> None:
        """End the episode, and wait for that for ``timeout`` seconds at most. Never raises; safe to call twice."""
        if caretaker.interrupts():
            caretaker.drop(self)
            return
        self._closed = True
        self._stop()
        self._session.close(timeout, reason)

    def begin_close(self, reason: str = "") -> bool:
        """Ask for the end without waiting. False: it has ended, or cannot be reached. Next: ``finish_close``."""
        self._closed = True
        self._stop()
        return self._session.begin_close(reason)

    def take_closed(self, arrival: Arrival) -> bool:
        """After ``begin_close``: whether ``arrival`` is the end."""
        return self._session.take_closed(arrival)

    def finish_close(self) -> None:
        """End it on our side, whatever the worker says. Safe to call twice."""
        self._session.finish_close()

    def _stop(self) -> None:
        recovery, self._recovery = self._recovery, None
        if recovery is not None:
            recovery.give_up()


AnySession = Session | LastingSession
