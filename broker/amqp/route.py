"""What every small delivery to one consumer looks like, so that it is taken out of the stream as one piece.

The three frames of a delivery without properties differ, from one to the next, in the delivery tag, in whether it is
delivered again, and in the body and its size. All else was seen when the first one came. No I/O.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING

from broker.amqp.framing import BODY, HEAD, METHOD, PREFIX, TAG, content_head

if TYPE_CHECKING:
    from collections.abc import Callable


@functools.lru_cache
def _shape(rest: int, after: int) -> struct.Struct:
    return struct.Struct(f">Q?{rest}sQ{after}sI")


class Route:
    """Deliveries like one that came on ``channel`` with ``method``.

    ``deliver(delivery tag, redelivered, body)`` takes them.
    """

    __slots__ = ("_ending", "after", "deliver", "length", "prefix", "rest", "unpack")

    def __init__(self, channel: int, method: bytes, deliver: Callable[[int, bool, bytes], None]) -> None:
        frame = HEAD.pack(METHOD, channel, len(method)) + method + b"\xce"
        head = content_head(channel, 0)
        self.deliver = deliver
        self.prefix = frame[:PREFIX]
        """How they begin."""
        self.rest = frame[PREFIX + TAG.size :] + head[:11]
        """What stands between the redelivered flag and the size in the header."""
        self.after = head[19:] + HEAD.pack(BODY, channel, 0)[:3]
        """What stands between that size and the one of the body's frame."""
        shape = _shape(len(self.rest), len(self.after))
        self.length = PREFIX + shape.size
        """Bytes before the body."""
        self.unpack = shape.unpack_from
        """Delivery tag, redelivered, ``rest``, size, ``after``, size; from behind the prefix."""
        self._ending = method[PREFIX - 7 + TAG.size :]

    def is_of(self, method: bytes) -> bool:
        """Whether a delivery with ``method``, to the same consumer, comes by this route: from where, by which key."""
        return method[PREFIX - 7 + TAG.size :] == self._ending
