"""Where one thread sleeps until another has something for it. Cheaper than ``threading.Event``, and made anew once."""

from __future__ import annotations

import threading

LONGEST_S = 60.0


class Alarm:
    """The sleeper: ``arm()``, look once more whether there is a reason to sleep, ``sleep(seconds)``.

    The waker: make the reason go away, ``ring()``. As arming comes before the look and ringing after the change, no
    ring is missed. A sleep may end without a ring: look again, and sleep again.
    """

    __slots__ = ("_lock", "armed")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.armed = False

    def arm(self) -> None:
        """From now on ``ring`` ends the next sleep."""
        self.armed = True

    def sleep(self, seconds: float) -> None:
        """Wait for ``ring``, at most so long."""
        self._lock.acquire(timeout=min(max(seconds, 0.0), LONGEST_S))
        self.armed = False

    def ring(self) -> None:
        """End the sleep, if there is one. From any thread, any number of times."""
        if self.armed:
            self.armed = False
            try:
                self._lock.release()
            except RuntimeError:
                return  # two rang at once
