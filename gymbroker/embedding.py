"""Env workers inside this process, for ``memory://``: nobody else could serve there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from agent_worker.errors import UnknownEnv
from broker import fork
from env_worker import CatalogueError, EmbeddedWorker, WorkerSettings
from env_worker.embedded import served_here

if TYPE_CHECKING:
    from agent_worker.wish import Wish

CAPACITY = 1_000_000
"""Waiting in line for oneself would be for ever."""


class _Turn:
    """Who makes a worker, one after the other; a forked child has a lock of its own."""

    def __init__(self) -> None:
        self.forked()
        fork.watch(self)

    def forked(self) -> None:
        """A thread of the parent may have held it."""
        self.lock = threading.Lock()


_turn = _Turn()


def ensure_served(wish: Wish) -> None:
    """On ``memory://``: serve the env from this process, if nobody does. Raises ``UnknownEnv`` if it does not exist."""
    if not wish.broker.startswith("memory:"):
        return
    with _turn.lock:
        if served_here(wish.broker, wish.env_id):
            return
        settings = WorkerSettings((wish.env_id,), broker=wish.broker, capacity=CAPACITY, idle_timeout=0.0)
        try:
            EmbeddedWorker(settings).start()
        except CatalogueError as error:
            text = f"nobody serves it at {wish.broker}, and it cannot be served from here: {error}"
            raise UnknownEnv(text) from error
