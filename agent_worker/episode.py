"""One open episode, seen from the agent: what is sent, what an arrival means, what is due. Nothing in here waits.

Who waits is a shell around it: ``Session`` for one episode, ``Gathering`` for several sessions, ``agent_worker.aio``
in an event loop.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from agent_worker.errors import (
    AlreadyPending,
    EnvClosed,
    NothingPending,
    NotReset,
    ProtocolFailure,
    RemoteEnvError,
    StepTimeout,
    WorkerLost,
    from_message,
)
from agent_worker.opened import Opened, percept_inbox
from broker import topology
from broker.errors import BrokerError, ConnectionLost
from broker.port import Kind
from protocol.agent_dialogue import Stray
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.messages import Act, Close, Error, Render, Resume, Working
from protocol.rules import OUTCOMES, PROVISIONAL, TRANSITIONS, State

if TYPE_CHECKING:
    from agent_worker.wish import Wish
    from broker.port import Arrival, Connection, Mailbox, Subscription
    from protocol.messages import Message, Request

log = logging.getLogger("gymbroker")

FIRST_PROBE_S = 1.0
"""An unanswered request is followed by a probe after 1, 2, 4, ... seconds, to find out whether the worker lives."""

MAX_PROBE_S = 30.0

FLOOD_S = 1.0
"""So long is taken in what has come already when it is time for something else; what comes on and on is a flood."""

CLOSE_PROBE_S = 0.25

RECONNECT_WINDOW_S = 10.0
"""When our own connection broke, the worker's probably did too: it has at least so long to come back."""

INBOX_S = 5.0
"""How long the broker may take to make a queue."""

NEVER = float("inf")


