"""What a proxy can do to the n-th message of a kind."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.faults.amqp_frames import Unit

Way = Literal["up", "down"]
"""``up``: from the client to the broker."""

Deed = Literal["delay", "cut", "reset", "blackhole", "duplicate", "corrupt", "drop", "replay"]


@dataclass
class Fault:
    """What happens to the ``nth`` unit named ``on`` (of a ``basic.publish`` to that exchange, ...) of one direction.

    delay      it and all that follows comes ``seconds`` later
    cut        its first ``after`` bytes pass, then the connection is reset at both ends
    reset      the same with nothing of it
    blackhole  neither it nor anything after it passes this way; the connection stays open
    duplicate  it passes twice
    corrupt    the byte ``at`` of its body is another one; -2: the last of it, -1: the end of its frame
    drop       it does not pass; all else does
    replay     it passes, and once more after the next of its kind
    """

    way: Way
    on: str
    deed: Deed
    nth: int = 1
    exchange: str = ""
    """Empty: any."""
    seconds: float = 0.0
    after: int = 0
    at: int = -2
    key: str = ""
    """Regular expression that its routing key must match; empty: any."""
    always: bool = False
    """It strikes at each from the ``nth`` on, until ``disarm``."""
    fired: threading.Event = field(default_factory=threading.Event)
    fired_at: float = 0.0
    _seen: int = 0

    def hits(self, way: Way, unit: Unit) -> bool:
        """Whether it strikes this unit. Counts."""
        if (self.fired.is_set() and not self.always) or way != self.way or unit.name != self.on:
            return False
        if (self.exchange and unit.exchange != self.exchange) or not re.search(self.key, unit.key):
            return False
        self._seen += 1
        if self._seen < self.nth:
            return False
        self.fired_at = time.monotonic()
        self.fired.set()
        return True
