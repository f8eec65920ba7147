"""An env of ours in lockstep. Usage: ours_agent ENV_ID BROKER_URL"""

from __future__ import annotations

import sys

import gymbroker
from bench.programs import loop

env_id, broker = sys.argv[1:]
env = gymbroker.make(env_id, broker)
env.reset(seed=loop.SEED)


def step(action: int) -> bool:
    _, _, terminated, truncated, _ = env.step(action)
    return terminated or truncated


loop.answer(step, env.reset, loop.coin_flips())
env.close()
