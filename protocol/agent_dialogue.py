"""The agent's end of an episode's dialogue: bytes in, events out; no socket, no clock, no thread.

It numbers the requests, waits for one reply at a time and lets only the right one through. A shell does
``body = dialogue.ask(Act, action=...)``, sends it, and feeds what comes back into ``receive`` until that returns the
reply; when it doubts that the request arrived, it sends ``dialogue.repeat()``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from protocol.codec import decode, encode
from protocol.compression import inflate
from protocol.errors import DecodeError, ErrorCode, LocalProtocolError, RemoteProtocolError
from protocol.messages import OUTSIDE, Accepted, Close, Deflated, Error, Make, Probe, Reset, Resume, Status, Working
from protocol.names import FormerNames
from protocol.rules import ENV_SAYS, PROVISIONAL, TRANSITIONS, State
from protocol.version import SPOKEN

if TYPE_CHECKING:
    from protocol.messages import Message, Reply, Request

MOST_FORMER = 240
"""So many of our former names are said to an env side that may know us by any of them: fewer than its queue holds."""

_NOT_CONSUMED = {ErrorCode.MALFORMED.value, ErrorCode.UNSUPPORTED_VERSION.value}

_NOTHING_NEW = frozenset({Probe, Status, Accepted})
"""Of the worker that we are bound to."""

_NOTHING: dict[type[Reply], State] = {}


@dataclass(frozen=True, slots=True)
class Stray:
    """A worker that opened our episode when we were bound already: send ``dialogue.dismiss()`` to its key."""

    incarnation: str


class AgentDialogue:
    """The agent's end. ``episode``: 32 hex digits; ``incarnation``: that of the agent's connection."""

    def __init__(self, episode: str, incarnation: str) -> None:
        self.episode = episode
        self.incarnation = incarnation
        self.state = State.NEW
        self.worker: str | None = None
        """Incarnation of the worker that we are bound to: the first whose ``status`` came."""
        self.pending: Request | None = None
        """The request that has no reply yet."""
        self.ignored: Counter[str] = Counter()
        """What was dropped or refused, by reason."""
        self.unheard: bytes | None = None
        """Our ``resume``, until the env side seems to have heard it: it has said ``resume`` after it, or before."""
        self._proven = True
        """It has said something else since, and so is known to have heard it."""
        self._former: list[str] = []
        """By what the env side may know us as long as that is not so: each broken connection had an incarnation."""
        self._workers = FormerNames()
        self._compression: str | None = None
        self._next = 0

    def make(self, env_id: str, *, attempt: int = 1, **fields: Any) -> bytes:
        """Ask for an env. May be asked again, with ``attempt`` counted up, until a ``status`` has come."""
        if self.state is not State.NEW:
            raise LocalProtocolError(f"make is legal in a new episode only, this one is {self.state.value}")
        self._compression = fields.get("compression")
        request = Make(
            self.episode, OUTSIDE, self.incarnation, env_id, versions=list(SPOKEN), attempt=attempt, **fields
        )
        body = encode(request)  # may refuse a value; nothing has changed then
        self.pending = request
        return body

    def ask(self, kind: type[Request], **fields: Any) -> bytes:
        """Bytes of the next numbered request. Then wait for its reply.

        Raises ``LocalProtocolError`` if it is not legal now, and changes nothing: before its ``reset``, after the
        end, or while another request has no reply. Only ``reset`` and ``close`` may overtake one that is overdue.
        """
        if kind not in TRANSITIONS[self.state] or self.worker is None or self.pending is not None or kind is Make:
            self._refuse_to_ask(kind)
        request = kind(self.episode, self._next, self.incarnation, **fields)
        body = encode(request)  # may refuse a value; nothing has changed then
        self.pending = request
        self._next += 1
        return body

    def _refuse_to_ask(self, kind: type[Request]) -> None:
        """Raise why it may not be asked now, if it may not."""
        if kind not in TRANSITIONS[self.state] or kind is Make or (self.worker is None and kind is not Close):
            raise LocalProtocolError(f"{kind.performative} is not legal in a {self.state.value} episode")
        if self.pending is not None and not self.may_overtake(kind):
            raise LocalProtocolError(
                f"{kind.performative} is not legal while {_name(self.pending)} has no reply: wait, reset or close"
            )

    def may_overtake(self, kind: type[Request]) -> bool:
        """Whether it may be asked while another request has no reply: a close; a reset, but behind no close."""
        return kind is Close or (kind is Reset and type(self.pending) is not Close)

    def repeat(self) -> bytes:
        """The pending request once more, to the letter (under our incarnation of now)."""
        if self.pending is None:
            raise LocalProtocolError("there is no pending request to repeat")
        return encode(self.pending)

    def probe(self) -> bytes:
        """Ask whether the env side is there, without asking for anything. It need not answer."""
        return encode(Probe(self.episode, self._next - 1, self.incarnation))

    def dismiss(self) -> bytes:
        """Tell a worker that we are not bound to that its env is not needed: to be sent to its key."""
        return encode(Close(self.episode, 0, self.incarnation, reason="another worker was first"))

    def reconnect(self, incarnation: str) -> bytes:
        """We have a new connection: a ``resume`` for the env side.

        Send all ``resumes()``. Whenever it says ``resume``: send them again if there are any, because they may have
        been lost while both were away, else ``repeat()``.
        """
        self._former = [*(() if self._proven else self._former), self.incarnation][-MOST_FORMER:]
        self.incarnation, self._proven = incarnation, False
        if self.pending is not None:
            self.pending = replace(self.pending, incarnation=incarnation)
        self.unheard = self._resume(self._former[-1])
        return self.unheard

    def resumes(self) -> list[bytes]:
        """``unheard``, once for each incarnation by which the env side may know us: it ignores those it does not know.

        More than one if a ``resume`` was lost with the connection that it was sent on.
        """
        return [self._resume(former) for former in self._former] if self.unheard is not None else []

    def remind(self) -> list[bytes]:
        """What to send when nothing has come for a while: a ``probe``, and before it ``resumes()`` where it is not sure
        that one was heard. A ``resume`` of the env side that came twice looks like the answer to one of ours.
        """
        unsure = [] if self._proven else [self._resume(former) for former in self._former]
        return [*unsure, self.probe()]

    def _resume(self, former: str) -> bytes:
        return encode(Resume(self.episode, self._next - 1, self.incarnation, former))

    def receive(self, body: bytes) -> Message | Stray | None:
        """What ``body`` means for us: the reply to the pending request (``pending`` is None then); an ``accepted``,
        ``working`` or ``resume`` while it is still pending; an ``error`` that ends the episode; a ``Stray``; or None
        for what is of the past or of strangers (counted in ``ignored``).

        Raises ``RemoteProtocolError`` (``DecodeError`` among them) for what the bound env side may never say.
        """
        try:
            message = decode(body)
            if type(message) is Deflated and self._compression is not None:
                message = inflate(message)
        except DecodeError:
            self.ignored["malformed"] += 1
            raise
        kind = type(message)
        if message.episode != self.episode:
            return self._ignore("another episode")
        if kind not in ENV_SAYS:
            raise self._refuse(f"an env may not say {message.performative}")
        if message.incarnation == self.worker and kind is not Resume:
            return self._answer(message)
        return self._open(message) if self.worker is None else self._introduced(message)

    def _introduced(self, message: Message) -> Message | Stray | None:
        """Of another incarnation than the one that we are bound to, or a ``resume``."""
        assert self.worker is not None
        if type(message) is Resume and self._workers.admit(message, self.worker):
            if message.incarnation == self.worker:
                self.unheard = None
            self.worker = message.incarnation
            return message
        if message.incarnation != self.worker:
            if type(message) is Status:
                return Stray(message.incarnation)
            return self._ignore("another incarnation")
        return self._answer(message)

    def _open(self, message: Message) -> Message | None:
        """Before the first ``status``: whoever answers our ``make`` may speak."""
        if self.state is not State.NEW or self.pending is None:
            return self._ignore("no request pending")
        if isinstance(message, Status):
            self.worker = message.incarnation
            self._workers.bind(message.incarnation)
            return self._settle(message)
        if isinstance(message, Resume):
            self._workers.hear_early(message)
        if isinstance(message, Error):
            return self._settle(message)
        if type(message) in PROVISIONAL:
            return message
        return self._ignore("no env yet")

    def _answer(self, message: Message) -> Message | None:
        """From the worker that we are bound to."""
        self.unheard, self._proven = None, True
        kind, pending = type(message), self.pending
        if kind is Working:
            return message  # it lives: also an answer to a probe where nothing is pending
        if kind is Error:
            return self._failed(message)  # type: ignore[arg-type]  # mypy narrows by isinstance only, which is slower
        if kind in _NOTHING_NEW:
            return self._ignore("nothing new")
        if pending is None:
            return self._ignore("no request pending")
        if message.step_id != pending.step_id:
            return self._out_of_step(message, pending)
        return self._settle(message)

    def _failed(self, message: Error) -> Message | None:
        """An ``error`` of the worker that we are bound to."""
        if message.ends:
            self.state, self.pending = State.ENDED, None
            return message
        pending = self.pending
        if pending is None:
            return self._ignore("no request pending")
        if message.step_id not in (pending.step_id, OUTSIDE):
            return self._out_of_step(message, pending)
        if message.code in _NOT_CONSUMED:
            self._next, self.pending = pending.step_id, None
            return message
        return self._settle(message)

    def _out_of_step(self, message: Message, pending: Request) -> Message | None:
        if message.step_id > pending.step_id:
            raise self._refuse(f"reply to step {message.step_id}, but {_name(pending)} is the newest request")
        return self._ignore("an older step")

    def _settle(self, message: Message) -> Message:
        assert self.pending is not None
        replies = TRANSITIONS[self.state].get(type(self.pending), _NOTHING)
        after = replies.get(type(message))  # type: ignore[arg-type]  # any key may be looked for
        if after is None:
            raise self._refuse(f"{message.performative} is no reply to {_name(self.pending)}")
        self.state, self.pending = after, None
        return message

    def _refuse(self, text: str) -> RemoteProtocolError:
        self.ignored["illegal"] += 1
        return RemoteProtocolError(text)

    def _ignore(self, reason: str) -> Message | None:
        self.ignored[reason] += 1
        return None


def _name(request: Request) -> str:
    return request.performative if request.step_id == OUTSIDE else f"{request.performative} (step {request.step_id})"
