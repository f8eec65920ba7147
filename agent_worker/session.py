"""The shell around an agent's dialogue: queues, waiting, probing, coming back after a broken connection.

A step's way: ``RemoteEnv.step`` -> ``Session.request`` -> ``AgentDialogue.ask`` -> ``Connection.send`` -> queue, and
the reply back through ``Mailbox.get`` -> ``AgentDialogue.receive``.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from agent_worker import caretaker, opening
from agent_worker.errors import EnvClosed, NotReset, ProtocolFailure, StepTimeout, WorkerLost, from_message
from broker import shared, topology
from broker.errors import BrokerError, ConnectionLost
from broker.port import Kind
from protocol.agent_dialogue import Stray
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.messages import Act, Close, Error, Render, Resume, Working
from protocol.rules import PROVISIONAL, State

if TYPE_CHECKING:
    from agent_worker.opening import Wish
    from broker.port import Arrival, Connection, Mailbox
    from protocol.agent_dialogue import AgentDialogue
    from protocol.description import Description
    from protocol.messages import Message, Request

log = logging.getLogger("gymbroker")

FIRST_PROBE_S = 1.0
"""An unanswered request is followed by a probe after 1, 2, 4, ... seconds, to find out whether the worker lives."""

MAX_PROBE_S = 30.0

CLOSE_PROBE_S = 0.25

RECONNECT_WINDOW_S = 10.0
"""When our own connection broke, the worker's probably did too: it has at least so long to come back."""

_NEVER = float("inf")


