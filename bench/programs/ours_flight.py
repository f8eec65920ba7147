"""Several episodes of lanes in flight: whichever is ready first gets its next actions, while the others step.

Usage: ours_flight ENV_ID BROKER_URL LANES EPISODES. One step is one message of LANES lanes received, and one sent.
"""

from __future__ import annotations

import sys
from typing import Any

import gymbroker
from bench.programs import loop
from bench.programs.catalogue import vector_actions

env_id, broker = sys.argv[1:3]
lanes, episodes = int(sys.argv[3]), int(sys.argv[4])
env = gymbroker.make_vec(env_id, num_envs=lanes * episodes, broker=broker, episodes=episodes)
env.async_reset(seed=loop.SEED)


def step(actions: Any) -> bool:
    env.recv()
    env.send(actions)
    return False


loop.answer(step, lambda: None, vector_actions(lanes), lanes)
env.close()
