"""One agent process with many episodes, on one connection. Usage: crowd ENV_ID BROKER_URL EPISODES

When it is ready, all are open and have given their first observation, opened one after the other. Orders besides
``steps``: ``{"turn": true}`` steps them in turn; without it, one of them steps and all others are idle.
"""

from __future__ import annotations

import json
import sys
import time

import gymbroker
from bench.programs import loop

env_id, broker, episodes = sys.argv[1], sys.argv[2], int(sys.argv[3])
envs = []
opening: list[float] = []
began = time.perf_counter()
for _ in range(episodes):
    start = time.perf_counter()
    envs.append(gymbroker.make(env_id, broker))
    envs[-1].reset()
    opening.append(time.perf_counter() - start)
took = time.perf_counter() - began

current = 0


def step(action: int) -> bool:
    global current
    current = (current + stride) % episodes
    _, _, terminated, truncated, _ = envs[current].step(action)
    return terminated or truncated


loop.say(ready=True, opened=episodes / took, **loop.quantiles(opening))
for line in sys.stdin:
    order = json.loads(line)
    stride = 1 if order.get("turn") else 0
    loop.say(**loop.measure(step, lambda: envs[current].reset(), loop.coin_flips(), order["steps"], None))
for env in envs:
    env.close()
