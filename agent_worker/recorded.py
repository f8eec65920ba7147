"""What an episode was asked, kept so that another worker can be asked the same: a log, and a dialogue that keeps it.

Pure: no clock, socket or thread. A request is kept as its bytes, what came of it as a digest of 8 bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from protocol.agent_dialogue import AgentDialogue
from protocol.calls import GET, SET
from protocol.codec import decode
from protocol.compression import inflated
from protocol.messages import Act, Call, Close, Deflated, Error, Percept, Reset
from protocol.tail import owned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_worker.wish import Wish
    from protocol.agent_dialogue import Stray
    from protocol.messages import Message, Request

DIGEST_BYTES = 8

UNKNOWN = bytes(DIGEST_BYTES)
"""Stands for what came of a request whose reply nobody waited for."""

DONE = b"\1" * DIGEST_BYTES
"""Stands for the result of a call: it need not be the same again, but it must be one."""

_DEFLATED, _NAME_AT = Deflated.performative.encode(), 16
"""What the bytes of such a message have in front, and how far in front."""

HEADER = 3
"""Fields of every message that belong to its dialogue: episode, step_id, incarnation."""

UNSEEDED = "no reset of all that it plays had a seed"


def new_dialogue(wish: Wish, episode: str, incarnation: str) -> AgentDialogue:
    """The agent's end of an episode: one that keeps what is needed, if the episode is to outlive its worker."""
    if wish.on_worker_loss == "raise":
        return AgentDialogue(episode, incarnation)
    return RecordedDialogue(episode, incarnation, ReplayLog(wish.replay_limit, runs=wish.on_worker_loss == "replay"))


def digest_of(body: bytes, incarnation: str) -> bytes:
    """Of what a message says behind its header, which ends with the ``incarnation``: equal for equal percepts.

    Whether it came deflated makes no difference: another worker may have another zlib.
    """
    if body.find(_DEFLATED, 0, _NAME_AT) > 0:
        message = decode(body)
        assert isinstance(message, Deflated)
        body = inflated(message)
    start = body.index(incarnation.encode()) + len(incarnation)
    return hashlib.blake2b(memoryview(body)[start:], digest_size=DIGEST_BYTES).digest()


class ReplayLog:
    """The requests that bring a fresh env into the state of this one.

    They are: what was called before the first reset; each attribute that was set since, with its last value; and, with
    ``runs``, all since the last seeded reset of all lanes, ``limit`` requests at the most. What only looks (``render``,
    reading an attribute) is not among them.
    """

    def __init__(self, limit: int, *, runs: bool) -> None:
        self._limit, self._runs = limit, runs
        self._fresh: list[bytes] = []
        self._sets: dict[tuple[str, str], bytes] = {}
        self._before: list[bytes] = []
        """What goes before the seeded reset."""
        self._requests: list[bytes] = []
        """From the seeded reset on."""
        self._digests = bytearray()
        self._asked: tuple[Request, bytes] | None = None
        """What has no reply yet."""
        self._is_fresh, self._is_seeded = True, False
        self._why = UNSEEDED

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def why_not(self) -> str:
        """Why the run cannot be replayed; empty if it can, or if there is none."""
        return "" if self._is_fresh or self._is_seeded else self._why

    @property
    def is_full(self) -> bool:
        """Whether the limit is why."""
        return bool(self.why_not) and self._why != UNSEEDED

    def asked(self, request: Request, body: bytes) -> None:
        """It was asked, in these bytes. A reply that nobody has waited for yet will not be waited for any more."""
        if self._asked is not None:
            self.answered(UNKNOWN)
        self._asked = request, body
        if type(request) is Reset and self._runs and is_seeded(request.seed, request.mask):
            self._is_fresh, self._is_seeded = False, True
            self._before = self._lasting()
            self._requests.clear()
            self._digests.clear()

    def answered(self, digest: bytes) -> None:
        """Its reply has come."""
        if self._asked is None:
            return
        (request, body), self._asked = self._asked, None
        if isinstance(request, Call):
            self._called(request, body, digest)
        elif isinstance(request, Reset):
            self._is_fresh = False
            self._note(body, digest)
        elif isinstance(request, Act):
            self._note(body, digest)

    def _called(self, call: Call, body: bytes, digest: bytes) -> None:
        if call.name.startswith(GET):
            return
        if self._is_fresh:
            if digest == DONE:
                self._fresh.append(body)
            return
        if digest == DONE and call.name.startswith(SET):
            place = (call.name, repr(call.args[:-1]))  # lanes of a vector env stand before the value
            self._sets.pop(place, None)
            self._sets[place] = body
        self._note(body, digest)

    def _note(self, body: bytes, digest: bytes) -> None:
        if not self._is_seeded:
            return
        if len(self._requests) < self._limit:
            self._requests.append(body)
            self._digests += digest
            return
        self._requests.clear()
        self._digests.clear()
        self._is_seeded, self._why = False, f"there were more than replay_limit={self._limit} requests since its seed"

    def _lasting(self) -> list[bytes]:
        return [*self._fresh, *self._sets.values()]

    def replay(self, *, run: bool) -> Iterator[tuple[bytes, bytes]]:
        """All that was asked and answered, in order, each with its digest; without what has no reply yet.

        ``run``: also what lies behind the seeded reset, and that itself.
        """
        if not (run and self._is_seeded):
            yield from ((body, DONE) for body in self._lasting())
            return
        yield from ((body, DONE) for body in self._before)
        for number, body in enumerate(self._requests):
            yield body, bytes(self._digests[DIGEST_BYTES * number : DIGEST_BYTES * (number + 1)])

    @property
    def last_digest(self) -> bytes:
        """Of what was answered last, or ``UNKNOWN``."""
        return bytes(self._digests[-DIGEST_BYTES:]) or UNKNOWN


