"""The env's end of an episode's dialogue: bytes in, events out; no socket, no clock, no thread.

It executes every numbered request at most once: it keeps its last reply and gives it again for a repeat. A shell
feeds what comes into ``receive``. It gets a request to execute, then sends what ``reply(Percept, ...)`` gives; or an
``Answer`` to send as it is; or None, when there is nothing to say.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from protocol.codec import decode, encode
from protocol.compression import deflate
from protocol.errors import DecodeError, EncodeError, ErrorCode, Fault, LocalProtocolError, VersionMismatch
from protocol.messages import OUTSIDE, Accepted, Close, Error, Make, Probe, Reset, Resume, Working
from protocol.rules import AGENT_SAYS, TRANSITIONS, State

if TYPE_CHECKING:
    from protocol.messages import Reply, Request

_NUMBERED = AGENT_SAYS - {Make, Resume, Probe}
"""What an agent asks for, one after the other."""

_NOTHING: dict[type[Reply], State] = {}

MAX_TEXT = 2000
"""Characters of an error's text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes that the env side sends back without asking the env."""

    body: bytes


def error(
    episode: str,
    step_id: int,
    incarnation: str,
    code: ErrorCode,
    text: str,
    fault: Fault,
    *,
    retry: bool = False,
    ends: bool = False,
) -> Error:
    """An ``error`` that can always be sent: whatever ``text`` is, it is cut and made UTF-8 (envs raise odd things)."""
    text = text.encode("utf-8", "backslashreplace").decode()[:MAX_TEXT]
    return Error(episode, step_id, incarnation, code.value, text, fault.value, retry, ends)


