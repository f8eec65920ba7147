"""Since when an env is being called: written by the stepping thread, read by whoever watches over it."""

from __future__ import annotations

import multiprocessing
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from env_worker.slot import Slot


class Pulse:
    """A shared number: 0 while no env is being called, else the ``time.monotonic()`` at which the call began.

    It lives in memory that parent and child process share, because a watcher in the same process cannot run
    while a hung env holds the interpreter's lock.
    """

    def __init__(self, shared: Any = None) -> None:
        self.shared: Any = multiprocessing.get_context("spawn").RawValue("d", 0.0) if shared is None else shared
        self.slot: Slot | None = None
        """Whose env it is; known in the stepping process only."""

    def begin(self, slot: Slot) -> float:
        """An env is called from now on; gives the time of now."""
        self.slot = slot
        now = self.shared.value = time.monotonic()
        return now

    def end(self) -> None:
        """It has returned."""
        self.shared.value = 0.0

    def busy_s(self, now: float) -> float:
        """For how many seconds the running call has been running; 0.0 if there is none."""
        since: float = self.shared.value
        return now - since if since else 0.0
