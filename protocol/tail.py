"""Long bytes at the very end of a message, where a percept has its observation: sent by one copy, received by none.

The bytes on the wire are those of any other message. What is short, or stands elsewhere, goes through msgpack.
"""

from __future__ import annotations

from typing import Any

LONG = 2**16
"""From so many bytes on, a copy costs more than to look where they are. Their msgpack head has five bytes then."""

NIL = b"\xc0"

EMPTY = b"\xc4\x00"
"""Empty bytes in msgpack."""

TAIL_HEAD = 5
"""Bytes of the head of long bytes."""

Buffer = bytes | bytearray | memoryview


def cut(value: Any) -> tuple[Any, Buffer | None]:
    """``value`` with empty bytes for the long bytes at its very end, and these; or ``value`` itself, and None.

    ``value`` is not changed: the lists that lead to the end are copied.
    """
    if type(value) is not list or not value:
        return value, None
    last = value[-1]
    if type(last) is bytes or type(last) is memoryview:
        return ([*value[:-1], b""], last) if len(last) >= LONG else (value, None)
    inner, tail = cut(last)
    return (value, None) if tail is None else ([*value[:-1], inner], tail)


def with_tail(body: bytes, tail: Buffer) -> bytes:
    """``body``, which ends in empty bytes, with ``tail`` instead of these. The one copy of it."""
    return b"".join((memoryview(body)[:-len(EMPTY)], b"\xc6", len(tail).to_bytes(4, "big"), tail))


def find_tail(body: bytes, blob: int) -> memoryview | None:
    """The long bytes that begin with their head at ``blob`` and end with ``body``; None if there are none.

    Nor if more stands before them: whoever kept them would keep all that, too.
    """
    start = blob + TAIL_HEAD
    if (
        len(body) - start < max(LONG, start)
        or body[blob] != 0xC6
        or int.from_bytes(body[blob + 1 : start], "big") != len(body) - start
    ):
        return None
    return memoryview(body)[start:]


def put_last(value: Any, tail: memoryview) -> bool:
    """Put ``tail`` in the place of the None that is the last object of ``value``. False: not only lists lead there."""
    while type(value) is list and value:
        if type(value[-1]) is not list:
            if value[-1] is not None:
                return False
            value[-1] = tail
            return True
        value = value[-1]
    return False


def owned(wire: Any) -> Any:
    """``wire`` with bytes of its own for what is borrowed from a message: for who keeps it."""
    if type(wire) is list and wire:
        last = owned(wire[-1])  # nothing else is borrowed
        return wire if last is wire[-1] else [*wire[:-1], last]
    return bytes(wire) if type(wire) is memoryview else wire
