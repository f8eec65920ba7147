"""What a stepper has dropped or refused, by reason; now and then its log says how much of what."""

from __future__ import annotations

import logging
from collections import Counter

log = logging.getLogger("gymbroker")

TELL_S = 10.0
"""How often the log has a line for that, at the most: strangers may send as much of it as they like."""


class Ignored(Counter[str]):
    """Counts by reason (what was dropped) or code (what was refused)."""

    def __init__(self) -> None:
        super().__init__()
        self._told = Counter[str]()
        self._due = 0.0

    def tell(self, now: float) -> None:
        """Say in the log what has been added, if it is time for that. ``now``: ``time.monotonic()``."""
        if now < self._due:
            return
        self._due = now + TELL_S
        new = self - self._told
        if new:
            log.info("dropped or refused: %s", ", ".join(f"{count} x {reason}" for reason, count in new.most_common()))
            self._told = Counter(self)
