"""One thread for each event loop and broker, which reads what comes for all episodes of the loop.

It waits on one mailbox that those of all episodes are joined to, and wakes the loop once for all that arrives until the
loop looks. Over ``memory://`` it is this thread that steps the envs of an embedded worker. All that is known of an
episode changes in the loop's own thread; here are only the waits that would block it: for messages, and for a broker to
come back.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import queue
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from agent_worker.episode import NEVER
from agent_worker.joint import Joint
from broker import shared
from broker.errors import BrokerError, ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent_worker.aio_episode import AsyncEpisode
    from agent_worker.aio_line import Line
    from agent_worker.opened import Opened
    from agent_worker.wish import Wish
    from broker.port import Arrival

log = logging.getLogger("gymbroker")

LOOK_S = 0.25
"""How often the thread looks whether it is still needed, and how often what is due is looked at in the loop."""

RETRY_S = 2.0
"""How long one attempt takes to reach a broker that is gone."""

IDLE_S = 0.05
"""How often it looks for another connection where no episode needs one."""


class Droppable(Protocol):
    """An episode, with or without more around it."""

    def drop(self, reason: str) -> None:
        """End it, and wait for nothing."""


class Unclaimed:
    """An open episode that no coroutine has heard of yet. Maybe none ever does: ``dismiss`` ends it then."""

    def __init__(self, dismiss: Callable[[], None]) -> None:
        self.dismiss = dismiss
        self.arrived: list[Arrival] = []
        """Kept for who hears of it: a worker that comes back under another name says so once."""


class Reader:
    """Reads for the episodes of one loop at one broker. Its thread ends when nobody needs it: see ``reader_of``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, url: str) -> None:
        self._loop, self._url = loop, url
        self._episodes: dict[object, AsyncEpisode] = {}
        self.lines: dict[str, Line] = {}
        """Who opens an episode of an env now, and who waits for that, by env id."""
        self.unclaimed: dict[object, Unclaimed] = {}
        """By token. Each is taken out by ``add``, or by its own ``dismiss``."""
        self._openings = 0
        """Coroutines that open an episode now, or stand in line for that."""
        self._joint: Joint | None = None
        self._arrived: deque[Arrival] = deque()
        self._told = False
        """The loop knows that something has arrived, and has not looked yet."""
        self._dropped: queue.SimpleQueue[Droppable] = queue.SimpleQueue()
        self._look_due = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._lost_at: float | None = None

    # In the loop's thread.

    def check_loop(self, env_id: str) -> None:
        """Raise ``RuntimeError`` in another loop than that in which the env was made."""
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(f"{env_id}: this env belongs to another event loop, in which it was made")

    def add(self, episode: AsyncEpisode) -> None:
        """From now on ``episode.take`` gets its arrivals, and at once those that came before."""
        self._episodes[episode.token] = episode
        unclaimed = self.unclaimed.pop(episode.token, None)
        if unclaimed is not None:
            for arrival in unclaimed.arrived:
                episode.take(arrival)

    def remove(self, episode: AsyncEpisode) -> None:
        """It has ended."""
        self._episodes.pop(episode.token, None)

    def look_at(self, when: float) -> None:
        """See to it that ``episode.look`` is called at ``when``, or not much later."""
        if when < self._look_due:
            self._look_due = when
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(max(0.0, when - time.monotonic()), self._look)

    def _look(self) -> None:
        now, due = time.monotonic(), NEVER
        self._look_due, self._timer = NEVER, None
        for episode in list(self._episodes.values()):
            due = min(due, episode.look(now))
        self.look_at(max(due, now + LOOK_S) if due < NEVER else NEVER)

    def _deliver(self) -> None:
        self._told = False  # before the look: what comes after it is told again
        for _ in range(len(self._arrived)):
            arrival = self._arrived.popleft()
            episode = self._episodes.get(arrival.token)
            if episode is not None:
                episode.take(arrival)
            elif (unclaimed := self.unclaimed.get(arrival.token)) is not None:
                unclaimed.arrived.append(arrival)

    def _unreachable(self, error: BrokerError, since: float) -> None:
        for episode in list(self._episodes.values()):
            episode.unreachable(error, since)

    # In any thread.

    def adopt(self, opened: Opened) -> None:
        """Read for an episode that was opened just now."""
        with _lock:
            if self._joint is None:
                # It looks at nothing before the lock is free, and where no thread can be had, the next may try.
                threading.Thread(target=self._run, name="agent worker aio reader", daemon=True).start()
                self._joint = Joint(opened.connection, opened.mailbox)
                return
        try:
            opened.mailbox.join(self._joint.on(opened.connection))
        except ConnectionLost as error:
            log.debug("%s", error)  # it is moved to another connection like all others

    def drop(self, episode: Droppable) -> None:
        """End an episode whose env nobody has any more. The garbage collector may call it anywhere."""
        self._dropped.put(episode)

    def drop_all(self, reason: str) -> None:
        """The loop is closed, or the program ends."""
        for episode in list(self._episodes.values()):
            episode.drop(reason)
        for unclaimed in list(self.unclaimed.values()):
            unclaimed.dismiss()

    # In the reader's own thread.

    def _run(self) -> None:
        tick = 0.0
        try:
            while True:
                now = time.monotonic()
                if now >= tick:
                    tick = now + LOOK_S
                    if not self._is_needed():
                        return
                    self._drop_dropped()
                    if any(episode.destination.closed for episode in list(self._episodes.values())):
                        self._mend("the connection broke")
                self._read()
        except _LoopClosed:
            self.drop_all("the agent's event loop was closed")
            with _lock:
                self._leave()

    def _is_needed(self) -> bool:
        if self._loop.is_closed():
            raise _LoopClosed
        with _lock:
            needed = bool(self._episodes or self._openings or self.unclaimed)
            if not needed:
                self._leave()
            return needed

    def _leave(self) -> None:
        """Nobody is to find this one any more. Called with the lock held.

        Another may be in its place: it has left already if its thread was begun by an opening that nobody waited for.
        """
        key = self._loop, self._url
        if _readers.get(key) is self:
            del _readers[key]

    def _read(self) -> None:
        assert self._joint is not None
        mailbox = self._joint.mailbox
        try:
            arrival = mailbox.get(time.monotonic() + LOOK_S)
        except BrokerError as error:
            self._mend(str(error))
            return
        if arrival is not None:
            self._arrived.append(arrival)
            if not self._told:
                self._told = True
                self._call(self._deliver)

    def _drop_dropped(self) -> None:
        while not self._dropped.empty():
            self._call(self._dropped.get().drop, "the env was dropped without close()")

    def _mend(self, why: str) -> None:
        """Our connection broke: take another one, and move all episodes to it. What fails is tried again.

        That the new one is here already says nothing about them: who opened an episode may have brought it along.
        """
        assert self._joint is not None
        if not self._episodes:
            time.sleep(IDLE_S)  # the next that is opened brings a connection along
            return
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            log.warning("%s; connecting again for %d episodes", why, len(self._episodes))
        try:
            connection = shared(self._url, timeout_s=RETRY_S, name="agent worker")
            mailbox = self._joint.on(connection)
            for episode in list(self._episodes.values()):
                if episode.destination.closed:
                    inbox = episode.new_inbox(connection, mailbox, time.monotonic())
                    episode.destination = connection
                    self._call(episode.move, connection, mailbox, inbox)
            self._lost_at = None
        except BrokerError as error:
            self._call(self._unreachable, error, self._lost_at)
            time.sleep(LOOK_S)  # in a thread of the reader's own

    def _call(self, what: Callable[..., object], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:
            raise _LoopClosed from None


class _LoopClosed(Exception):
    """The event loop takes nothing any more."""


_readers: dict[tuple[asyncio.AbstractEventLoop, str], Reader] = {}
_lock = threading.Lock()
"""Held for a moment to begin reading for a loop, and to end it."""


@contextmanager
def reader_of(wish: Wish) -> Iterator[Reader]:
    """The reader of the running loop for the broker of ``wish``, kept while an episode is opened."""
    key = (asyncio.get_running_loop(), wish.broker)
    with _lock:
        reader = _readers.get(key)
        if reader is None:
            reader = _readers[key] = Reader(*key)
        reader._openings += 1
    try:
        yield reader
    finally:
        with _lock:
            reader._openings -= 1
            if reader._joint is None and not reader._openings:
                reader._leave()


def _close_all() -> None:
    """At exit: free the workers' slots at once."""
    for reader in list(_readers.values()):
        reader.drop_all("the agent's program ended")


def _forked() -> None:
    """In a forked child: the parent's episodes are not ours, and its threads are not there."""
    global _lock
    _lock = threading.Lock()
    _readers.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forked)
