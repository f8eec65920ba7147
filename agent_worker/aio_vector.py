"""Lanes of an env in other processes, for an event loop."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from gymnasium.vector import AutoresetMode

from agent_worker.aio_lasting import AnyAsyncEpisode, open_lasting
from agent_worker.aio_wish import wish_of
from agent_worker.errors import InvalidArgument, RemoteEnvError, StepTimeout
from agent_worker.known_lanes import KnownLanes
from agent_worker.layout import Layout
from agent_worker.remote import CLOSE_TIMEOUT_S
from broker.errors import BrokerError
from protocol.errors import EncodeError
from protocol.messages import Act, Render, Reset

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from typing_extensions import Self

    from agent_worker.aio_wish import Prepare
    from agent_worker.batches import Five
    from agent_worker.layout import Requests
    from agent_worker.wish import Wish
    from protocol.description import Description
    from protocol.messages import Message, Request


class AsyncVectorEnv(KnownLanes):
    """Lanes as a ``gymnasium.vector.VectorEnv`` has them; its methods are coroutines. Made by ``aio.make_vec``.

    Same seeds and actions give what ``SyncVectorEnv`` gives, in all three autoreset modes, over however many episodes.
    An async context manager. Errors: as ``RemoteVectorEnv``, and ``RuntimeError`` in another event loop.
    """

    step_timeout: float
    """Seconds to wait for each reply."""

    @classmethod
    async def make(
        cls,
        env_id: str,
        num_envs: int,
        broker: str | None,
        episodes: int,
        step_timeout: float,
        prepare: Prepare,
        kwargs: dict[str, Any],
    ) -> Self:
        """See ``aio.make_vec``."""
        env = cls()
        render_mode, mode = kwargs.pop("render_mode", None), kwargs.pop("autoreset_mode", AutoresetMode.NEXT_STEP)
        env._ask_for(num_envs, episodes, mode, render_mode)
        name = env.autoreset_mode.name.lower()
        lanes = num_envs // episodes
        wish = wish_of(
            env_id,
            broker,
            kwargs,
            render_mode=render_mode,
            num_envs=lanes,
            autoreset_mode=name,
            step_timeout=step_timeout,
        )
        found = await _open_all([wish] * episodes, prepare)
        try:
            env._settle_in(wish, found)
        except BaseException:
            await _close_all(found, "its spaces cannot be built")
            raise
        return env

    def _settle_in(self, wish: Wish, episodes: list[AnyAsyncEpisode]) -> None:
        self._wish, self._episodes, self.step_timeout = wish, episodes, wish.step_timeout
        self._learn(self.descriptions)
        self._layout = Layout(self.description, wish.env_id, self.num_envs, self.episodes)
        self._finalizer = weakref.finalize(self, _drop_all, episodes)
        self._finalizer.atexit = False  # the reader closes what is open at exit

    @property
    def description(self) -> Description:
        """What the worker of the first episode says about the env."""
        return self.descriptions[0]

    @property
    def descriptions(self) -> tuple[Description, ...]:
        """What the worker of each episode says."""
        return tuple(episode.description for episode in self._episodes)

    async def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As ``SyncVectorEnv.reset``; ``options["reset_mask"]`` chooses lanes in the mode ``DISABLED``."""
        requests = self._layout.resets(seed, options)
        for number in self._layout.episodes:
            if number not in requests:
                self._check(number, Act)  # its lanes are left out, and must have a run
        try:
            replies = await self._request(Reset, requests)
        except EncodeError as error:
            raise InvalidArgument(f"{self._wish.env_id}: what reset() was given cannot be sent: {error}") from error
        five = self._layout.whole(replies)
        return five[0], five[4]

    async def step(self, actions: Any) -> Five:
        """As ``SyncVectorEnv.step``: observations, rewards float64 (N,), terminated and truncated bool (N,), infos.

        Raises ``InvalidAction``, before anything is sent, if there are not N actions or one is not in its space.
        """
        return self._layout.whole(await self._request(Act, self._layout.acts(actions)))

    async def wait(self, timeout: float | None = None) -> Five:
        """After a ``StepTimeout``, or a cancelled ``step``: what that gives, when it comes."""
        timeout = self.step_timeout if timeout is None else timeout
        return self._layout.whole(await self._hear(self._layout.episodes, timeout))

    async def render(self) -> Any:
        """A tuple of frames, one for each lane; None without a render mode."""
        if self.render_mode is None:
            return None
        return self._layout.frames(await self._request(Render, {number: {} for number in self._layout.episodes}))

    async def close(self) -> None:
        """End the episodes and free the workers' slots. Safe to call twice."""
        self._finalizer.detach()
        await _close_all(self._episodes, "")

    async def _request(self, kind: type[Request], requests: Requests) -> dict[int, Message]:
        for number in requests:
            self._check(number, kind)
        failed: BrokerError | None = None
        for number, fields in requests.items():
            try:
                self._episodes[number].send(kind, fields)
            except BrokerError as error:  # of something before; this one is pending, and asked for by wait()
                failed = failed or error
        if failed is not None:
            raise failed
        return await self._hear(requests, self.step_timeout)

    def _check(self, number: int, kind: type[Request]) -> None:
        try:
            self._episodes[number].check(kind)
        except RemoteEnvError as error:
            raise self._layout.concerning({number: error}) from None

    async def _hear(self, numbers: Collection[int], timeout: float) -> dict[int, Message]:
        """The replies of these episodes. All are waited for, also if one fails: then nothing is under way."""
        waiters: dict[int, asyncio.Future[Message]] = {}
        try:
            for number in numbers:
                waiters[number] = self._episodes[number].begin_wait(timeout)
            await asyncio.wait(waiters.values())
        except BaseException:
            for number, waiter in waiters.items():
                self._episodes[number].end_wait(waiter)
            raise
        errors = {number: error for number, waiter in waiters.items() if (error := waiter.exception()) is not None}
        late = {number: error for number, error in errors.items() if isinstance(error, (StepTimeout, BrokerError))}
        if late:  # what came of the others is kept for the next wait
            for number in waiters.keys() - late.keys():
                self._episodes[number].end_wait(waiters[number])
        replies = {number: waiter.result() for number, waiter in waiters.items() if number not in errors}
        for number, reply in replies.items():
            self._layout.heard(number, reply)
        if errors:
            raise self._worst(late or errors)
        return replies

    def _worst(self, errors: dict[int, Any]) -> Exception:
        for error in errors.values():
            if isinstance(error, BrokerError):
                return error
        return self._layout.concerning(errors)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncVectorEnv {self._wish.env_id}, {self.num_envs} lanes>"


async def _open_all(wishes: list[Wish], prepare: Prepare) -> list[AnyAsyncEpisode]:
    """All of them, or none."""
    tasks = [asyncio.ensure_future(open_lasting(wish, prepare)) for wish in wishes]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException as error:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        opened = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        await _close_all(opened, "another episode of the same vector env could not be opened")
        if isinstance(error, RemoteEnvError) and len(wishes) > 1:
            count = f"{len(opened)} of {len(wishes)} episodes had been opened"
            error.args = (f"{error} ({count}, and are closed again)",)
        raise


async def _close_all(episodes: list[AnyAsyncEpisode], reason: str) -> None:
    await asyncio.gather(*(episode.close(CLOSE_TIMEOUT_S, reason) for episode in episodes))


def _drop_all(episodes: list[AnyAsyncEpisode]) -> None:
    for episode in episodes:
        episode.reader.drop(episode)
