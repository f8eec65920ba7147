"""Acts, and percepts without info, of a number or bytes, also of lanes: what most messages are, checked in one go.

A body that ``_of_one`` or ``_is_of_lanes`` knows is valid in all its fields and far within the limits: nothing is left
to walk through. Long bytes at the very end (``protocol.tail``) are looked at on their own. What is not plain goes the
way of all messages, in ``protocol.codec``, which would say the same of it (ADR 17).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgpack

from protocol.limits import DEFAULT_LIMITS
from protocol.messages import Act, Percept
from protocol.tail import EMPTY, LONG, TAIL_HEAD, find_tail, with_tail
from protocol.version import VERSION

if TYPE_CHECKING:
    from protocol.messages import Message

MOST = DEFAULT_LIMITS.body_bytes - LONG - TAIL_HEAD
"""The most bytes of a long body: with all that may stand before, it is within the limits."""

_HEADER = rb"\xd9\x20[0-9a-f]{32}(?:[\x00-\x7f]|\xcc.|\xcd.{2}|\xce.{4}|\xcf[\x00-\x7f].{7})\xb0[0-9a-f]{16}"
"""Episode, ``step_id`` from 0, incarnation."""
_ACT = rb"\x96\x01\xa3act" + _HEADER
_PERCEPT = rb"\x9a\x01\xa7percept" + _HEADER
_OF_ONE = _PERCEPT + rb"\xcb.{8}[\xc2\xc3]{2}\x80"
"""A percept of one env, up to the observation."""
_BYTES = rb"(?:\xc4.{1,256}|\xc5.{2,65537})"
"""Fewer than ``LONG``; whether there are as many as they say, msgpack finds out."""
_WIRE = rb"(?:[\x00-\x7f\xe0-\xff]|[\xcc\xd0].|[\xcd\xd1].{2}|[\xce\xd2].{4}|[\xcf\xd3].{8}|" + _BYTES + b")"
_LANES = rb"\x92(?:[\x00-\x7f]|\xcc.|\xcd.{2})"
"""How many lanes there are; bytes of all of them follow."""
_of_one = re.compile(b"(?:" + _ACT + b"|" + _OF_ONE + b")" + _WIRE, re.DOTALL).fullmatch
_head_of_one = re.compile(_OF_ONE, re.DOTALL).match
_act_of_lanes = re.compile(_ACT + _LANES + _BYTES, re.DOTALL).fullmatch
_percept = re.compile(_PERCEPT, re.DOTALL).match
_lanes = re.compile(rb"\x80" + _LANES, re.DOTALL).match
_end_of_lanes = re.compile(rb"\x80" + _LANES + _BYTES, re.DOTALL).fullmatch
"""No info, and an observation."""
_KINDS = {kind.performative: kind for kind in (Act, Percept)}

_packer = msgpack.Packer(strict_types=True)
"""For all threads: what it packs runs nobody's code, and so nobody packs meanwhile."""


def encode_plain(message: Message) -> bytes | None:
    """Its bytes; None if it is not plain."""
    fields: list[Any]
    if type(message) is Act:
        fields = [VERSION, "act", message.episode, message.step_id, message.incarnation, message.action]
    elif type(message) is Percept and type(message.info) is dict and not message.info:
        if type(message.reward) is bytes and len(message.reward) >= LONG:
            return None
        ends = message.terminated, message.truncated
        head = [VERSION, "percept", message.episode, message.step_id, message.incarnation]
        fields = [*head, message.reward, *ends, message.info, message.observation]
    else:
        return None
    wire, tail = fields[-1], None
    if type(wire) is not int and (type(wire) is not bytes or len(wire) >= LONG):
        parted = _part(wire)
        if parted is None or (parted[1] is not None and type(message) is Act):
            return None
        fields[-1], tail = parted
    try:
        body: bytes = _packer.pack(fields)
    except Exception:  # noqa: BLE001 - a number or a text that cannot travel
        return None
    if len(body) > LONG or not (_of_one(body) or _is_of_lanes(body)):
        return None
    return body if tail is None else with_tail(body, tail)


def _part(wire: Any) -> tuple[Any, bytes | memoryview | None] | None:
    """A value of lanes, or a long one: what of it is put into the message, and what behind it. None: neither."""
    of_lanes = type(wire) is list
    if of_lanes and (len(wire) != 2 or type(wire[0]) is not int):
        return None
    data = wire[1] if of_lanes else wire
    if of_lanes and type(data) is bytes and len(data) < LONG:
        return wire, None
    if not _is_tail(data):
        return None
    return [wire[0], b""] if of_lanes else b"", data


def _is_tail(value: Any) -> bool:
    """Whether it is as many bytes as are best put behind the rest, and no more than may be sent with that."""
    if type(value) is memoryview and not (value.ndim == value.itemsize == 1 and value.c_contiguous):
        return False
    return type(value) in (bytes, memoryview) and LONG <= len(value) <= MOST


def decode_plain(body: bytes) -> Act | Percept | None:
    """The message in ``body``; None if it is not plain. Long bytes at its end are a view of ``body``."""
    if len(body) > LONG:
        return _decode_long(body)
    if not (_of_one(body) or _is_of_lanes(body)):
        return None
    try:
        fields = msgpack.unpackb(body)
    except ValueError:
        return None  # more bytes are there than the last field says, or less
    return _KINDS[fields[1]](*fields[2:])


def _decode_long(body: bytes) -> Percept | None:
    """The percept in ``body`` that ends in a view of it, if all before that is plain."""
    found = _head_of_one(body) or _head_of_lanes(body)
    if found is None or found.end() + len(EMPTY) > LONG or len(body) > MOST:
        return None
    tail = find_tail(body, found.end())
    if tail is None:
        return None
    fields = msgpack.unpackb(body[: found.end()] + EMPTY)
    if type(fields[-1]) is list:
        fields[-1][1] = tail
    else:
        fields[-1] = tail
    return Percept(*fields[2:])


def _is_of_lanes(body: bytes) -> bool:
    """Whether it is an act or a percept of many lanes, and plain, but for the size of its last bytes."""
    if _act_of_lanes(body):
        return True
    end = _end_of_ends(body)
    return end is not None and _end_of_lanes(body, end) is not None


def _head_of_lanes(body: bytes) -> re.Match[bytes] | None:
    """Of a percept of many lanes, if it is plain up to the bytes of its observation."""
    end = _end_of_ends(body)
    return None if end is None else _lanes(body, end)


def _end_of_ends(body: bytes) -> int | None:
    """Where the rewards and both flags of a percept of lanes end; None if it is no such percept.

    They are bytes, which no expression can count.
    """
    header = _percept(body)
    if header is None:
        return None
    at = header.end()
    for _ in range(3):
        head = body[at : at + 3]
        if len(head) == 3 and head[0] == 0xC4:
            at += 2 + head[1]
        elif len(head) == 3 and head[0] == 0xC5:
            at += 3 + (head[1] << 8 | head[2])
        else:
            return None
    return at