class Episode:
    """One open episode. One thread at a time may use it. Methods that send may raise ``BrokerError``."""

    def __init__(self, wish: Wish, opened: Opened) -> None:
        self.description = opened.description
        """What the worker says about the env."""
        self._wish = wish
        self._connection, self._mailbox, self._dialogue = opened.connection, opened.mailbox, opened.dialogue
        self._inbox: Subscription | None = opened.inbox
        self._window = wish.resume_window
        self.lost_until = NEVER
        """When ``_look`` takes the worker for lost, because it cannot be reached and has not come back."""
        self.ending: RemoteEnvError | None = None
        """What ended it, if that was not ``close``."""
        self._asked_again: tuple[str, str | None, int] | None = None
        """By which names of both sides which request has gone once more."""
        self._begin(time.monotonic())
        try:
            self._address()
        except ConnectionLost as error:
            log.debug("%s: %s", wish.env_id, error)  # it broke in this moment: the first request comes back

    def _address(self) -> None:
        assert self._dialogue.worker is not None
        self._key = topology.act_key(self._dialogue.episode, self._dialogue.worker)
        self._connection.watch(self._key, self._mailbox, self._dialogue)

    @property
    def env_id(self) -> str:
        """The id that it was asked for by."""
        return self._wish.env_id

    @property
    def token(self) -> object:
        """What its arrivals have as their ``token``."""
        return self._dialogue

    @property
    def connection(self) -> Connection:
        """The connection that it lives on now."""
        return self._connection

    @property
    def parts(self) -> Opened:
        """What it consists of now: who takes it over makes an episode of that, and does not use this one any more."""
        assert self._inbox is not None
        return Opened(self._connection, self._mailbox, self._inbox, self._dialogue, self.description)

    @property
    def ended(self) -> bool:
        """True when nothing more can be asked."""
        return self._dialogue.state is State.ENDED

    @property
    def pending(self) -> Request | None:
        """The request that has no reply yet, and may still get one."""
        return None if self.ended else self._dialogue.pending

    def check(self, kind: type[Request]) -> None:
        """Raise what ``ask`` would raise if ``kind`` may not be asked now."""
        dialogue = self._dialogue
        if kind not in TRANSITIONS[dialogue.state]:
            raise self._illegal(kind, f"{kind.performative} is not legal now")
        if dialogue.pending is not None and not dialogue.may_overtake(kind):
            pending = f"{dialogue.pending.performative} (step {dialogue.pending.step_id})"
            why = f"{kind.performative} is not legal while {pending} has no reply: wait, reset or close"
            raise self._illegal(kind, why)

    def _ask(self, kind: type[Request], fields: dict[str, Any]) -> None:
        """Send a request. If that raises ``ConnectionLost``, it is pending all the same, and is sent by ``_resume``."""
        try:
            body = self._dialogue.ask(kind, **fields)
        except LocalProtocolError as error:
            raise self._illegal(kind, str(error)) from None
        self._connection.send(topology.ACTS, self._key, body)

    def _begin(self, now: float) -> None:
        """A wait begins: the first probe is due in ``FIRST_PROBE_S``."""
        self._pause, self._probe_at = FIRST_PROBE_S, now + FIRST_PROBE_S

    def _look(self, now: float) -> None:
        """Do what is due while a request is pending: a probe. Raises ``WorkerLost`` when the worker's time is up."""
        if now >= self.lost_until:
            raise self._lost()
        if now >= self._probe_at:
            self._pause = min(2 * self._pause, MAX_PROBE_S)
            self._probe_at = now + self._pause
            for body in self._dialogue.remind():
                self._connection.send(topology.ACTS, self._key, body)

    def _arrived(self, arrival: Arrival) -> Message | None:
        """The reply to the pending request, or None if this was something else. Raises what the worker says."""
        if arrival.kind is not Kind.MESSAGE:
            # The worker's queue is gone. It, or its connection, may come back within the window and say resume.
            if arrival.key not in ("", self._key, topology.act_control_key(self._dialogue.episode)):
                return None  # of the worker's former queue, and it has said resume since
            self.lost_until = min(self.lost_until, time.monotonic() + self._window)
            return None
        return self._receive(arrival)

    def _receive(self, arrival: Arrival) -> Message | None:
        try:
            message = self._dialogue.receive(arrival.body)
        except RemoteProtocolError as error:
            raise ProtocolFailure(f"{self.env_id}: the worker broke the protocol: {error}") from error
        if message is None:
            return None
        self.lost_until = NEVER  # the bound worker speaks
        if type(message) in OUTCOMES:
            return message  # type: ignore[return-value]  # mypy narrows by isinstance only, which is slower
        if type(message) in PROVISIONAL:
            if isinstance(message, Working) and not message.deadline_s and self._dialogue.pending is not None:
                # It executes nothing and heard the probe after the request: request or reply was lost on the way.
                self._connection.send(topology.ACTS, self._key, self._dialogue.repeat())
            return None
        if isinstance(message, Stray):
            key = topology.act_key(self._dialogue.episode, message.incarnation)
            self._connection.send(topology.ACTS, key, self._dialogue.dismiss())
            return None
        if isinstance(message, Resume):
            self._connection.unwatch(self._key)
            self._address()
            for resume in self._dialogue.resumes():
                self._connection.send(topology.ACTS, self._key, resume)
            self._ask_again()
            return None
        assert isinstance(message, Error)
        raise self._refused(message)

    def _ask_again(self) -> None:
        """Both know each other's new name: the pending request goes once more, and once only.

        A worker answers each ``resume`` by a name that it knows: there are many after many broken connections.
        """
        dialogue = self._dialogue
        if dialogue.unheard is not None or dialogue.pending is None:
            return
        asked = dialogue.incarnation, dialogue.worker, dialogue.pending.step_id
        if asked != self._asked_again:
            self._asked_again = asked
            self._connection.send(topology.ACTS, self._key, dialogue.repeat())

    def _refused(self, message: Error) -> RemoteEnvError:
        error = from_message(message, self.env_id)
        if message.ends:
            self.ending = error
        return error

    def new_inbox(self, connection: Connection, mailbox: Mailbox, deadline: float) -> Subscription:
        """A queue for replies on another connection, the first half of a resume. Waits for the broker.

        A broker that is there has ``INBOX_S`` at least: who polls with short time-outs must come back, too.
        """
        return percept_inbox(connection, mailbox, self._dialogue, max(deadline, time.monotonic() + INBOX_S))

    def _move(self, connection: Connection, mailbox: Mailbox, inbox: Subscription) -> None:
        """The other half: say ``resume`` at the worker's control key. What is pending goes again when it answers."""
        self._connection, self._mailbox, self._inbox = connection, mailbox, inbox
        self.lost_until, self._window = NEVER, max(self._window, RECONNECT_WINDOW_S)
        self._dialogue.reconnect(connection.incarnation)
        control = topology.act_control_key(self._dialogue.episode)
        connection.watch(control, mailbox, self._dialogue)
        self._address()
        for resume in self._dialogue.resumes():
            connection.send(topology.ACTS, control, resume)

    def _say_close(self, reason: str) -> bool:
        """Ask for the end, unless it has come. Next: ``_hear_closed`` for what arrives, then ``_forget``."""
        if self.ended:
            return False
        self._connection.send(topology.ACTS, self._key, self._dialogue.ask(Close, reason=reason))
        return True

    def _hear_closed(self, arrival: Arrival) -> bool:
        """Whether ``arrival`` ends the episode that was asked to close."""
        if arrival.kind is not Kind.MESSAGE:
            return not self._close_elsewhere(arrival.key)  # a returned close counts as closed: nobody is there
        self._dialogue.receive(arrival.body)
        return self.ended

    def _close_elsewhere(self, returned: str) -> bool:
        """The worker may have come back under another name while nobody listened here: ask at its control key, too."""
        control = topology.act_control_key(self._dialogue.episode)
        if self._key == control or returned != self._key or self._dialogue.pending is None:
            return False
        self._connection.unwatch(self._key)
        self._connection.watch(control, self._mailbox, self._dialogue)
        self._connection.send(topology.ACTS, control, self._dialogue.repeat())
        self._key = control
        return True

    def _forget(self) -> None:
        """End it on our side, and leave nothing of it at the broker. Safe to call twice."""
        self._dialogue.state = State.ENDED
        inbox, self._inbox = self._inbox, None
        if inbox is None or self._connection.closed:
            return
        try:
            self._connection.unwatch(self._key)
            self._connection.unwatch(topology.act_control_key(self._dialogue.episode))
            self._connection.cancel(inbox)
        except BrokerError as error:
            log.debug("closing %s: %s", self.env_id, error)

    def _illegal(self, kind: type[Request], why: str) -> RemoteEnvError:
        env_id, state = self.env_id, self._dialogue.state
        if state is State.ENDED or type(self._dialogue.pending) is Close:
            after = f"{kind.performative} after the episode has ended{self._ended_by}"
            return EnvClosed(f"{env_id}: {after}; make a new env")
        if self._dialogue.pending is not None:
            return AlreadyPending(f"{env_id}: {why}")
        if state is State.FRESH and kind in (Act, Render):
            return NotReset(f"{env_id}: call reset() before {'step' if kind is Act else 'render'}()")
        return ProtocolFailure(f"{env_id}: {why}")

    def _idle(self) -> RemoteEnvError:
        if self.ended:
            return EnvClosed(f"{self.env_id}: waited after the episode has ended{self._ended_by}; make a new env")
        return NothingPending(f"{self.env_id}: nothing has been asked that a reply could come to")

    @property
    def _ended_by(self) -> str:
        return "" if self.ending is None else f" ({self.ending})"

    def _lost(self) -> RemoteEnvError:
        asked = self._dialogue.pending.performative if self._dialogue.pending else "a request"
        self._forget()
        what = (
            f"{self.env_id}: worker {self.description.worker} cannot be reached since {asked} was sent "
            f"(waited {self._window:g} s for it to come back); its env is lost"
        )
        self.ending = WorkerLost(what)
        return self.ending

    def overdue(self, waited_s: float) -> StepTimeout:
        """What to raise when the reply to the pending request has not come for so long."""
        pending = self._dialogue.pending
        asked = f"{pending.performative} (request {pending.step_id})" if pending else "nothing"
        return StepTimeout(
            f"{self.env_id}: waited {waited_s:.1f} s for the reply to {asked} from worker "
            f"{self.description.worker}; wait(), reset() or close()"
        )
