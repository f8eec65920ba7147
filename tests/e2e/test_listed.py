"""Agents of an env of before PettingZoo meet in a world, or are driven by one process, over both transports."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

import gymbroker
from tests.support.equal import identical

DUEL = "tests.support.duels:Duel"


def play(env, action):
    """A run of one seat: what it saw, its rewards, and which flags ended it."""
    seen, rewards = [env.reset(seed=3)[0].tolist()], []
    while True:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation.tolist())
        rewards.append(reward)
        if terminated or truncated:
            return seen, rewards, (terminated, truncated)


def test_agents_join_by_name_and_each_sees_its_own(serve, broker_url):
    serve(DUEL)
    seats = [
        gymbroker.make(DUEL, broker_url, world="table", seat=f"agent_{number}", make_timeout=20.0, step_timeout=20.0)
        for number in (0, 1)
    ]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(play, seats, (1, 2))
    for env in seats:
        env.close()
    assert first == ([[3, 0, 0], [3, 1, 1], [3, 2, 1]], [1.0, 1.0], (True, False))
    assert second == ([[3, 0, 0], [3, 1, 2], [3, 2, 2], [3, 3, 2]], [-2.0, -2.0, -2.0], (True, False))


def test_one_process_drives_them_all_and_sees_frames(serve, broker_url):
    serve(DUEL)
    env = gymbroker.make_parallel(DUEL, broker_url, render_mode="rgb_array")
    env.reset(seed=1)
    rewards = env.step({"agent_0": 2, "agent_1": 1})[1]
    assert rewards == {"agent_0": 2.0, "agent_1": -1.0}
    assert identical(env.render(), np.full((2, 2, 3), 1, np.uint8))
    env.close()
