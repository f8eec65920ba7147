"""A thread that looks after open sessions: it closes those whose env was dropped, and brings back broken ones.

The garbage collector may strike anywhere, also inside a lock of the broker's; so a finalizer only puts the session in
a ``SimpleQueue``, whose ``put`` is reentrant, and the closing is done here. So does a ``close`` that strikes there:
wrappers of libraries close in ``__del__``, and programs in signal handlers. And an agent that is busy training does not
read its connection: when that breaks, it is here that the worker is told that the agent still lives.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

from broker.errors import BrokerError

if TYPE_CHECKING:
    from agent_worker.session import Session

log = logging.getLogger("gymbroker")

LOOK_S = 1.0
"""How often it looks whether a connection has broken."""

EXIT_S = 0.5
"""How long the end of the program waits for threads that are in the middle of a request."""


class Closable(Protocol):
    """A session, or several of them."""

    @property
    def in_use(self) -> bool:
        """Whether somebody waits for a reply: closing would wait for that, too."""

    def close(self, timeout: float, reason: str = "") -> None:
        """End it."""


_dropped: queue.SimpleQueue[Closable] = queue.SimpleQueue()
_open: weakref.WeakSet[Session] = weakref.WeakSet()
_lock = threading.Lock()
_thread: threading.Thread | None = None


_OURS = frozenset(
    {
        "agent_worker.session", "agent_worker.gathering", "agent_worker.recovery",
        "env_worker.stepper", "env_worker.isolated",  # of a worker in this process, which closing waits for
    }
)  # fmt: skip
"""Modules that call what may run anything, with a lock held."""


def watch(session: Session) -> None:
    """Look after ``session`` from now on, until it is closed."""
    global _thread
    with _lock:
        _open.add(session)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="agent worker caretaker", daemon=True)
            _thread.start()


def drop(open_one: Closable) -> None:
    """Close ``open_one`` soon. May be called anywhere, also by the garbage collector inside of a lock."""
    _dropped.put(open_one)


def interrupts() -> bool:
    """Whether who calls was called in the middle of a request or of the broker's work, by the same thread.

    It may hold a lock then that closing needs: any lock of ours is held by a frame of one of these modules.
    """
    frame = sys._getframe(1).f_back
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.startswith("broker.") or name in _OURS:
            return True
        frame = frame.f_back
    return False


def _run() -> None:
    in_use: list[Closable] = []
    """Dropped by a signal handler in the middle of a request: others are not to wait until that is over."""
    look_at = time.monotonic() + LOOK_S
    while True:
        try:
            dropped = _dropped.get(timeout=max(0.0, look_at - time.monotonic()))
        except queue.Empty:
            pass
        else:
            if dropped.in_use:
                in_use.append(dropped)
            else:
                dropped.close(0.0, "the env was dropped without close()")
            del dropped
        if time.monotonic() >= look_at:
            _revive_all()
            while in_use:
                _dropped.put(in_use.pop())
            look_at = time.monotonic() + LOOK_S


def _revive_all() -> None:
    """A function of its own: what it holds of the sessions must not outlive it, or none of them would ever be freed."""
    with _lock:
        sessions = list(_open)
    for session in sessions:
        try:
            session.revive()
        except BrokerError as error:
            log.debug("a broken connection: %s", error)  # its next request says so to the user


def _close_all() -> None:
    """At exit: free the workers' slots at once. Of what a thread waits for longer, a worker learns by its probe."""
    with _lock:
        sessions = list(_open)
    until = time.monotonic() + EXIT_S
    for session in sessions:
        if session.is_free(until - time.monotonic()):
            session.close(0.0, "the agent's program ended")


def _forked() -> None:
    """In a forked child: the parent's sessions are not ours, and its thread is not there."""
    global _lock, _thread
    _lock, _thread = threading.Lock(), None
    for session in list(_open):
        session.forked()
    _open.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forked)
