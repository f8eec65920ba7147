"""One real env of each family through ``env-worker serve`` in a process of its own, over RabbitMQ."""

from __future__ import annotations

from contextlib import closing

import ale_py
import gymnasium
import minigrid
import numpy as np
import pytest
import shimmy
from gymnasium.vector import SyncVectorEnv

from agent_worker import RemoteEnv, RemoteVectorEnv
from env_worker.compat import import_gym
from tests.support.commands import worker
from tests.support.trajectories import compare, compare_frames, compare_lanes

gym = import_gym()
for package in (ale_py, minigrid, shimmy):
    gymnasium.register_envs(package)

OF_GYMNASIUM = [
    "Acrobot-v1", "CliffWalking-v1", "BipedalWalker-v3", "CarRacing-v3", "Humanoid-v5", "Hopper-v4",
    "phys2d/CartPole-v1", "ALE/Pong-v5", "MiniGrid-PutNear-6x6-N2-v0", "BabyAI-BossLevel-v0",
    "dm_control/cheetah-run-v0",
]  # fmt: skip
OF_GYM = ["Taxi-v3", "LunarLander-v2"]
"""Only gym has them."""
MODULES = ("ale_py", "minigrid", "shimmy")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is out of date"),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__"),  # Box2D
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dm_control"),
]


@pytest.fixture(scope="module")
def url(rabbit, tmp_path_factory):
    log = tmp_path_factory.mktemp("worker") / "log"
    imports = [part for module in MODULES for part in ("--import", module)]
    with worker(rabbit.url, log, *OF_GYMNASIUM, *OF_GYM, *imports):
        yield rabbit.url


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where it stands


@pytest.mark.parametrize("env_id", OF_GYMNASIUM + OF_GYM)
def test_an_env_is_the_same_through_a_worker_process(url, env_id):
    library = gym if env_id in OF_GYM else gymnasium
    with RemoteEnv(env_id, url) as ours, library.make(env_id, disable_env_checker=True) as theirs:
        compare(ours, theirs)


@pytest.mark.parametrize("env_id", ["Humanoid-v5", "ALE/Pong-v5", "MiniGrid-PutNear-6x6-N2-v0"])
def test_lanes_are_the_same_through_a_worker_process(url, env_id):
    local = SyncVectorEnv([lambda: gymnasium.make(env_id, disable_env_checker=True)] * 3)
    with closing(RemoteVectorEnv(env_id, 3, url)) as ours, closing(local) as theirs:
        compare_lanes(ours, theirs)


@pytest.mark.parametrize("env_id", ["BipedalWalker-v3", "Hopper-v4", "ALE/Pong-v5"])
def test_frames_are_the_same_through_a_worker_process(url, env_id):
    kwargs = {"render_mode": "rgb_array"}
    with RemoteEnv(env_id, url, **kwargs) as ours, gymnasium.make(env_id, disable_env_checker=True, **kwargs) as theirs:
        assert isinstance(compare_frames(ours, theirs), np.ndarray)
