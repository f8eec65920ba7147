"""Remote envs for asyncio: ``agent_worker.aio``, which on ``memory://`` brings its env worker along.

::

    from gymbroker import aio

    async with await aio.make("CartPole-v1", broker="amqp://...") as env:
        observation, info = await env.reset(seed=42)
        observation, reward, terminated, truncated, info = await env.step(0)
"""

from __future__ import annotations

from typing import Any

from agent_worker import aio as _aio
from agent_worker.aio import AsyncEnv, AsyncVectorEnv, Transition, map
from gymbroker.embedding import ensure_served

__all__ = ["AsyncEnv", "AsyncVectorEnv", "Transition", "make", "make_vec", "map"]


async def make(
    env_id: str,
    broker: str | None = None,
    *,
    render_mode: str | None = None,
    step_timeout: float = 300.0,
    **kwargs: Any,
) -> AsyncEnv:
    """An env that is hosted by an env worker, ready for ``await env.reset()``.

    Arguments and errors are those of ``gymbroker.make``. Any number may be made at once (``asyncio.gather``): they
    stand in line for free workers, and keep no other env from stepping.
    """
    return await _aio.make(
        env_id, broker, render_mode=render_mode, step_timeout=step_timeout, prepare=ensure_served, **kwargs
    )


async def make_vec(
    env_id: str,
    num_envs: int = 1,
    broker: str | None = None,
    *,
    episodes: int = 1,
    step_timeout: float = 300.0,
    **kwargs: Any,
) -> AsyncVectorEnv:
    """``num_envs`` lanes of an env, spread over ``episodes``, ready for ``await envs.reset()``.

    Arguments and errors are those of ``gymbroker.make_vec``.
    """
    return await _aio.make_vec(
        env_id, num_envs, broker, episodes=episodes, step_timeout=step_timeout, prepare=ensure_served, **kwargs
    )
