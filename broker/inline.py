"""Mailboxes of ``memory://``, and how a waiting agent does the work of a worker in the same process.

A step over ``memory://`` costs no switch of threads: the agent's thread, waiting in ``get``, takes the worker's turn
and calls the ``handle`` that the worker gave to ``run``.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from broker.alarm import Alarm
from broker.errors import again
from broker.joining import refuse_chains
from broker.queues import Exchanges

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from broker.errors import BrokerError
    from broker.port import Arrival, Mailbox

_thread = threading.local()
"""``handling`` is true while the thread is inside a handler.

There it must not begin another worker's work: that work could wait for the very handler that it interrupts. Who waits
inside a handler sleeps, and the worker that it waits for runs on its own thread.
"""


class Hub:
    """One in-process broker: what is declared, the lock around it, and the workers that can be run inline."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.exchanges = Exchanges()
        self.running: tuple[MemoryMailbox, ...] = ()
        """Mailboxes whose ``run`` waits for work. A new tuple for every change, so that it can be read unlocked."""

    def help(self, waiting: MemoryMailbox, deadline: float) -> bool:
        """Do the work of in-process workers on this thread until ``waiting`` has an arrival. False: no work."""
        if getattr(_thread, "handling", False):
            return False
        if waiting.many and len(self.running) > 1:
            return False  # it waits for whichever is first: while it did the work of one it could not hear another
        helped = False
        for worker in self.running:
            if worker.items and worker.help(waiting, deadline):
                helped = True
                if waiting.items:
                    break
        return helped


class MemoryMailbox:
    """Mailbox of a memory connection.

    ``turn`` is held by whoever gives arrivals to ``handle``: the thread inside ``run``, or while that one sleeps a
    thread that waits in ``get`` of another mailbox. A sleeper is woken once for each sleep, and needs the
    interpreter lock to notice: a lockstep dialogue wakes a worker some two hundred times a second, not at each step.

    A Ctrl-C may strike between any two instructions of a thread that waits in ``get``, and leaves no turn taken and no
    arrival unhandled.

    ``siblings``: all mailboxes of its connection.
    """

    def __init__(self, hub: Hub, siblings: Container[object]) -> None:
        self.items: deque[Arrival] = deque()
        self.loss: BrokerError | None = None
        self.joined = self.many = False
        self._hub, self._siblings = hub, siblings
        self._alarm = Alarm()
        self._turn = threading.RLock()  # it knows who holds it, also where a Ctrl-C has struck right after
        self._handle: Callable[[Arrival], None] | None = None
        self._raised: BaseException | None = None

    def put(self, arrival: Arrival) -> None:
        """Called under the hub's lock."""
        self.items.append(arrival)
        self._alarm.ring()

    def get(self, deadline: float) -> Arrival | None:
        items = self.items
        while True:
            try:
                return items.popleft()
            except IndexError:
                pass  # empty: the usual case, and another thread may have emptied it after any look at it
            if self.loss is not None:
                raise again(self.loss)
            helped = self._hub.help(self, deadline)
            if not items:
                if time.monotonic() >= deadline:
                    return None
                if not helped:
                    self._sleep(deadline)

    def join(self, other: Mailbox) -> None:
        if not isinstance(other, MemoryMailbox) or other not in self._siblings:
            raise TypeError(f"expected a mailbox of the same memory:// connection, got {other!r}")
        with self._hub.lock:  # whoever puts holds it
            refuse_chains(self, other)
            self.joined = other.many = True
            other.items.extend(self.items)
            self.items, self._alarm = other.items, other._alarm
        other._alarm.ring()

    def run(self, handle: Callable[[Arrival], None], deadline: float) -> None:
        self._start(handle)
        try:
            while self._handle_all(handle, deadline):
                self._sleep(deadline)
        finally:
            self._handle = None  # from here on nobody begins
            with self._turn:  # and who had begun has ended
                self._stop()
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised

    def _start(self, handle: Callable[[Arrival], None]) -> None:
        self._handle = handle
        with self._hub.lock:
            self._hub.running = (*self._hub.running, self)

    def _stop(self) -> None:
        with self._hub.lock:
            self._hub.running = tuple(box for box in self._hub.running if box is not self)

    def _handle_all(self, handle: Callable[[Arrival], None], deadline: float) -> bool:
        """Handle what is there. True: sleep and call again. False: the deadline has passed, or a handler raised."""
        with self._turn:
            while self._raised is None and time.monotonic() < deadline:
                if not self.items:
                    if self.loss is not None:
                        raise again(self.loss)
                    return True
                self._call(handle)
        return False

    def help(self, waiting: MemoryMailbox, deadline: float) -> bool:
        """Handle arrivals on this thread until ``waiting`` has one. False: another thread does so already."""
        try:
            return self._turn.acquire(blocking=False) and self._handle_for(waiting, deadline)
        finally:
            try:  # noqa: SIM105 - a Ctrl-C could strike in suppress(), before the release
                self._turn.release()
            except RuntimeError:
                pass  # another thread has it

    def _handle_for(self, waiting: MemoryMailbox, deadline: float) -> bool:
        handle = self._handle
        if handle is None:
            return False
        try:
            while self.items and not waiting.items:
                self._call(handle)
                if not waiting.items and time.monotonic() >= deadline:
                    break
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a worker raises belongs to the thread in its run()
            self._raised, self._handle = error, None
        finally:
            if self.items or self._raised:
                self._alarm.ring()
        return True

    def _call(self, handle: Callable[[Arrival], None]) -> None:
        """Handle the first arrival. Where a Ctrl-C strikes, it stays the first, and is handled again."""
        try:
            arrival = self.items[0]
        except IndexError:
            return  # the connection was lost a moment ago, and with it what was here
        outer = getattr(_thread, "handling", False)
        try:
            _thread.handling = True
            handle(arrival)
        except KeyboardInterrupt:
            raise
        except BaseException:
            self._remove(arrival)
            raise
        else:
            self._remove(arrival)
        finally:
            _thread.handling = outer

    def _remove(self, arrival: Arrival) -> None:
        items = self.items
        if items and items[0] is arrival:  # else the connection was lost meanwhile
            items.popleft()

    def lose(self, loss: BrokerError) -> None:
        """Called under the hub's lock. What needs settling belongs to the broker again; the rest is still given out."""
        kept = [arrival for arrival in list(self.items) if not arrival.tag]
        self.items.clear()
        self.items.extend(kept)
        self.loss = loss
        self._alarm.ring()

    def forked(self, loss: BrokerError) -> None:
        """In a child, where no other thread is that could hold its turn."""
        self._turn = threading.RLock()
        self.loss = loss
        self.items.clear()

    def _sleep(self, deadline: float) -> None:
        """Wait until there is something to do, at most until ``deadline``."""
        self._alarm.arm()
        if not self.items and self.loss is None and self._raised is None:
            self._alarm.sleep(deadline - time.monotonic())
