"""dm_env_rpc's own adaptor to ``dm_env.Environment``. Usage: dm_env_rpc_agent PORT"""

from __future__ import annotations

import sys

from dm_env_rpc.v1 import connection, dm_env_adaptor

from bench.programs import loop

channel = connection.create_secure_channel_and_connect(f"localhost:{sys.argv[1]}", timeout=30)
env, _ = dm_env_adaptor.create_and_join_world(channel, create_world_settings={}, join_world_settings={})


def step(action: int) -> bool:
    return bool(env.step({"action": action}).last())


loop.answer(step, env.reset, loop.coin_flips())
channel.close()
