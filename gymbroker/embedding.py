"""Env workers inside this process, for ``memory://``: nobody else could serve there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from agent_worker.census import Census
from agent_worker.errors import UnknownEnv
from broker import fork, shared
from env_worker import CatalogueError, EmbeddedWorker, WorkerSettings

if TYPE_CHECKING:
    from agent_worker.wish import Wish

CAPACITY = 1_000_000
"""Waiting in line for oneself would be for ever."""

LOOK_S = 0.05
"""How long a worker that the program itself runs may take to say that it serves an env."""

class _Embedded:
    """The env workers of this process, by broker and env id."""

    def __init__(self) -> None:
        self.forked()
        fork.watch(self)

    def forked(self) -> None:
        """In a forked child the threads of the parent's workers are gone."""
        self.lock = threading.Lock()
        self.workers: dict[tuple[str, str], EmbeddedWorker] = {}


_embedded = _Embedded()


def ensure_served(wish: Wish) -> None:
    """On ``memory://``: serve the env from this process, if nobody does. Raises ``UnknownEnv`` if it does not exist."""
    if not wish.broker.startswith("memory:"):
        return
    place = (wish.broker, wish.env_id)
    with _embedded.lock:
        worker = _embedded.workers.get(place)
        if (worker is not None and worker.alive) or _is_served(wish):
            return
        settings = WorkerSettings((wish.env_id,), broker=wish.broker, capacity=CAPACITY, idle_timeout=0.0)
        try:
            _embedded.workers[place] = EmbeddedWorker(settings).start()
        except CatalogueError as error:
            text = f"nobody serves it at {wish.broker}, and it cannot be served from here: {error}"
            raise UnknownEnv(text) from error


def _is_served(wish: Wish) -> bool:
    census = Census(shared(wish.broker, timeout_s=wish.connect_timeout, name=wish.name))
    try:
        census.ask()
        found = census.gather(time.monotonic() + LOOK_S)
        return any(wish.env_id in presence.envs for presence in found)
    finally:
        census.close()
