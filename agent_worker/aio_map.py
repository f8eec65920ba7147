"""A function that acts on whichever env is ready, over many envs at once."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

from agent_worker.errors import RemoteEnvError
from broker.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from agent_worker.aio import AsyncEnv
    from agent_worker.aio_vector import AsyncVectorEnv

    Act = Callable[[int, Any], Any | Awaitable[Any]]


class Transition(NamedTuple):
    """One step of an env: ``action`` was chosen at ``observation``, and brought all the others.

    Of a vector env all are of its lanes, stacked as ``step`` gives them.
    """

    observation: Any
    action: Any
    reward: Any
    terminated: Any
    truncated: Any
    next_observation: Any
    """What the step gave, also where the run ended with it."""
    info: dict[Any, Any]
    run: int
    """Of an env: the number of the run, counted from 0 over all envs; it was reset with ``seed + run``. Of a vector
    env: that of its first lane's first run."""


async def map(
    policy: Act,
    envs: Sequence[AsyncEnv | AsyncVectorEnv],
    *,
    episodes: int | None = None,
    seed: int | None = None,
    return_exceptions: bool = False,
) -> AsyncGenerator[tuple[int, Transition], None]:
    """Play all ``envs`` at once by ``policy``: ``async for index, transition in map(policy, envs, episodes=1000)``.

    Yields ``(index, transition)`` for each step, as they come: the env's place in ``envs``, and the ``Transition``. The
    next action of that env is chosen and sent at once; no env waits for another. A slow consumer holds the envs back
    when as many transitions wait for it as there are envs.

    Args:
        policy: ``policy(index, observation)`` gives the action for env ``index``; a function or a coroutine function.
            For a vector env it is given the observations of all lanes, and gives as many actions.
        envs: of ``aio.make``, which are reset for each run; or of ``aio.make_vec``, which are reset once, and reset
            their lanes themselves.
        episodes: how many runs are played in all, each from a reset to ``terminated`` or ``truncated``; who is free
            plays the next. None: until the loop is left. A vector env stops with the step that reaches the number.
        seed: run ``k`` is reset with ``seed + k``, whichever env plays it; lanes are counted like runs.
        return_exceptions: an env that fails plays no more. False: its error is raised, and ends all. True: it is
            yielded in the place of a transition, and the others go on; the run that failed is not played again.

    The envs stay open. Whoever may leave the loop early says ``async with contextlib.aclosing(map(...)) as steps:``, as
    for any async generator, and resets the envs before using them on. Raises ``ValueError`` for a
    vector env in the mode ``DISABLED``, whose lanes nobody would reset.
    """
    for env in envs:
        if getattr(env, "autoreset_mode", None) is AutoresetMode.DISABLED:
            raise ValueError(f"envs: expected such that reset their lanes themselves, got {env} in the mode DISABLED")
    play = _Play(policy, episodes, seed, len(envs))
    tasks = [asyncio.ensure_future(play.guarded(index, env)) for index, env in enumerate(envs)]
    try:
        left = len(tasks)
        while left:
            index, what = await play.results.get()
            if isinstance(what, Transition):
                yield index, what
                continue
            left -= 1
            if isinstance(what, (RemoteEnvError, BrokerError)) and return_exceptions:
                yield index, what  # type: ignore[misc]  # asked for
            elif what is not None:
                raise what
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Play:
    """What the envs of one ``map`` share."""

    def __init__(self, policy: Act, episodes: int | None, seed: int | None, envs: int) -> None:
        self._policy, self._episodes, self._seed = policy, episodes, seed
        self._taken = self._ended = 0
        self.results: asyncio.Queue[tuple[int, Transition | Exception | None]] = asyncio.Queue(max(1, envs))
        """Transitions by index; at the end of each env an error, or None."""

    async def guarded(self, index: int, env: AsyncEnv | AsyncVectorEnv) -> None:
        """Play, and say how that ended."""
        outcome: Exception | None = None
        try:
            await (self._lanes(index, env) if hasattr(env, "num_envs") else self._runs(index, env))  # type: ignore[arg-type]  # lanes
        except Exception as error:  # noqa: BLE001 - raised by who reads the results
            outcome = error
        await self.results.put((index, outcome))

    async def _runs(self, index: int, env: AsyncEnv) -> None:
        while (run := self._take(1)) is not None:
            observation, _ = await env.reset(seed=self._seed_of(run))
            over = False
            while not over:
                transition = await self._step(index, env, observation, run)
                observation, over = transition.next_observation, transition.terminated or transition.truncated
            self._ended += 1

    async def _lanes(self, index: int, env: AsyncVectorEnv) -> None:
        run = self._take(env.num_envs)
        if run is None:
            return
        observation, _ = await env.reset(seed=self._seed_of(run))
        while self._episodes is None or self._ended < self._episodes:
            transition = await self._step(index, env, observation, run)
            observation = transition.next_observation
            self._ended += int(np.count_nonzero(transition.terminated | transition.truncated))

    async def _step(self, index: int, env: AsyncEnv | AsyncVectorEnv, observation: Any, run: int) -> Transition:
        action = self._policy(index, observation)
        if inspect.isawaitable(action):
            action = await action
        following, reward, terminated, truncated, info = await env.step(action)
        transition = Transition(observation, action, reward, terminated, truncated, following, info, run)
        await self.results.put((index, transition))
        return transition

    def _take(self, count: int) -> int | None:
        """The number of the next run, or None: there are enough."""
        if self._episodes is not None and self._taken >= self._episodes:
            return None
        run, self._taken = self._taken, self._taken + count
        return run

    def _seed_of(self, run: int) -> int | None:
        return None if self._seed is None else self._seed + run
