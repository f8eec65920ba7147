"""What a message in a queue of requests asks for, or why it is refused. Pure: bytes in, decision out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker import topology
from protocol.codec import decode, encode, episode_of
from protocol.env_dialogue import error
from protocol.errors import DecodeError, ErrorCode, Fault, VersionMismatch
from protocol.messages import OUTSIDE, Make

if TYPE_CHECKING:
    from env_worker.catalogue import Entry, Served

log = logging.getLogger("gymbroker")


@dataclass(frozen=True)
class Wanted:
    """An env that is served here."""

    make: Make
    entry: Entry


@dataclass(frozen=True)
class Refusal:
    """What to send to the agent instead of an env, and by which key."""

    key: str
    body: bytes
    code: ErrorCode


def read(body: bytes, incarnation: str, catalogue: Served) -> Wanted | Refusal | str:
    """What is wanted; a refusal; or, of what nobody can be told about, the reason."""
    try:
        return understand(body, incarnation, catalogue)
    except Exception:  # a fault of ours, by which the broker would end one worker after another: it redelivers
        log.exception("a request could not be read and is dropped; please report this")
        return "unreadable"


def understand(body: bytes, incarnation: str, catalogue: Served) -> Wanted | Refusal | str:
    """``read``, for messages as we expect them from strangers."""
    try:
        message = decode(body)
    except VersionMismatch as mismatch:
        # Its header is frozen, so it can be answered: at the key that does not need the sender's incarnation.
        key = topology.percept_control_key(mismatch.episode)
        return _refusal(key, mismatch.episode, incarnation, ErrorCode.UNSUPPORTED_VERSION, str(mismatch))
    except DecodeError as problem:
        log.debug("a request that is no message: %s", problem)
        episode = episode_of(body)
        if episode is None:
            return "no message"
        key = topology.percept_control_key(episode)
        return _refusal(key, episode, incarnation, ErrorCode.MALFORMED, str(problem))
    if not isinstance(message, Make):
        log.debug("a request that is no make was dropped: %s", message.performative)
        return "no make"
    entry = catalogue.get(message.env_id)
    if entry is None:
        text = f"{message.env_id!r} is not served here; served: {', '.join(catalogue.entries)}"
        log.debug("episode %s refused: %s", topology.public_id(message.episode), text)
        key = topology.percept_key(message.episode, message.incarnation)
        return _refusal(key, message.episode, incarnation, ErrorCode.UNKNOWN_ENV, text)
    return Wanted(message, entry)


def _refusal(key: str, episode: str, incarnation: str, code: ErrorCode, text: str) -> Refusal:
    body = encode(error(episode, OUTSIDE, incarnation, code, text, Fault.AGENT, ends=True))
    return Refusal(key, body, code)
