"""Opening several episodes at once: all of them, or none."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from agent_worker.errors import RemoteEnvError
from agent_worker.lasting import AnySession, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_worker.wish import Wish

CLOSE_S = 5.0
"""How long those that were opened are closed again, and those under way are waited for, if one fails."""

WHY = "another episode of the same vector env could not be opened"


def open_sessions(wishes: Sequence[Wish]) -> list[AnySession]:
    """Open an episode for each wish, in threads of their own: they may stand in line. In the order of the wishes.

    If one cannot be opened, those that were are closed again, the others are given up, and its error is raised.
    """
    if len(wishes) == 1:
        return [open_session(wishes[0])]
    openings = _Openings(wishes)
    try:
        return openings.wait()
    except BaseException as error:
        openings.give_up()
        if isinstance(error, RemoteEnvError):
            count = len(openings.opened)
            error.args = (f"{error} ({count} of {len(wishes)} episodes had been opened, and are closed again)",)
        raise


class _Openings:
    """Threads that each open one episode."""

    def __init__(self, wishes: Sequence[Wish]) -> None:
        self.opened: dict[int, AnySession] = {}
        self._given_up = threading.Event()
        self._lock = threading.Lock()
        """Held to look at, or change, whether a session that was opened is still wanted."""
        self._ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._open, args=pair, name="opening an episode", daemon=True)
            for pair in enumerate(wishes)
        ]

    def _open(self, number: int, wish: Wish) -> None:
        try:
            session = open_session(wish, self._given_up)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for it
            self._ended.put(error)
            return
        with self._lock:
            wanted = not self._given_up.is_set()
            if wanted:
                self.opened[number] = session
        if wanted:
            self._ended.put(None)
        else:
            session.close(CLOSE_S, WHY)

    def wait(self) -> list[AnySession]:
        """Begin, and wait for all sessions. Raises the first error."""
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            error = self._ended.get()  # each has bounds of its own: connect_timeout, make_timeout, the worker's
            if error is not None:
                raise error
        return [self.opened[number] for number in range(len(self._threads))]

    def give_up(self) -> None:
        """Close what is open, and what will be."""
        deadline = time.monotonic() + CLOSE_S
        with self._lock:
            self._given_up.set()
        for session in self.opened.values():
            session.close(max(0.0, deadline - time.monotonic()), WHY)
        for thread in self._threads:
            if thread.is_alive():  # else it has ended, or could not be started
                thread.join(max(0.0, deadline - time.monotonic()))