class Session:
    """One open episode, seen from the agent. Made by ``Session.open``; one thread at a time may use it."""

    def __init__(
        self, wish: Wish, connection: Connection, mailbox: Mailbox, dialogue: AgentDialogue, description: Description
    ) -> None:
        self.description = description
        """What the worker says about the env."""
        self._wish, self._connection, self._mailbox, self._dialogue = wish, connection, mailbox, dialogue
        self._inbox: Any = None
        self._using = threading.Lock()
        """Held by who uses the session: its user, or for a moment the caretaker."""
        self._lost_until = _NEVER
        self._window = wish.resume_window
        self._address()

    @classmethod
    def open(cls, wish: Wish) -> Session:
        """Ask for an env and wait until it is there. Raises ``RemoteEnvError`` and ``BrokerError``."""
        opened = opening.open_episode(wish)
        session = cls(wish, opened.connection, opened.mailbox, opened.dialogue, opened.description)
        session._inbox = opened.inbox
        caretaker.watch(session)
        return session

    def _address(self) -> None:
        assert self._dialogue.worker is not None
        self._key = topology.act_key(self._dialogue.episode, self._dialogue.worker)
        self._connection.watch(self._key, self._mailbox, self._dialogue)

    @property
    def pending(self) -> Request | None:
        """The request that has no reply yet."""
        return self._dialogue.pending

    @property
    def ended(self) -> bool:
        """True when nothing more can be asked."""
        return self._dialogue.state is State.ENDED

    def request(self, kind: type[Request], timeout: float, **fields: Any) -> Message:
        """Ask, and wait ``timeout`` seconds at the most for the reply. Raises ``RemoteEnvError``, ``BrokerError``."""
        self.send(kind, timeout, **fields)
        return self.wait(timeout)

    def send(self, kind: type[Request], timeout: float, **fields: Any) -> None:
        """Ask without waiting; next: ``wait``. ``timeout``: for coming back, should the connection be broken."""
        with self._using:
            self._send(kind, timeout, fields)

    def _send(self, kind: type[Request], timeout: float, fields: dict[str, Any]) -> None:
        try:
            body = self._dialogue.ask(kind, **fields)
        except LocalProtocolError as error:
            raise self._illegal(kind, error) from None
        try:
            self._connection.send(topology.ACTS, self._key, body)
        except ConnectionLost as error:
            self._resume(error, time.monotonic() + timeout)

    def wait(self, timeout: float) -> Message:
        """Wait (again) for the reply to the request that is pending."""
        with self._using:
            return self._wait(timeout)

    def _wait(self, timeout: float) -> Message:
        started = time.monotonic()
        deadline = started + timeout
        pause, probe_at = FIRST_PROBE_S, started + FIRST_PROBE_S
        while True:
            try:
                arrival = self._mailbox.get(min(deadline, probe_at, self._lost_until))
                if arrival is not None:
                    reply = self._arrived(arrival)
                    if reply is not None:
                        return reply
                    continue
                now = time.monotonic()
                if now >= self._lost_until:
                    raise self._lost()
                if now >= deadline:
                    raise self._overdue(now - started)
                if now >= probe_at:
                    pause = min(2 * pause, MAX_PROBE_S)
                    probe_at = now + pause
                    self._connection.send(topology.ACTS, self._key, self._dialogue.probe())
            except ConnectionLost as error:
                self._resume(error, deadline)

    def _arrived(self, arrival: Arrival) -> Message | None:
        """The reply to the pending request, or None if this was something else."""
        if arrival.kind is not Kind.MESSAGE:
            # The worker's queue is gone. It, or its connection, may come back within the window and say resume.
            if arrival.key not in ("", self._key, topology.act_control_key(self._dialogue.episode)):
                return None  # of the worker's former queue, and it has said resume since
            self._lost_until = min(self._lost_until, time.monotonic() + self._window)
            return None
        return self._receive(arrival)

    def _receive(self, arrival: Arrival) -> Message | None:
        try:
            message = self._dialogue.receive(arrival.body)
        except RemoteProtocolError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker broke the protocol: {error}") from error
        if message is None:
            return None
        self._lost_until = _NEVER  # the bound worker speaks
        if type(message) in PROVISIONAL:
            if isinstance(message, Working) and not message.deadline_s and self._dialogue.pending is not None:
                # It executes nothing and heard the probe after the request: request or reply was lost on the way.
                self._connection.send(topology.ACTS, self._key, self._dialogue.repeat())
            return None
        if isinstance(message, Stray):
            key = topology.act_key(self._dialogue.episode, message.incarnation)
            self._connection.send(topology.ACTS, key, self._dialogue.dismiss(message.incarnation))
            return None
        if isinstance(message, Resume):
            self._connection.unwatch(self._key)
            self._address()
            if self._dialogue.unheard is not None:
                self._connection.send(topology.ACTS, self._key, self._dialogue.unheard)
            elif self._dialogue.pending is not None:
                self._connection.send(topology.ACTS, self._key, self._dialogue.repeat())
            return None
        if isinstance(message, Error):
            raise from_message(message, self._wish.env_id)
        return message

    def revive(self) -> None:
        """If the connection broke while nobody used the session: come back, so that the worker knows that we live."""
        if self._connection.closed and self._using.acquire(blocking=False):
            try:
                if not self.ended:
                    self._resume(None, time.monotonic() + self._wish.reconnect_timeout)
            finally:
                self._using.release()

    def _resume(self, loss: ConnectionLost | None, deadline: float) -> None:
        """Our connection broke: open a new one, say ``resume`` at the worker's control key, and ask again."""
        log.warning("%s; connecting again for %s", loss or "the connection broke", self._wish.env_id)
        left = max(0.0, min(deadline, time.monotonic() + self._wish.reconnect_timeout) - time.monotonic())
        connection = shared(self._wish.broker, timeout_s=left, name=self._wish.name)
        self._connection, self._mailbox = connection, connection.mailbox()
        self._lost_until, self._window = _NEVER, max(self._window, RECONNECT_WINDOW_S)
        resume = self._dialogue.reconnect(connection.incarnation)
        self._inbox = opening.percept_inbox(connection, self._mailbox, self._dialogue, deadline)
        control = topology.act_control_key(self._dialogue.episode)
        connection.watch(control, self._mailbox, self._dialogue)
        self._address()
        connection.send(topology.ACTS, control, resume)

    def ping(self, timeout: float) -> float:
        """Seconds of a round trip to the worker and back, without its env. Raises as ``request`` does."""
        started = time.monotonic()
        deadline = started + timeout
        self._connection.send(topology.ACTS, self._key, self._dialogue.probe())
        while (arrival := self._mailbox.get(min(deadline, self._lost_until))) is not None:
            if arrival.kind is Kind.MESSAGE and isinstance(self._dialogue.receive(arrival.body), Working):
                return time.monotonic() - started
            if arrival.kind is not Kind.MESSAGE:
                raise self._lost()
        raise self._overdue(time.monotonic() - started)

    def close(self, timeout: float, reason: str = "") -> None:
        """End the episode, and wait for that for ``timeout`` seconds at most. Never raises; safe to call twice."""
        if caretaker.interrupts():
            caretaker.drop(self)
            return
        with self._using:
            self._close(timeout, reason)

    def _close(self, timeout: float, reason: str) -> None:
        try:
            if not self.ended:
                body = self._dialogue.ask(Close, reason=reason)
                self._connection.send(topology.ACTS, self._key, body)
                self._wait_closed(time.monotonic() + timeout)
        except (BrokerError, RemoteProtocolError, LocalProtocolError) as error:
            log.debug("closing %s: %s", self._wish.env_id, error)
        finally:
            self._dialogue.state = State.ENDED
            self._forget()

    def _wait_closed(self, deadline: float) -> None:
        pause = CLOSE_PROBE_S
        while not self.ended:
            arrival = self._mailbox.get(min(deadline, time.monotonic() + pause))
            if arrival is None:
                if time.monotonic() >= deadline:
                    return
                # The queue may have been deleted with the close in it, which tells nobody; a probe comes back.
                pause *= 2
                self._connection.send(topology.ACTS, self._key, self._dialogue.probe())
            elif arrival.kind is not Kind.MESSAGE:
                return  # a returned close counts as closed: there is nobody to close
            else:
                self._dialogue.receive(arrival.body)

    def _forget(self) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is None or self._connection.closed:
            return
        try:
            self._connection.unwatch(self._key)
            self._connection.unwatch(topology.act_control_key(self._dialogue.episode))
            self._connection.cancel(inbox)
        except BrokerError as error:
            log.debug("closing %s: %s", self._wish.env_id, error)

    def _illegal(self, kind: type[Request], error: LocalProtocolError) -> Exception:
        env_id, state = self._wish.env_id, self._dialogue.state
        if state is State.ENDED:
            return EnvClosed(f"{env_id}: {kind.performative} after the episode has ended; make a new env")
        if self._dialogue.pending is not None:
            return StepTimeout(f"{env_id}: {error}")
        if state is State.FRESH and kind in (Act, Render):
            return NotReset(f"{env_id}: call reset() before {'step' if kind is Act else 'render'}()")
        return ProtocolFailure(f"{env_id}: {error}")

    def _lost(self) -> WorkerLost:
        self._dialogue.state = State.ENDED
        self._forget()
        asked = self._dialogue.pending.performative if self._dialogue.pending else "a request"
        return WorkerLost(
            f"{self._wish.env_id}: worker {self.description.worker} cannot be reached since {asked} was sent "
            f"(waited {self._window:g} s for it to come back); its env is lost"
        )

    def _overdue(self, waited_s: float) -> StepTimeout:
        pending = self._dialogue.pending
        asked = f"{pending.performative} (request {pending.step_id})" if pending else "nothing"
        return StepTimeout(
            f"{self._wish.env_id}: waited {waited_s:.1f} s for the reply to {asked} from worker "
            f"{self.description.worker}; wait(), reset() or close()"
        )
