"""Lanes of ours in lockstep. Usage: ours_lanes ENV_ID BROKER_URL LANES UNITS [COMPRESSION]"""

from __future__ import annotations

import sys
from typing import Any

import gymbroker
from bench.programs import loop
from bench.programs.catalogue import vector_actions

env_id, broker = sys.argv[1:3]
lanes, units = int(sys.argv[3]), float(sys.argv[4])
compression = sys.argv[5] if len(sys.argv) > 5 else None
env = gymbroker.make_vec(env_id, num_envs=lanes, broker=broker, compression=compression)
env.reset(seed=loop.SEED)


def step(actions: Any) -> bool:
    env.step(actions)
    return False


loop.answer(step, lambda: None, vector_actions(lanes), units)
env.close()
