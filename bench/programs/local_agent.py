"""An env in the agent's own process: what no protocol can beat. Usage: local_agent ENV_ID"""

from __future__ import annotations

import sys

from bench.programs import loop
from bench.programs.catalogue import local_env

env = local_env(sys.argv[1])
env.reset(seed=loop.SEED)


def step(action: int) -> bool:
    _, _, terminated, truncated, _ = env.step(action)
    return terminated or truncated


loop.answer(step, env.reset, loop.coin_flips())
