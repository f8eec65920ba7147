"""Who waits, pumps: the thread that waits for a message reads the socket itself, so nothing is handed over to it.

With many threads on one connection one of those that wait leads: it polls and reads, and puts what belongs to others
into their mailboxes, which wakes them. When it has what it waited for, it goes, and wakes one follower to lead.
The lead is never held while user code runs. A thread that sends needs the connection's lock only, and no thread
sleeps with that lock.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from broker.alarm import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.amqp.wire import Wire
    from broker.port import Arrival

STALL_S = 30.0
"""A broker that takes nothing of what we write for so long is given up."""

DRAIN_POLL_S = 0.1


class Engine(Protocol):
    """What is pumped. All methods are called with its lock held."""

    lock: threading.Lock
    wire: Wire
    ended: bool
    due: float
    """When ``run_timers`` has something to do."""

    def read(self) -> None:
        """Take in what the socket has. A failure ends the connection; it is not raised."""

    def flush(self) -> None:
        """Send of the backlog what can be sent. A failure ends the connection."""

    def run_timers(self) -> None:
        """Call what is due."""

    def fail(self, reason: str) -> None:
        """End the connection."""


class Waiter:
    """A queue that one thread waits on: a mailbox, or the place for the reply to one request."""

    __slots__ = ("__weakref__", "alarm", "items")

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.alarm = Alarm()

    def put(self, item: Arrival | Any) -> None:
        """From any thread."""
        self.items.append(item)
        if self.alarm.armed:
            self.alarm.ring()


class Pump:
    """Leader and followers around one socket."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lead = threading.RLock()  # it knows who holds it, also where a Ctrl-C has struck right after
        self._followers: deque[Waiter] = deque()
        self._poll = select.poll()
        self._poll.register(engine.wire.fd, select.POLLIN)
        self._for_output = False

    def wait(self, waiter: Waiter, deadline: float) -> None:
        """Return when ``waiter`` has something, the connection has ended or ``deadline`` has passed; or earlier.

        A Ctrl-C may strike between any two instructions, and leaves no lead taken.
        """
        try:
            if self._lead.acquire(blocking=False) or self._follow(waiter, deadline):
                engine, items, cycle = self._engine, waiter.items, self._cycle
                while not items and not engine.ended:
                    now = time.monotonic()
                    cycle(deadline, now)
                    if now >= deadline:
                        return
        finally:
            try:  # noqa: SIM105 - a Ctrl-C could strike in suppress(), or in a method of ours, before the release
                self._lead.release()
            except RuntimeError:
                pass  # another thread leads
            if self._followers:
                self._pass_on()

    def _follow(self, waiter: Waiter, deadline: float) -> bool:
        """Wait for who leads, or for the lead. True: we have it."""
        waiter.alarm.arm()
        try:
            self._followers.append(waiter)
            if self._lead.acquire(blocking=False):  # who led may have gone before it could see us
                return True
            if not waiter.items and not self._engine.ended:
                waiter.alarm.sleep(deadline - time.monotonic())
            return False
        finally:
            self._followers.remove(waiter)

    def breathe(self) -> None:
        """Read what has come and do what is due, unless somebody leads, who does that anyway. Never blocks."""
        try:
            if self._lead.acquire(blocking=False) and not self._engine.ended:
                now = time.monotonic()
                self._cycle(now, now)
        finally:
            self._hand_over()

    def drain(self) -> None:
        """Wait until the operating system has taken the backlog: the broker is slower than we are.

        Keeps reading meanwhile: a broker that waits for us to read would never read what we write.
        """
        engine = self._engine
        writable = select.poll()
        writable.register(engine.wire.fd, select.POLLOUT)
        while engine.wire.backlog and not engine.ended:
            try:
                if self._lead.acquire(blocking=False):
                    now = time.monotonic()
                    self._cycle(now + DRAIN_POLL_S, now)
                else:
                    writable.poll(DRAIN_POLL_S * 1000)
                    with engine.lock:
                        engine.flush()
            finally:
                self._hand_over()
            if time.monotonic() - engine.wire.progress > STALL_S:
                with engine.lock:
                    engine.fail(f"the broker has taken nothing of what we write for {STALL_S:g} s")

    def wake_all(self) -> None:
        """The connection has ended: let everybody see it."""
        for waiter in list(self._followers):
            waiter.alarm.ring()

    def close_when_idle(self, close: Callable[[], None]) -> None:
        """Call ``close`` when nobody polls the socket any more."""
        with self._lead:
            close()

    def _hand_over(self) -> None:
        """Give the lead up, if it is ours."""
        try:  # noqa: SIM105 - as in wait()
            self._lead.release()
        except RuntimeError:
            pass  # another thread leads
        self._pass_on()

    def _pass_on(self) -> None:
        """Wake one who has nothing yet to lead, if nobody leads."""
        if self._followers and self._is_free():
            for waiter in list(self._followers):
                if not waiter.items:
                    waiter.alarm.ring()
                    return

    def _is_free(self) -> bool:
        try:
            return self._lead.acquire(blocking=False)
        finally:
            try:  # noqa: SIM105 - as in wait()
                self._lead.release()
            except RuntimeError:
                pass

    def _cycle(self, deadline: float, now: float) -> None:
        """Wait until the socket has something, a timer or ``deadline`` is due, and do what there is to do."""
        engine = self._engine
        backlog, timer = engine.wire.backlog, engine.due
        if backlog or self._for_output:
            self._poll_for_output(bool(backlog))
        until = deadline if deadline < timer else timer
        events = self._poll.poll((until - now) * 1000 if until > now else 0)
        if events:
            with engine.lock:
                if events[0][1] != select.POLLOUT:
                    engine.read()
                if backlog:
                    engine.flush()
        if timer <= now or not events:  # a timer that has come due meanwhile has its turn in the next cycle
            self._run_timers(timer)

    def _poll_for_output(self, wanted: bool) -> None:
        """Whether to wake when the operating system takes something of the backlog, too."""
        if wanted is not self._for_output:
            self._for_output = wanted
            self._poll.modify(self._engine.wire.fd, select.POLLIN | select.POLLOUT if wanted else select.POLLIN)

    def _run_timers(self, timer: float) -> None:
        if timer <= time.monotonic():
            with self._engine.lock:
                self._engine.run_timers()
