"""The two ends of a dialogue: whole conversations with a stranger who knows the episode, and says what he likes."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any

from agent_worker.recorded import RecordedDialogue, ReplayLog, read
from fuzz import messages
from fuzz.choices import Choices
from fuzz.target import Finding, Target
from protocol.agent_dialogue import AgentDialogue
from protocol.codec import decode
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import ErrorCode, Fault, LocalProtocolError, RemoteProtocolError
from protocol.messages import Act, Call, Close, Closed, Frame, Make, Percept, Render, Reset, Result, Status
from protocol.rules import State
from tests.protocol.examples import AGENT, EPISODE, EXAMPLES, WORKER

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.messages import Reply, Request

Said = tuple[int, bytes]
"""What happens next, and what is said then."""

MOST = 24
"""Events of one conversation."""

_TO_ENV = ("reset", "act", "act", "act", "render", "call", "close", "probe", "resume", "make", "percept", "status")
_TO_AGENT = (
    "status", "percept", "percept", "percept", "accepted", "error", "working", "resume", "closed", "frame", "result",
    "probe", "act", "make",
)  # fmt: skip


def _conversation(names: tuple[str, ...]) -> Callable[[bytes], list[Said]]:
    def prepare(data: bytes) -> list[Said]:
        choices = Choices(data)
        said: list[Said] = []
        while choices and len(said) < MOST:
            what = choices.byte()
            body = choices.piece() if what % 16 == 15 else messages.addressed(choices, names)
            said.append((what, body))
        return said

    return prepare


_REPLIES: dict[type[Request], tuple[type[Reply], dict[str, Any]]] = {
    Make: (Status, {"content": {}}),
    Reset: (Percept, {"reward": 0.0, "terminated": False, "truncated": False, "info": {}, "observation": b""}),
    Act: (Percept, {"reward": 1.0, "terminated": False, "truncated": False, "info": {}, "observation": b""}),
    Render: (Frame, {"frame": None}),
    Call: (Result, {"value": None}),
    Close: (Closed, {}),
}


def _env_hears(said: list[Said]) -> EnvDialogue:
    """Whatever is said, the env's end answers with bytes or keeps silent; nothing is executed twice."""
    make = EXAMPLES["make"]
    assert isinstance(make, Make)
    dialogue = EnvDialogue(make, WORKER)
    dialogue.accepted(60.0)
    executed = -1
    dialogue.reply(Status, content={})
    for what, body in said:
        before = dialogue.ignored.total()
        event = dialogue.receive(body)
        if event is None and dialogue.ignored.total() == before:
            raise Finding("something was dropped and not counted")
        if isinstance(event, Answer):
            decode(event.body)
        elif isinstance(event, (Reset, Act, Render, Call, Close)):
            if event.step_id <= executed and not isinstance(event, Close):
                raise Finding(f"step {event.step_id} was executed after step {executed}")
            executed = max(executed, event.step_id)
            if what & 0x30 == 0x10 and not isinstance(event, Close):
                decode(dialogue.fail(ErrorCode.ENV_ERROR, "no", Fault.ENV))
            elif what & 0x30 != 0x20 or isinstance(event, Close):  # else it is a seat's, and answered later or never
                kind, fields = _REPLIES[type(event)]
                decode(dialogue.reply(kind, **fields))
        elif event is not None:
            decode(dialogue.working(0.0))
        if what & 0xC0 == 0xC0:
            decode(dialogue.reconnect(messages.STRANGER if what & 1 else WORKER))
    return dialogue


def _agent_hears(said: list[Said]) -> AgentDialogue:
    """Whatever is said, the agent's end gives an event, keeps silent, or raises ``RemoteProtocolError``."""
    dialogue = AgentDialogue(EPISODE, AGENT)
    dialogue.make("E")
    return _converse(dialogue, said)


def _recorder_hears(said: list[Said]) -> AgentDialogue:
    """The same of an agent that has asked for deflated replies, and writes down what a lost run needs."""
    dialogue = RecordedDialogue(EPISODE, AGENT, ReplayLog(4, runs=True))
    dialogue.make("E", compression="deflate")
    _converse(dialogue, said)
    for body, _ in dialogue.log.replay(run=not dialogue.log.why_not):
        read(body)
    return dialogue


def _converse(dialogue: AgentDialogue, said: list[Said]) -> AgentDialogue:
    asked: deque[Callable[[], Any]] = deque((
        lambda: dialogue.ask(Reset, seed=1), lambda: dialogue.ask(Act, action=1), lambda: dialogue.ask(Act, action=2),
        lambda: dialogue.repeat(), lambda: dialogue.ask(Render), lambda: dialogue.ask(Close),
    ))  # fmt: skip
    for what, body in said:
        before = dialogue.ignored.total()
        with contextlib.suppress(RemoteProtocolError):
            event = dialogue.receive(body)
            if event is None and dialogue.ignored.total() == before:
                raise Finding("something was dropped and not counted")
        if what & 0x10:
            asked.rotate(-(what & 7))
            with contextlib.suppress(LocalProtocolError):
                decode(asked[0]())
        if what & 0xC0 == 0xC0:
            decode(dialogue.reconnect(messages.STRANGER if what & 1 else AGENT))
        for resume in dialogue.resumes():
            decode(resume)
    return dialogue


def _is_whole(dialogue: AgentDialogue) -> None:
    if dialogue.state is State.ENDED and dialogue.pending is not None:
        raise Finding("a request is pending in an episode that has ended")


def _seeds() -> list[bytes]:
    """Short conversations of right messages. Of each: what happens, which example, episode, step, who says it."""
    return [
        b"".join(bytes((what, name, 0, step_id, who, 0, 0)) for what in (0x10, 0x11, 0x12))
        for name, step_id, who in itertools.product(range(16), range(3), range(2))
    ]


TARGETS = (
    Target(
        "env dialogue", "conversations of up to 24 messages, into the worker's end", ("protocol.env_dialogue",),
        15_000, _env_hears, _seeds, named=(), prepare=_conversation(_TO_ENV),
    ),
    Target(
        "agent dialogue", "conversations of up to 24 messages, into the agent's end", ("protocol.agent_dialogue",),
        15_000, _agent_hears, _seeds, named=(), prepare=_conversation(_TO_AGENT), check=_is_whole,
    ),
    Target(
        "recorded dialogue", "the same with deflated replies, into an agent that keeps what a lost run needs",
        ("agent_worker.recorded",), 15_000, _recorder_hears, _seeds, named=(),
        prepare=_conversation((*_TO_AGENT, "deflated", "deflated")), check=_is_whole,
    ),
)  # fmt: skip
