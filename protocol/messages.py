"""The vocabulary: one class for each performative. Field order is wire order.

The five performatives of the AEA gym protocol (``reset``, ``status``, ``act``, ``percept``, ``close``) keep their
names; the others are what it lacks (``reference``: fetchai/agents-aea, ``protocols/gym``).

Every message begins with

* ``episode``: 32 hex digits, chosen by the agent at random. A capability: who knows it may speak in the episode.
* ``step_id``: the number of the request within the episode, from 0; a reply repeats the number of its request.
  ``OUTSIDE`` (-1) for what is not numbered: ``make`` and its answers, and errors about unreadable bytes. ``probe``,
  ``working`` and ``resume`` have the last number that their sender knows of.
* ``incarnation``: 16 hex digits of the sender's connection. It is the address to answer to, and the fence.

``Wire`` fields hold values coded by walking the space (``protocol.coders``): bytes, int, str, or lists of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

OUTSIDE = -1
"""``step_id`` of what is not numbered."""

Wire = Any
"""A value coded by walking its space: ``bytes``, ``int``, ``str``, or lists of these."""


@dataclass(slots=True)
class Make:
    """agent: open an episode on an env ``env_id``. Answered by ``accepted`` and then ``status``, or by ``error``."""

    performative: ClassVar[str] = "make"
    episode: str
    step_id: int
    incarnation: str
    env_id: str
    versions: list[int]
    """Protocol versions that the agent speaks."""
    attempt: int = 1
    """1 for the first ``make`` of the episode; the agent counts up when it asks again after a worker died building."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the env."""
    num_envs: int | None = None
    """None: one plain env. N >= 1: a vector env of N lanes, one message for all of them."""
    autoreset_mode: str | None = None
    """``next_step``, ``same_step`` or ``disabled`` for a vector env; None for a plain env."""
    render_mode: str | None = None
    world: str | None = None
    """Multi-agent: the name of the world to join."""
    seat: str | None = None
    """Multi-agent: which agent of the world to be."""
    compression: str | None = None
    """``deflate``: long replies may come as ``deflated``. None: as they are."""


@dataclass(slots=True)
class Accepted:
    """env: a slot is reserved and the env is being built; ``status`` follows within ``deadline_s`` seconds."""

    performative: ClassVar[str] = "accepted"
    episode: str
    step_id: int
    incarnation: str
    deadline_s: float


@dataclass(slots=True)
class Status:
    """env: the env is there. ``content`` is what ``protocol.description.Description`` writes and reads."""

    performative: ClassVar[str] = "status"
    episode: str
    step_id: int
    incarnation: str
    content: dict[str, Any]


@dataclass(slots=True)
class Reset:
    """agent: begin a new run. ``seed``: None, an int, or one for each lane. ``mask``: which lanes (a byte each)."""

    performative: ClassVar[str] = "reset"
    episode: str
    step_id: int
    incarnation: str
    seed: int | list[int | None] | None = None
    options: dict[Any, Any] | None = None
    mask: bytes | None = None


@dataclass(slots=True)
class Act:
    """agent: take ``action`` and go on by one step."""

    performative: ClassVar[str] = "act"
    episode: str
    step_id: int
    incarnation: str
    action: Wire


@dataclass(slots=True)
class Percept:
    """env: what came of a ``reset`` (reward 0, both flags false) or an ``act``.

    For a plain env ``reward`` is a float64 and the flags are bools; for N lanes they are N little-endian float64 and
    N bytes of 0 or 1. The observation is last on the wire, because it can be large.
    """

    performative: ClassVar[str] = "percept"
    episode: str
    step_id: int
    incarnation: str
    reward: float | bytes
    terminated: bool | bytes
    truncated: bool | bytes
    info: dict[Any, Any]
    observation: Wire


@dataclass(slots=True)
class Render:
    """agent: draw the env as it is now."""

    performative: ClassVar[str] = "render"
    episode: str
    step_id: int
    incarnation: str


@dataclass(slots=True)
class Frame:
    """env: what ``env.render()`` gave: (H, W, 3) uint8 for ``rgb_array``, text for ``ansi``, a list, or None."""

    performative: ClassVar[str] = "frame"
    episode: str
    step_id: int
    incarnation: str
    frame: Any


@dataclass(slots=True)
class Call:
    """agent: call a method or read an attribute that the worker allows (``Description.calls``)."""

    performative: ClassVar[str] = "call"
    episode: str
    step_id: int
    incarnation: str
    name: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """env: what a ``call`` gave."""

    performative: ClassVar[str] = "result"
    episode: str
    step_id: int
    incarnation: str
    value: Any


@dataclass(slots=True)
class Probe:
    """both: are you there? Sent mandatory: its return says no. Answered by ``working`` while a request is executed."""

    performative: ClassVar[str] = "probe"
    episode: str
    step_id: int
    incarnation: str


@dataclass(slots=True)
class Working:
    """env: request ``step_id`` is being executed, for ``deadline_s`` seconds more at the most."""

    performative: ClassVar[str] = "working"
    episode: str
    step_id: int
    incarnation: str
    deadline_s: float


@dataclass(slots=True)
class Resume:
    """both: I was incarnation ``previous`` and have a new connection now. ``step_id``: the last one I know of."""

    performative: ClassVar[str] = "resume"
    episode: str
    step_id: int
    incarnation: str
    previous: str


@dataclass(slots=True)
class Close:
    """agent: end the episode. Legal at any time; answered by ``closed``; a returned ``close`` counts as closed."""

    performative: ClassVar[str] = "close"
    episode: str
    step_id: int
    incarnation: str
    reason: str = ""


@dataclass(slots=True)
class Closed:
    """env: the env is closed and the episode is over."""

    performative: ClassVar[str] = "closed"
    episode: str
    step_id: int
    incarnation: str


@dataclass(slots=True)
class Error:
    """env: instead of the reply. It consumes its ``step_id``, unless its code is ``malformed``, ``unsupported_version``
    or ``step_*``."""

    performative: ClassVar[str] = "error"
    episode: str
    step_id: int
    incarnation: str
    code: str
    """One of ``protocol.errors.ErrorCode``; a newer peer may send others."""
    text: str
    fault: str
    """One of ``protocol.errors.Fault``: agent, env or worker."""
    retry: bool
    """True if the same request may succeed later or elsewhere."""
    ends: bool
    """True if the episode is over."""


@dataclass(slots=True)
class Deflated:
    """env: another reply with the same header, deflated, if ``Make.compression`` asked for that."""

    performative: ClassVar[str] = "deflated"
    episode: str
    step_id: int
    incarnation: str
    size: int
    """Bytes of the reply."""
    data: bytes
    """The reply as a zlib stream (RFC 1950)."""


Request = Make | Reset | Act | Render | Call | Close
Reply = Accepted | Status | Percept | Frame | Result | Working | Closed | Error
Message = Request | Reply | Probe | Resume | Deflated

REQUESTS: tuple[type[Request], ...] = (Make, Reset, Act, Render, Call, Close)
REPLIES: tuple[type[Reply], ...] = (Accepted, Status, Percept, Frame, Result, Working, Closed, Error)
MESSAGES: tuple[type[Message], ...] = (*REQUESTS, *REPLIES, Probe, Resume, Deflated)
