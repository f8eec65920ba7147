"""Acts, and percepts without info, of numbers and few bytes: what most messages are, checked in one go.

A body that ``_is_plain`` is valid in all its fields and far within the limits: nothing is left to walk through. What
is not plain goes the way of all messages, in ``protocol.codec``, which would say the same of what is (ADR 17).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgpack

from protocol.messages import Act, Percept
from protocol.version import VERSION

if TYPE_CHECKING:
    from protocol.messages import Message

FEW = 255
"""The most bytes of a plain action or observation: what has a length of one byte."""

_HEADER = rb"\xd9\x20[0-9a-f]{32}(?:[\x00-\x7f]|\xcc.|\xcd.{2}|\xce.{4}|\xcf[\x00-\x7f].{7})\xb0[0-9a-f]{16}"
"""Episode, ``step_id`` from 0, incarnation."""
_ACT = rb"\x96\x01\xa3act" + _HEADER
_PERCEPT = rb"\x9a\x01\xa7percept" + _HEADER + rb"\xcb.{8}[\xc2\xc3]{2}\x80"
_WIRE = rb"(?:[\x00-\x7f\xe0-\xff]|[\xcc\xd0].|[\xcd\xd1].{2}|[\xce\xd2].{4}|[\xcf\xd3].{8}|\xc4.{1,256})"
"""An int, or bytes; whether there are as many of these as they say, msgpack finds out."""
_is_plain = re.compile(b"(?:" + _ACT + b"|" + _PERCEPT + b")" + _WIRE, re.DOTALL).fullmatch
_KINDS = {kind.performative: kind for kind in (Act, Percept)}

_packer = msgpack.Packer(strict_types=True)
"""For all threads: what it packs runs nobody's code, and so nobody packs meanwhile."""


def encode_plain(message: Message) -> bytes | None:
    """Its bytes; None if it is not plain."""
    fields: list[Any]
    if type(message) is Act:
        wire = message.action
        fields = [VERSION, "act", message.episode, message.step_id, message.incarnation, wire]
    elif type(message) is Percept and type(message.info) is dict and not message.info and type(message.reward) is float:
        wire, ends = message.observation, (message.terminated, message.truncated)
        if type(ends[0]) is not bool or type(ends[1]) is not bool:
            return None
        head = [VERSION, "percept", message.episode, message.step_id, message.incarnation]
        fields = [*head, message.reward, *ends, message.info, wire]
    else:
        return None
    if type(wire) is not int and (type(wire) is not bytes or len(wire) > FEW):
        return None
    try:
        body: bytes = _packer.pack(fields)
    except Exception:  # noqa: BLE001 - a number or a text that cannot travel
        return None
    return body if _is_plain(body) else None


def decode_plain(body: bytes) -> Act | Percept | None:
    """The message in ``body``; None if it is not plain."""
    if not _is_plain(body):
        return None
    try:
        fields = msgpack.unpackb(body)
    except ValueError:
        return None  # more bytes are there than the last field says, or less
    return _KINDS[fields[1]](*fields[2:])
