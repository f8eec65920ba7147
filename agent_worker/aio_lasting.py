"""An episode in an event loop that outlives its worker: ``on_worker_loss`` is ``truncate`` or ``replay``.

It is used like an ``AsyncEpisode``, and has one inside: when its worker is lost, the next one takes its place. A task
of its own sees each request through, whoever waits for it, or is cancelled while it does.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent_worker.aio_asking import Asked
from agent_worker.aio_episode import AsyncEpisode
from agent_worker.aio_opening import open_async, open_by
from agent_worker.episode import NEVER, Episode
from agent_worker.errors import AlreadyPending, EnvClosed, NothingPending, RemoteEnvError, StepTimeout
from agent_worker.recovery import Recovery
from agent_worker.survival import Plan, Survival, is_loss
from protocol.messages import Message, Percept, Reset

if TYPE_CHECKING:
    import threading

    from agent_worker.aio_reader import Reader
    from agent_worker.aio_wish import Prepare
    from agent_worker.opened import Opened
    from agent_worker.wish import Wish
    from protocol.description import Description
    from protocol.messages import Request


async def open_lasting(wish: Wish, prepare: Prepare) -> AnyAsyncEpisode:
    """Open an episode for the running loop; as ``open_async``."""
    episode = await open_async(wish, prepare)
    return episode if wish.on_worker_loss == "raise" else LastingEpisode(wish, episode)


class LastingEpisode(Asked):
    """See ``AsyncEpisode`` for what is not said here."""

    def __init__(self, wish: Wish, episode: AsyncEpisode) -> None:
        self._wish, self._episode = wish, episode
        self._survival = Survival(wish, episode)
        self._work: asyncio.Future[Message] | None = None
        """Sees the request through that was asked last, until its reply has been taken."""
        self._waiter: asyncio.Future[Message] | None = None
        """Of who waits for that."""
        self._reply: asyncio.Future[Message] | None = None
        """Of the worker, if it was asked before the task began."""
        self._closed = False

    @property
    def reader(self) -> Reader:
        """Who reads for the loop."""
        return self._episode.reader

    @property
    def description(self) -> Description:
        """What the worker of now says about the env."""
        return self._episode.description

    def check(self, kind: type[Request]) -> None:
        """Raise what hinders a request of this kind now."""
        self.reader.check_loop(self._wish.env_id)
        if self._waiter is not None:
            what = f"{kind.performative} while another coroutine waits for a reply"
            raise AlreadyPending(f"{self._wish.env_id}: {what}")
        if self._work is not None and kind is not Reset:
            text = f"{kind.performative} is not legal before the last reply is taken: wait(), reset() or close()"
            raise AlreadyPending(f"{self._wish.env_id}: {text}")
        ending = self._episode.ending
        if ending is not None and is_loss(ending) and self._survival.lost is None:
            self._survival.lose(ending)  # nobody waited when it was told
        if self._survival.undisturbed or self._closed:
            if self._work is None:
                self._episode.check(kind)
            else:  # who waits inside is our own task, and a reset ends that
                Episode.check(self._episode, kind)
        else:
            self._survival.check(kind)

    def send(self, kind: type[Request], fields: dict[str, Any]) -> None:
        if kind is Reset:
            self._survival.forget()
        self.check(kind)
        self._stop()
        if self._survival.undisturbed:
            self._episode.send(kind, fields)
            self._see_through(None)
        else:
            self._see_through(self._survival.begin(kind, fields))

    def _see_through(self, plan: Plan | Percept | None) -> None:
        """Without a plan: what is pending at the worker. It is waited for from now on, not from when the task runs."""
        self._reply = None if plan is not None else self._episode.begin_wait(NEVER)
        self._work = asyncio.ensure_future(self._ask(plan))
        self._work.add_done_callback(lambda work: work.cancelled() or work.exception())  # whether anybody waits or not

    async def _ask(self, plan: Plan | Percept | None) -> Message:
        if self._reply is not None:
            try:
                reply = await self._reply
                self._reply = None
                return self._survival.heard(reply)
            except RemoteEnvError as error:
                self._reply = None
                plan = self._survival.lose(error)
        while isinstance(plan, Plan):
            if self._survival.lost is not None:
                await self._move()
            try:
                if self._episode.ending is not None:
                    raise self._episode.ending  # of the next worker, before anything could be asked of it
                return self._survival.heard(await self._episode.request(plan.kind, NEVER, **plan.fields))
            except RemoteEnvError as error:
                plan = self._survival.lose(error)
        assert plan is not None
        return plan

    async def _move(self) -> None:
        recovery: Recovery | None = None

        def opener(wish: Wish, given_up: threading.Event) -> Opened:
            nonlocal recovery
            recovery = Recovery(wish, self._survival, given_up)
            return recovery.run().parts

        try:
            episode = await open_by(self._wish, opener)
        except RemoteEnvError as error:
            self._survival.not_moved(error)
            raise
        assert recovery is not None
        former, self._episode = self._episode, episode
        former.drop("its worker was lost")  # one that its worker has ended still has its queue
        self._survival.moved(episode, recovery.losses)

    def begin_wait(self, timeout: float) -> asyncio.Future[Message]:
        self.reader.check_loop(self._wish.env_id)
        if self._waiter is not None:
            raise AlreadyPending(f"{self._wish.env_id}: another coroutine waits for the reply already")
        if self._work is None:
            plan = self._survival.plan if self._survival.lost is not None else None
            if plan is None and self._episode.pending is None:
                raise self._idle()
            self._see_through(plan)  # the broker could not be reached the last time
        assert self._work is not None
        self._waiter = asyncio.ensure_future(self._take(self._work, timeout))
        return self._waiter

    def _idle(self) -> RemoteEnvError:
        text = "nothing has been asked that a reply could come to"
        return (EnvClosed if self._closed else NothingPending)(f"{self._wish.env_id}: {text}")

    async def _take(self, work: asyncio.Future[Message], timeout: float) -> Message:
        started = time.monotonic()
        try:
            await asyncio.wait([work], timeout=timeout)
        finally:
            if self._waiter is asyncio.current_task():
                self._waiter = None
        if not work.done():
            raise self._overdue(time.monotonic() - started)
        if work.cancelled():
            raise EnvClosed(f"{self._wish.env_id}: closed while a coroutine waited for a reply")
        self._work = None
        return work.result()

    def end_wait(self, waiter: asyncio.Future[Message]) -> None:
        if self._waiter is waiter:
            self._waiter = None
        if not waiter.done():
            waiter.cancel()
        elif not waiter.cancelled() and not isinstance(waiter.exception(), StepTimeout):
            self._work = waiter

    def _overdue(self, waited_s: float) -> StepTimeout:
        if self._survival.lost is None:
            return self._episode.overdue(waited_s)
        what = f"{self._survival.lost}; another one is looked for since, and was not there"
        return StepTimeout(f"{what} when {waited_s:.1f} s had been waited; wait(), reset() or close()")

    async def close(self, timeout: float, reason: str = "") -> None:
        """End the episode, and wait for that for ``timeout`` seconds at most. Safe to call twice."""
        self.reader.check_loop(self._wish.env_id)
        self._closed = True
        self._stop()
        await self._episode.close(timeout, reason)

    def drop(self, reason: str) -> None:
        """Say that it ends, and wait for nothing, as nobody does. Legal in any thread once the loop is closed."""
        self._closed = True
        self._stop()
        self._episode.drop(reason)

    def _stop(self) -> None:
        work, self._work = self._work, None
        reply, self._reply = self._reply, None
        if reply is not None:
            self._episode.end_wait(reply)
        if work is not None:
            self._episode.abandon()
        if work is not None and not work.done():
            with suppress(RuntimeError):  # the loop is closed
                work.cancel()


AnyAsyncEpisode = AsyncEpisode | LastingEpisode
