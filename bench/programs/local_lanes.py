"""Gymnasium's own vector envs in the agent's process (``async``: one process for each lane).

Usage: local_lanes sync|async|entry-point ENV_ID LANES UNITS
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import gymnasium

from bench.programs import loop
from bench.programs.catalogue import local_env, vector_actions

KINDS: dict[str, Any] = {"sync": gymnasium.vector.SyncVectorEnv, "async": gymnasium.vector.AsyncVectorEnv}


def main(kind: str, env_id: str, lanes: int, units: float) -> None:
    if kind == "entry-point":
        env = gymnasium.make_vec(env_id, lanes, vectorization_mode="vector_entry_point")
    else:
        env = KINDS[kind]([functools.partial(local_env, env_id)] * lanes)
    env.reset(seed=loop.SEED)

    def step(actions: Any) -> bool:
        env.step(actions)
        return False

    loop.answer(step, lambda: None, vector_actions(lanes), units)
    env.close()


if __name__ == "__main__":  # AsyncVectorEnv's processes may import this module anew
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
