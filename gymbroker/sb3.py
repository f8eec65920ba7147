"""Stable-Baselines3 on remote lanes::

    from gymbroker.sb3 import VecEnvAdapter

    lanes = gymbroker.make_vec("CartPole-v1", 8, broker="amqp://...", autoreset_mode="same_step")
    PPO("MlpPolicy", VecMonitor(VecEnvAdapter(lanes))).learn(100_000)

A single env needs no adapter: ``PPO("MlpPolicy", gymbroker.make("CartPole-v1"))``.
"""

from __future__ import annotations

from agent_worker.sb3 import VecEnvAdapter

__all__ = ["VecEnvAdapter"]
