"""Replies that are deflated on their way, where the agent asked for it in ``make``: see ``Make.compression``.

A whole reply becomes the ``data`` of a ``deflated``, if that is shorter. Only agents read these: nobody can make a
worker inflate anything.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from protocol.codec import decode, encode
from protocol.errors import DecodeError
from protocol.limits import DEFAULT_LIMITS, Limits
from protocol.messages import Deflated

if TYPE_CHECKING:
    from protocol.messages import Message

DEFLATE = "deflate"

COMPRESSIONS: tuple[str, ...] = (DEFLATE,)
"""What ``Make.compression`` may be, besides None."""

LEVEL = 1
"""Of zlib. Higher ones cost three to ten times the time, and save a tenth of the bytes of frames (ADR 20)."""

HEAD = 96
"""More bytes than a ``deflated`` has beside its data."""

LEAST = 1024
"""Shorter replies go as they are, in bytes."""


def deflate(body: bytes, episode: str, step_id: int, incarnation: str) -> bytes:
    """``body``, a reply with that header, as a ``deflated``; ``body`` itself if that is not shorter."""
    if len(body) < LEAST:
        return body
    data = zlib.compress(body, LEVEL)
    if len(data) + HEAD >= len(body):
        return body
    return encode(Deflated(episode, step_id, incarnation, len(body), data))


def inflate(message: Deflated, limits: Limits = DEFAULT_LIMITS) -> Message:
    """The reply in ``message``. Raises ``DecodeError``, and nothing else, for whatever is wrong with it."""
    reply = decode(inflated(message, limits), limits)
    heads = [(one.episode, one.step_id, one.incarnation) for one in (message, reply)]
    if type(reply) is Deflated or heads[0] != heads[1]:
        raise DecodeError("deflated message holds no reply with the same header")
    return reply


def inflated(message: Deflated, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The bytes of the reply in ``message``. Raises ``DecodeError``.

    Its size is looked at before anything is allocated, and no more than that is: a bomb does not go off.
    """
    if not 0 <= message.size <= limits.body_bytes:
        raise DecodeError(f"deflated message of {message.size} bytes, at most {limits.body_bytes} are legal")
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(message.data, message.size + 1)
    except zlib.error as problem:
        raise DecodeError(f"deflated message cannot be inflated: {problem}") from None
    if len(body) != message.size or not stream.eof or stream.unused_data:
        raise DecodeError(f"deflated message is not of {message.size} bytes, as it says")
    return body