class EnvDialogue:
    """The env's end, made from the agent's ``make``. ``incarnation``: that of the worker's connection."""

    def __init__(self, make: Make, incarnation: str) -> None:
        self.episode = make.episode
        self.incarnation = incarnation
        self.agent = make.incarnation
        """Incarnation of the agent: where replies go, and the only one that is listened to."""
        self.state = State.NEW
        self.executing: Request | None = make
        """The request that was handed out and has no reply yet."""
        self.ignored: Counter[str] = Counter()
        """What was dropped, by reason, and what was refused, by the code of the error."""
        self._known_as = incarnation
        """The incarnation of ours that the agent speaks to, as far as we know."""
        self._compression = make.compression
        self._step_id = OUTSIDE
        self._request: Request = make
        self._reply: bytes | None = None
        """The last reply, as it was sent: what it was made of may have changed since."""

    def accepted(self, deadline_s: float) -> bytes:
        """The slot is reserved; ``status`` or an error comes within ``deadline_s`` seconds."""
        return encode(Accepted(self.episode, OUTSIDE, self.incarnation, deadline_s))

    def working(self, deadline_s: float) -> bytes:
        """Answer to a probe: I live, and execute the last request for ``deadline_s`` seconds more at the most.

        0 where nothing is being executed.
        """
        return encode(Working(self.episode, self._step_id, self.incarnation, deadline_s))

    def probe(self) -> bytes:
        """Ask whether the agent is there: only whether this comes back matters."""
        return encode(Probe(self.episode, self._step_id, self.incarnation))

    def reconnect(self, incarnation: str) -> bytes:
        """We have a new connection: a ``resume`` for the agent."""
        self.incarnation = incarnation
        return self._resume()

    def first_reply_again(self) -> bytes | None:
        """The ``status`` once more, where no request has come that shows that the agent has it.

        It may have been lost with a former connection of ours. An agent that has it ignores it behind our ``resume``.
        """
        return None if self._step_id != OUTSIDE or self._reply is None else self._reply_again(self._reply)

    def _resume(self) -> bytes:
        return encode(Resume(self.episode, self._step_id, self.incarnation, self._known_as))

    def receive(self, body: bytes) -> Request | Probe | Answer | None:
        """What to do with ``body``: a request to execute (then call ``reply``), a ``Probe`` (answer with ``working``),
        an ``Answer`` to send, or None for what a stranger or an older incarnation said.

        Never raises for what the other side did: what is malformed or illegal is an ``Answer`` with an ``error``.
        """
        try:
            message = decode(body)
        except VersionMismatch as mismatch:
            return self._refuse(OUTSIDE, ErrorCode.UNSUPPORTED_VERSION, str(mismatch))
        except DecodeError as error:
            return self._refuse(OUTSIDE, ErrorCode.MALFORMED, str(error))
        if message.episode != self.episode:
            return self._ignore("another episode")
        kind = type(message)
        if kind in _NUMBERED and message.incarnation == self.agent:
            self._known_as = self.incarnation
            return self._request_came(message)  # type: ignore[arg-type]  # mypy narrows by isinstance only: slower
        if kind is Resume and self.agent in (message.previous, message.incarnation):  # type: ignore[union-attr]  # too
            self.agent = message.incarnation
            return Answer(self._resume())
        if message.incarnation != self.agent:
            return self._ignore("another incarnation")
        if kind not in AGENT_SAYS or kind is Make:
            return self._refuse(message.step_id, ErrorCode.ILLEGAL, f"an agent may not say {message.performative} here")
        self._known_as = self.incarnation
        return message  # type: ignore[return-value]  # it is a probe: there is nothing else left

    def _request_came(self, request: Request) -> Request | Answer | None:
        step_id, last = request.step_id, self._step_id
        if step_id == last + 1 and self.executing is None and type(request) in TRANSITIONS[self.state]:
            return self._take(request)  # as nearly always: nothing below would refuse it
        if step_id == last and last != OUTSIDE:
            return self._repeated(request)
        if isinstance(request, Close) and step_id >= 0 and self.state is not State.ENDED:
            return self._take(request)  # legal at any time, so that nobody is left with an env that he can't close
        if step_id <= last:
            return self._refuse(step_id, ErrorCode.STEP_STALE, f"step {step_id} is over, the last one was {last}")
        if step_id > last + 1 and not isinstance(request, Reset):
            # A reset may skip a request that the agent has given up and that never came: it makes it void anyway.
            return self._refuse(step_id, ErrorCode.STEP_GAP, f"expected step {last + 1}, got {step_id}")
        if self.executing is not None and (type(request) is not Reset or self.state is State.NEW):
            # A reset makes void what a world has not answered yet; nothing else may overtake it.
            return self._ignore("still executing")
        if type(request) not in TRANSITIONS[self.state]:
            self._take(request)
            self.ignored[ErrorCode.ILLEGAL.value] += 1
            text = f"{request.performative} is not legal in a {self.state.value} episode"
            return Answer(self.fail(ErrorCode.ILLEGAL, text, Fault.AGENT))
        return self._take(request)

    def _take(self, request: Request) -> Request:
        self._step_id, self._request, self._reply, self.executing = request.step_id, request, None, request
        return request

    def _repeated(self, request: Request) -> Answer | None:
        """The same ``step_id`` again: answer from the last reply, never execute twice."""
        # Compared as bytes: NaN is not equal to itself. The incarnation may differ, if a resume lies between.
        try:
            same = encode(request) == encode(replace(self._request, incarnation=request.incarnation))
        except EncodeError:  # it came in by fewer bytes than we need for it, which none of ours does
            same = False
        if not same:
            text = f"step {request.step_id} came before with another body"
            return self._refuse(request.step_id, ErrorCode.STEP_CONFLICT, text)
        return self._ignore("still executing") if self._reply is None else Answer(self._reply_again(self._reply))

    def _reply_again(self, said: bytes) -> bytes:
        """The last reply, by our incarnation of now."""
        reply = decode(said)
        body = encode(replace(reply, incarnation=self.incarnation))
        return body if type(reply) is Error else self._as_asked(body)

    def _as_asked(self, body: bytes) -> bytes:
        """A reply that is no error, deflated if the agent wants that."""
        if self._compression is None:
            return body
        return deflate(body, self.episode, self._step_id, self.incarnation)

    def reply(self, kind: type[Reply], **fields: Any) -> bytes:
        """Bytes of the reply to the request that is being executed. Raises ``EncodeError`` if a value cannot travel;
        nothing has changed then, and ``fail`` is the way out. ``LocalProtocolError``: it is no reply to that request.
        """
        request = self.executing
        if request is None:
            raise LocalProtocolError(f"{kind.performative}: there is no request to reply to")
        after = TRANSITIONS[self.state].get(type(request), _NOTHING).get(kind)
        if after is None:
            asked = f"{request.performative} in a {self.state.value} episode"
            raise LocalProtocolError(f"{kind.performative} is no reply to {asked}")
        message = kind(self.episode, self._step_id, self.incarnation, **fields)
        body = encode(message)  # may refuse a value; nothing has changed then
        self.executing, self._reply, self.state = None, body, after
        return body if self._compression is None else self._as_asked(body)

    def fail(self, code: ErrorCode, text: str, fault: Fault, *, retry: bool = False, ends: bool = False) -> bytes:
        """An ``error`` as the reply to the request that is being executed, or, where there is none, to nobody.

        ``ends``: the episode is over with this.
        """
        message = error(self.episode, self._step_id, self.incarnation, code, text, fault, retry=retry, ends=ends)
        body = encode(message)
        if self.executing is not None:
            after = TRANSITIONS[self.state].get(type(self.executing), {}).get(Error, self.state)
            self.executing, self._reply, self.state = None, body, after
        if ends:
            self.state = State.ENDED
            if self._step_id == OUTSIDE:
                self._reply = body  # no status any more
        return body

    def _refuse(self, step_id: int, code: ErrorCode, text: str) -> Answer:
        """An error that consumes no ``step_id`` and leaves the last reply as it is."""
        self.ignored[code.value] += 1
        return Answer(encode(error(self.episode, step_id, self.incarnation, code, text, Fault.AGENT)))

    def _ignore(self, reason: str) -> Answer | None:
        self.ignored[reason] += 1
        return None