def is_seeded(seed: Any, mask: bytes | None) -> bool:
    """Whether a reset with these fields makes all that follows repeatable, in all lanes."""
    return seed is not None and (type(seed) is not list or None not in seed) and (mask is None or all(mask))


def read(body: bytes) -> tuple[type[Request], dict[str, Any]]:
    """What was asked, and with which fields: those that do not belong to the dialogue."""
    request: Any = decode(body)
    return type(request), {field.name: getattr(request, field.name) for field in dataclass_fields(request)[HEADER:]}


class RecordedDialogue(AgentDialogue):
    """An agent's end that keeps in ``log`` what it was asked, and what came of it."""

    def __init__(self, episode: str, incarnation: str, log: ReplayLog) -> None:
        super().__init__(episode, incarnation)
        self.log = log
        self._body = b""
        """Of the request that has no reply yet."""
        self.last: Percept | None = None
        """What was perceived last; None: there is no run."""

    @property
    def asked(self) -> tuple[type[Request], dict[str, Any]] | None:
        """The request that has no reply yet, as it was sent: its user may have changed since what it was made of."""
        return read(self._body) if self._body else None

    def ask(self, kind: type[Request], **fields: Any) -> bytes:
        """See ``AgentDialogue``."""
        body = super().ask(kind, **fields)
        if kind is not Close:
            assert self.pending is not None
            self._body = body
            self.log.asked(self.pending, body)
        return body

    def receive(self, body: bytes) -> Message | Stray | None:
        """See ``AgentDialogue``."""
        request = self.pending
        message = super().receive(body)
        if request is not None and self.pending is None and message is not None:
            self._answered(request, message, body)
        return message

    def _answered(self, request: Request, message: Message | Stray, body: bytes) -> None:
        if isinstance(message, Error) and message.ends:
            return
        self._body = b""
        if isinstance(message, Percept):
            self.last = replace(message, observation=owned(message.observation))  # a user may write into what he gets
            self.log.answered(digest_of(body, message.incarnation))
        elif not isinstance(message, Error):
            self.log.answered(DONE)
        else:
            if type(request) is Reset:
                self.last = None
            self.log.answered(hashlib.blake2b(message.code.encode(), digest_size=DIGEST_BYTES).digest())
