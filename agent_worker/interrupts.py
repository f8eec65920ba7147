"""What a Ctrl-C does to a command that waits for others: it ends within two seconds, also where they never answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

EXIT_INTERRUPTED = 130

AGAIN_S = 0.8
"""So long closing may take after a Ctrl-C; then it is interrupted, too."""

LAST_S = 0.8
"""So long all that is left may take after that; then the process ends, and the broker forgets what was its own."""


@contextmanager
def interruptible() -> Iterator[None]:
    """In here a Ctrl-C, or a SIGTERM, raises KeyboardInterrupt, and what it leads to is bounded.

    Before and after it, as ``gymbroker_start`` has it: the process ends at once. For the main thread.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell started it in the background
        yield
        return
    clock = _Clock()
    former = {number: signal.signal(number, clock.strikes) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        clock.inside = False
        for number, handler in former.items():
            signal.signal(number, handler)
        # CPython notes a Ctrl-C that struck in an exec(), say of a dataclass, and ends ``python -m`` by SIGINT then,
        # whatever its exit code, and also where the Ctrl-C was caught long ago. The next exec() makes it forget.
        exec("")


class _Clock(threading.Thread):
    """Begins to run with the first Ctrl-C."""

    def __init__(self) -> None:
        super().__init__(name="agent worker end", daemon=True)
        self.inside = True

    def strikes(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if self.ident is None:
            self.start()
        raise KeyboardInterrupt

    def run(self) -> None:
        time.sleep(AGAIN_S)  # in a thread of its own, as the main one may be stuck
        if self.inside:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(LAST_S)  # so long there is to end in order
        os._exit(EXIT_INTERRUPTED)
