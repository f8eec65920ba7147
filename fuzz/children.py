"""The process of an isolated env: whatever it says to its stepper, in whatever pieces, harms no agent."""

from __future__ import annotations

import itertools
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from env_worker.children import Ending
from env_worker.isolated import IsolatedEpisode
from env_worker.pipe import Garbled, Pipe
from env_worker.settings import WorkerSettings
from fuzz import messages
from fuzz.choices import Choices
from fuzz.target import Finding, Target
from protocol.agent_dialogue import AgentDialogue
from protocol.codec import decode
from protocol.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from protocol.messages import Act, Call, Close, Make, Render, Reset
from tests.protocol.examples import AGENT, EPISODE, WORKER

if TYPE_CHECKING:
    from protocol.messages import Request

Said = tuple[int, bytes]

MOST = 24
_SAYS = (
    "status", "percept", "percept", "percept", "percept_info", "percept_lanes", "frame", "result", "closed", "error",
    "working", "accepted", "resume", "probe", "deflated", "act", "make",
)  # fmt: skip
_ASKS: tuple[tuple[type[Request], dict[str, Any]], ...] = (
    (Reset, {}), (Act, {"action": 1}), (Act, {"action": 2}), (Render, {}), (Call, {"name": "f"}), (Close, {}),
)  # fmt: skip
_SIZES = (0, 1, 4, 300, 2**16, 2**24, 2**24 + 1, 2**31, 2**32 - 1)


class _Child:
    """Does as it is told by who fuzzes."""

    def __init__(self) -> None:
        self.busy, self.killed = True, False

    def ask(self, body: bytes) -> None:
        """It is asked."""
        self.busy = True

    def rest(self) -> None:
        """It has answered."""
        self.busy = False

    def kill(self, why: str) -> None:
        """It is ended."""
        self.killed = True

    def leave(self) -> None:
        """It may end."""


class _Isolation:
    """Begins children that are none."""

    def __init__(self) -> None:
        self.child = _Child()

    def begin(self, episode: IsolatedEpisode, make: bytes) -> _Child:
        """The one there is."""
        return self.child


def _conversation(data: bytes) -> list[Said]:
    choices = Choices(data)
    said: list[Said] = []
    while choices and len(said) < MOST:
        what = choices.byte()
        said.append((what, choices.piece() if what % 16 == 15 else messages.addressed(choices, _SAYS)))
    return said


def _hears(said: list[Said]) -> None:
    """Whatever the child says, the agent hears what a worker says, or nothing."""
    agent, isolation = AgentDialogue(EPISODE, AGENT), _Isolation()
    make = decode(agent.make("E"))
    assert isinstance(make, Make)
    given: Any = (None, WorkerSettings(("E",)), "host/1", isolation)
    episode = IsolatedEpisode(make, WORKER, *given)
    agent.receive(episode.dialogue.accepted(60.0))
    episode.build()
    for what, body in said:
        if isolation.child.killed or episode.ended:
            return
        if what & 0x10:
            _tell(agent, _request(agent, episode, what))
        if what & 0x60 == 0x60:
            _tell(agent, episode.hear(Ending(ErrorCode.ENV_ERROR, "it was killed")))
        else:
            _tell(agent, episode.hear(body))


def _request(agent: AgentDialogue, episode: IsolatedEpisode, what: int) -> bytes | None:
    kind, fields = _ASKS[what % len(_ASKS)]
    try:
        return episode.handle(agent.ask(kind, **fields))
    except LocalProtocolError:
        return None


def _tell(agent: AgentDialogue, reply: bytes | None) -> None:
    if reply is None:
        return
    try:
        agent.receive(reply)
    except RemoteProtocolError as error:
        raise Finding(f"the worker passes on what breaks the protocol: {error}") from error


def _pieces(data: bytes) -> list[bytes]:
    """Messages with lengths that may be lies, cut anywhere."""
    choices, stream = Choices(data), b""
    cut = 1 + choices.word() % 600
    while choices and len(stream) < 2**15:
        body = choices.piece()
        size = choices.one(_SIZES) if choices.byte() % 4 == 3 else len(body)
        stream += size.to_bytes(4, "little") + body
    return [stream[at : at + cut] for at in range(0, len(stream), cut)]


def _receive(pieces: list[bytes]) -> list[bytes]:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        writer = threading.Thread(target=_write, args=(theirs, pieces))
        writer.start()
        try:
            return list(iter(Pipe(ours).receive, None))
        finally:
            ours.close()  # it may have more to say than anybody wants to hear
            writer.join()


def _write(sock: socket.socket, pieces: list[bytes]) -> None:
    with suppress(OSError):
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)


def _seeds() -> list[bytes]:
    return [
        b"".join(bytes((what, name, 0, step_id, 1, 0, 0)) for what in (0, 0x10, 0x11, 0x12))
        for name, step_id in itertools.product(range(len(_SAYS)), range(3))
    ]


TARGETS = (
    Target(
        "child", "what the process of an isolated env says, by way of its stepper, into an agent",
        ("env_worker.isolated",), 20_000, _hears, _seeds, named=(), prepare=_conversation,
    ),
    Target(
        "pipe", "streams of such a process, with any lengths, in any pieces", ("env_worker.pipe",), 40_000,
        _receive, lambda: [b"\0\5\3abc\0\2de\0", b"\0\0\3abc\3" + bytes((5,)), b"\0\1\1a\3\6"],
        named=(Garbled,), prepare=_pieces,
    ),
)  # fmt: skip
