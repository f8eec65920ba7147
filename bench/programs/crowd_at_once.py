"""One agent process that opens many episodes at once, and has all of them in flight: whichever is ready first steps.

Usage: crowd_at_once ENV_ID BROKER_URL EPISODES
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import gymbroker
from bench.programs import loop

PATIENCE_S = 240.0
"""The last of them waits until all others are open."""

env_id, broker, episodes = sys.argv[1], sys.argv[2], int(sys.argv[3])
began = time.perf_counter()
env = gymbroker.make_vec(env_id, num_envs=episodes, broker=broker, episodes=episodes, make_timeout=PATIENCE_S)
env.async_reset()
for _ in range(episodes):  # the first observation of each
    _, _, _, _, infos = env.recv()
    env.send(np.zeros(1, np.int64), infos["env_id"])
took = time.perf_counter() - began


def step(action: Any) -> bool:
    env.recv()
    env.send(action)
    return False


actions = [np.array([flip], np.int64) for flip in loop.coin_flips()]
loop.answer(step, lambda: None, actions, opened=episodes / took)
env.close()
