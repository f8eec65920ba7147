"""Lanes of real envs: what ``SyncVectorEnv`` gives of them is what a remote vector env gives, types and all."""

from __future__ import annotations

from contextlib import closing

import ale_py
import gymnasium
import minigrid
import numpy as np
import pytest
import shimmy
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agent_worker import RemoteVectorEnv
from env_worker.compat import import_gym
from tests.support.hosting import site
from tests.support.trajectories import compare_lanes

gym = import_gym()
for package in (ale_py, minigrid, shimmy):
    gymnasium.register_envs(package)

LANES = 3

OF_GYMNASIUM = [
    "CartPole-v1", "Acrobot-v1", "MountainCarContinuous-v0", "FrozenLake-v1", "Blackjack-v1", "Taxi-v4",
    "CliffWalkingSlippery-v1", "LunarLander-v3", "BipedalWalkerHardcore-v3", "CarRacing-v3",
    "Hopper-v4", "Hopper-v5", "Ant-v5", "Humanoid-v5", "InvertedPendulum-v5", "Reacher-v4",
    "ALE/Pong-v5", "ALE/Breakout-v5",
    "MiniGrid-Dynamic-Obstacles-5x5-v0", "MiniGrid-PutNear-6x6-N2-v0", "BabyAI-GoToRedBallGrey-v0",
    "dm_control/cartpole-swingup-v0", "dm_control/walker-walk-v0",
]  # fmt: skip
WITH_JAX = ["phys2d/CartPole-v1", "phys2d/Pendulum-v0", "tabular/CliffWalking-v0"]
OF_GYM = ["CartPole-v1", "Taxi-v3", "Blackjack-v1", "LunarLander-v2", "BipedalWalker-v3", "HalfCheetah-v4", "Ant-v4"]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is out of date"),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__"),  # Box2D
]


@pytest.fixture(scope="module")
def far():
    with site(*OF_GYMNASIUM, *WITH_JAX) as one:
        yield one


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where it stands


def pair(far, env_id, mode, make=None):
    local = make or (lambda: gymnasium.make(env_id, disable_env_checker=True))
    ours = far(env_id, LANES, kind=RemoteVectorEnv, autoreset_mode=mode)
    return closing(ours), closing(SyncVectorEnv([local] * LANES, autoreset_mode=mode))


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", OF_GYMNASIUM)
def test_lanes_of_an_env_are_those_of_sync_vector_env(far, env_id, mode):
    ours, theirs = pair(far, env_id, mode)
    with ours as one, theirs as other:
        compare_lanes(one, other)
        for name in ("observation_space", "single_action_space", "action_space"):
            said = getattr(one, name)
            assert said == getattr(other, name) or "mission" in str(said)
        assert one.metadata.get("render_fps") == other.metadata.get("render_fps")


class InNumpy(gymnasium.Wrapper):
    """An env of jax, as it is from afar: in arrays of numpy, also where ``SyncVectorEnv`` keeps what an env gave."""

    def reset(self, **kwargs):
        observation, info = self.env.reset(**kwargs)
        return np.array(observation), info

    def step(self, action):
        observation, *rest = self.env.step(action)
        return np.array(observation), *rest


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", WITH_JAX)
def test_lanes_of_an_env_of_jax_are_those_of_sync_vector_env_in_numpy(far, env_id, mode):
    ours, theirs = pair(far, env_id, mode, lambda: InNumpy(gymnasium.make(env_id, disable_env_checker=True)))
    with ours as one, theirs as other:
        compare_lanes(one, other, steps=25)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("env_id", OF_GYM)
def test_lanes_of_an_env_of_gym_are_those_of_shimmy_s(env_id, mode):
    def shimmed():
        return shimmy.GymV26CompatibilityV0(env_id=env_id, make_kwargs={"disable_env_checker": True})

    with site(env_id, backend="gym") as far:
        ours, theirs = pair(far, env_id, mode, shimmed)
        with ours as one, theirs as other:
            compare_lanes(one, other)
