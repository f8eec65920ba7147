"""Remote envs for asyncio: hundreds of episodes from one thread of one program.

``make`` and ``make_vec`` open envs whose methods are coroutines, ``map`` lets a function act on whichever env is ready.
Each env belongs to the event loop in which it was made. One coroutine at a time may wait on an env; a second one gets
``AlreadyPending``. A coroutine that is cancelled (``asyncio.wait_for``) leaves its request with the worker: the next
``step`` is ``AlreadyPending`` then, and ``wait()``, ``reset()`` and ``close()`` are legal, as after a ``StepTimeout``.
"""

from __future__ import annotations

import weakref
from operator import index
from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.spaces import GraphInstance

from agent_worker.aio_lasting import open_lasting
from agent_worker.aio_map import Transition, map
from agent_worker.aio_vector import AsyncVectorEnv
from agent_worker.aio_wish import nothing, wish_of
from agent_worker.errors import InvalidAction, InvalidArgument, ProtocolFailure
from agent_worker.remote import CLOSE_TIMEOUT_S, expect_kind, metadata_of, refuse_human, reward_and_flags
from agent_worker.remote_calls import entry_for, sendable
from agent_worker.spaces import space_of
from protocol.coders import coder
from protocol.errors import DecodeError, EncodeError
from protocol.messages import Act, Call, Frame, Percept, Render, Reset, Result
from protocol.sendable import opaque_in

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from agent_worker.aio_lasting import AnyAsyncEpisode
    from agent_worker.aio_wish import Prepare
    from agent_worker.wish import Wish
    from protocol.description import Description
    from protocol.messages import Message

__all__ = ["AsyncEnv", "AsyncVectorEnv", "Transition", "make", "make_vec", "map"]

Five = tuple[Any, float, bool, bool, dict[Any, Any]]


async def make(
    env_id: str,
    broker: str | None = None,
    *,
    render_mode: str | None = None,
    step_timeout: float = 300.0,
    prepare: Prepare = nothing,
    **kwargs: Any,
) -> AsyncEnv:
    """An env that is hosted by an env worker, ready for ``await env.reset()``.

    Arguments and errors are those of ``RemoteEnv``. Any number may be made at once (``asyncio.gather``): they stand in
    line for free workers, and keep no other env from stepping. ``prepare``: called in a thread before the env is asked
    for.
    """
    refuse_human(render_mode)
    wish = wish_of(env_id, broker, kwargs, render_mode=render_mode, step_timeout=step_timeout)
    episode = await open_lasting(wish, prepare)
    try:
        return AsyncEnv(wish, episode)
    except BaseException:
        await episode.close(CLOSE_TIMEOUT_S, "its spaces cannot be built")
        raise


async def make_vec(
    env_id: str,
    num_envs: int = 1,
    broker: str | None = None,
    *,
    episodes: int = 1,
    step_timeout: float = 300.0,
    prepare: Prepare = nothing,
    **kwargs: Any,
) -> AsyncVectorEnv:
    """``num_envs`` lanes of an env, spread over ``episodes``, ready for ``await envs.reset()``.

    Arguments and errors are those of ``RemoteVectorEnv``. ``prepare``: as for ``make``.
    """
    return await AsyncVectorEnv.make(env_id, num_envs, broker, episodes, step_timeout, prepare, kwargs)


class AsyncEnv:
    """An env as ``gymnasium.Env`` is one, whose methods are coroutines. Made by ``make``; an async context manager.

    Raises (in all methods) ``agent_worker.errors.RemoteEnvError`` and ``broker.errors.BrokerError``, to the coroutine
    that waits on this env only; and ``RuntimeError`` in another event loop.
    """

    def __init__(self, wish: Wish, episode: AnyAsyncEpisode) -> None:
        description = episode.description
        expect_kind(wish.env_id, description.api, None)
        self.observation_space = space_of(description.observation_space, gymnasium.spaces, wish.env_id)
        self.action_space = space_of(description.action_space, gymnasium.spaces, wish.env_id)
        self.metadata = metadata_of(description)
        self.render_mode = wish.render_mode
        self.step_timeout = wish.step_timeout
        """Seconds to wait for each reply."""
        self._wish, self._episode = wish, episode
        spaces = description.observation_space, description.action_space
        self._observations = coder(spaces[0], bounds=False, graph=GraphInstance, name="observation")
        self._actions = coder(spaces[1], bounds=True, graph=GraphInstance, name="action")
        self._finalizer = weakref.finalize(self, _drop, episode)
        self._finalizer.atexit = False  # the reader closes what is open at exit

    @property
    def description(self) -> Description:
        """What the worker says about the env: its own spec, spaces and limits, and the worker's name."""
        return self._episode.description

    async def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[Any, Any]]:
        """As the env's own: observation and info. Makes void what was asked before and has no reply."""
        odd = opaque_in(options) if options else None
        if odd is not None:
            raise InvalidArgument(f"{self._wish.env_id}: options: {odd} cannot be sent to a worker")
        try:
            seed = None if seed is None else index(seed)
            reply = await self._episode.request(Reset, self.step_timeout, seed=seed, options=options)
        except EncodeError as error:
            raise InvalidArgument(f"{self._wish.env_id}: what reset() was given cannot be sent: {error}") from error
        observation, _, _, _, info = self._five(reply)
        return observation, info

    async def step(self, action: Any) -> Five:
        """As the env's own: observation, reward, terminated, truncated, info.

        Raises ``InvalidAction``, before anything is sent, if ``action`` is not in the action space.
        """
        try:
            wire = self._actions.encode(action)
        except EncodeError as error:
            raise InvalidAction(f"{self._wish.env_id}: {error}") from error
        return self._five(await self._episode.request(Act, self.step_timeout, action=wire))

    async def wait(self, timeout: float | None = None) -> Any:
        """After a ``StepTimeout``, or a cancelled ``step``, ``render`` or ``call``: what that gives, when it comes.

        Raises ``NothingPending`` if nothing is due.
        """
        reply = await self._episode.wait(self.step_timeout if timeout is None else timeout)
        if isinstance(reply, Result):
            return reply.value
        return reply.frame if isinstance(reply, Frame) else self._five(reply)

    async def render(self) -> Any:
        """A frame, (height, width, 3) uint8 for ``rgb_array``; None without a render mode."""
        if self.render_mode is None:
            return None
        frame = await self._episode.request(Render, self.step_timeout)
        assert isinstance(frame, Frame)
        return frame.frame

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the env's method ``name``, or, without arguments, read the attribute. Raises as ``RemoteEnv.call``."""
        entry = entry_for(self.description, name, bare=not args and not kwargs)
        with sendable(self._wish, entry, args, kwargs):
            result = await self._episode.request(Call, self.step_timeout, name=entry, args=list(args), kwargs=kwargs)
        assert isinstance(result, Result)
        return result.value

    async def close(self) -> None:
        """End the episode and free the worker's slot. Safe to call twice, and quiet if the worker is gone."""
        self._finalizer.detach()
        await self._episode.close(CLOSE_TIMEOUT_S)

    def _five(self, percept: Message) -> Five:
        assert isinstance(percept, Percept)
        try:
            observation = self._observations.decode(percept.observation)
        except DecodeError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's observation cannot be read: {error}") from error
        return observation, *reward_and_flags(self._wish.env_id, percept), percept.info

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncEnv {self._wish.env_id}>"


def _drop(episode: AnyAsyncEpisode) -> None:
    episode.reader.drop(episode)
