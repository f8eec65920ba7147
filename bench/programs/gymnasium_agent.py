"""CartPole-v1 in the agent's own process: what no protocol can beat."""

from __future__ import annotations

import gymnasium

from bench.programs import loop

env = gymnasium.make("CartPole-v1")
env.reset(seed=loop.SEED)


def step(action: int) -> bool:
    _, _, terminated, truncated, _ = env.step(action)
    return terminated or truncated


loop.answer(step, env.reset, loop.coin_flips())
