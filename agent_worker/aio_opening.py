"""How an episode is opened for a coroutine: in a thread, as it may stand in line for a worker for a long time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from agent_worker.aio_episode import AsyncEpisode
from agent_worker.aio_line import Line
from agent_worker.aio_reader import Unclaimed, reader_of
from agent_worker.episode import Episode
from agent_worker.errors import NoFreeWorker
from agent_worker.opened import Opened
from agent_worker.opening import open_episode
from broker.errors import BrokerError
from broker.port import Kind
from protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from agent_worker.aio_reader import Reader
    from agent_worker.aio_wish import Prepare
    from agent_worker.wish import Wish

THREADS = 64
"""So many episodes of one env are opened at once, each in a thread; others wait, and keep nobody from stepping."""


Opener = Callable[["Wish", threading.Event], Opened]
"""Opens what a wish asks for, in a thread; soon after the event is set it gives up."""


async def open_async(wish: Wish, prepare: Prepare) -> AsyncEpisode:
    """Open an episode for the running loop. Raises ``RemoteEnvError`` and ``BrokerError``.

    ``prepare(wish)`` is called before, in the same thread. Whoever is cancelled leaves no episode behind.
    """

    def opener(wish: Wish, given_up: threading.Event) -> Opened:
        prepare(wish)
        return open_episode(wish, given_up)

    return await open_by(wish, opener)


async def open_by(wish: Wish, opener: Opener) -> AsyncEpisode:
    """The same by another way to open it."""
    deadline = time.monotonic() + wish.make_timeout
    with reader_of(wish) as reader:
        line = reader.lines.setdefault(wish.env_id, Line(THREADS))
        if not await line.enter(wish.make_timeout):
            before = f"{THREADS} others of this program stand in line before it"
            raise NoFreeWorker(f"{wish.env_id!r}: no worker took the request within {wish.make_timeout:g} s; {before}")
        try:
            left = max(0.0, deadline - time.monotonic())
            opened = await _Opening(replace(wish, make_timeout=left), opener, reader).wait()
        finally:
            line.leave()
        return AsyncEpisode(wish, opened, reader)


class _Opening:
    """A thread that opens one episode."""

    def __init__(self, wish: Wish, opener: Opener, reader: Reader) -> None:
        self._wish, self._opener, self._reader = wish, opener, reader
        self._given_up = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[Opened] = self._loop.create_future()
        threading.Thread(target=self._run, name="agent worker aio opening", daemon=True).start()

    async def wait(self) -> Opened:
        try:
            return await self._done
        except asyncio.CancelledError:
            self._given_up.set()
            if self._done.done() and not self._done.cancelled() and self._done.exception() is None:
                self._dismiss(self._done.result())  # both at once
            raise

    def _run(self) -> None:
        outcome = self._outcome()
        try:
            self._loop.call_soon_threadsafe(self._hear, outcome)
        except RuntimeError:  # the loop was closed meanwhile
            self._hear_nobody(outcome)

    def _outcome(self) -> Opened | BaseException:
        opened: Opened | None = None
        try:
            opened = self._opener(self._wish, self._given_up)
            self._reader.unclaimed[opened.dialogue] = Unclaimed(lambda: self._dismiss(opened))
            self._reader.adopt(opened)
        except BaseException as error:  # noqa: BLE001 - raised in the coroutine that waits for it
            self._hear_nobody(opened)
            return error
        return opened

    def _hear(self, outcome: Opened | BaseException) -> None:
        if self._done.done():
            self._hear_nobody(outcome)
        elif isinstance(outcome, BaseException):
            self._done.set_exception(outcome)
        else:
            self._done.set_result(outcome)

    def _hear_nobody(self, outcome: Opened | BaseException | None) -> None:
        if isinstance(outcome, Opened):
            self._dismiss(outcome)

    def _dismiss(self, opened: Opened) -> None:
        """Nobody wants it any more."""
        unclaimed = self._reader.unclaimed.pop(opened.dialogue, None)
        with suppress(BrokerError, RemoteProtocolError):
            for arrival in unclaimed.arrived if unclaimed is not None else ():
                if arrival.kind is Kind.MESSAGE:
                    opened.dialogue.receive(arrival.body)  # its worker may go by another name since
            episode = Episode(self._wish, opened)
            episode._say_close("the agent's task was cancelled")
            episode._forget()
