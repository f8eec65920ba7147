"""A third party's module that registers envs when it is imported (``--import``)."""

from __future__ import annotations

import gymnasium

from env_worker.compat import import_gym

if "Registered-v0" not in gymnasium.registry:
    gymnasium.register("Registered-v0", entry_point="tests.support.envs:Counting")

gym = import_gym()
if "GymCartPole-v1" not in gym.envs.registration.registry:
    gym.register("GymCartPole-v1", entry_point="gym.envs.classic_control.cartpole:CartPoleEnv", max_episode_steps=500)
