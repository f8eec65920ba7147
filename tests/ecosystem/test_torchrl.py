"""TorchRL's ``GymWrapper`` around remote envs and lanes, as around local ones."""

from __future__ import annotations

import warnings
from functools import partial

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tensordict.nn import TensorDictModule
from torchrl.envs import (
    Compose,
    GymEnv,
    GymWrapper,
    ParallelEnv,
    RewardSum,
    StepCounter,
    TransformedEnv,
    check_env_specs,
)
from torchrl.modules import OneHotCategorical, ProbabilisticActor

from env_worker import EmbeddedWorker, WorkerSettings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # TorchRL's, of TorchRL
    from torchrl.collectors import Collector

CARTPOLE, PENDULUM = "CartPole-v1", "Pendulum-v1"
QUIET = {"auto_register_policy_transforms": False}
"""Otherwise TorchRL 0.14 tells what 0.15 will do."""
MODES = [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(torch|tensordict).*")


def local(env_id, num_envs=None, mode=None):
    if num_envs is None:
        return gymnasium.make(env_id, disable_env_checker=True)
    return SyncVectorEnv([lambda: local(env_id)] * num_envs, autoreset_mode=mode)


def rollout(env, steps=250):
    torch.manual_seed(1)
    env.set_seed(5)
    return env.rollout(steps, break_when_any_done=False)


@pytest.mark.parametrize("env_id", [CARTPOLE, PENDULUM])
def test_a_remote_env_has_the_specs_and_the_rollout_of_the_local_env(serve, remote, env_id):
    serve(env_id)
    ours, theirs = GymWrapper(remote(env_id).open()), GymWrapper(local(env_id))
    check_env_specs(ours)
    assert ours.specs == theirs.specs
    seen = rollout(ours)
    assert (seen == rollout(theirs)).all()
    assert seen["next", "done"].sum() > 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", [CARTPOLE, PENDULUM])
def test_remote_lanes_have_the_specs_and_the_rollout_of_local_lanes(serve, lanes, env_id, mode):
    serve(env_id)
    ours, theirs = GymWrapper(lanes(env_id, 3, autoreset_mode=mode)), GymWrapper(local(env_id, 3, mode))
    check_env_specs(ours)
    seen = rollout(ours)
    assert seen.batch_size == (3, 250)
    assert (seen == rollout(theirs)).all()
    assert seen["next", "done"].sum() > 2


@pytest.mark.parametrize("mode", MODES)
def test_a_collector_runs_a_policy_on_remote_lanes(serve, lanes, mode):
    serve(CARTPOLE)
    wrapped = GymWrapper(lanes(CARTPOLE, 4, autoreset_mode=mode))
    env = TransformedEnv(wrapped, Compose(StepCounter(), RewardSum()), auto_unwrap=True)
    network = TensorDictModule(torch.nn.Linear(4, 2), in_keys=["observation"], out_keys=["logits"])
    policy = ProbabilisticActor(network, in_keys=["logits"], distribution_class=OneHotCategorical)
    collector = Collector(env, policy, frames_per_batch=200, total_frames=600, **QUIET)
    batches = list(collector)
    assert [batch.numel() for batch in batches] == [200] * 3
    ended = batches[-1]["next", "done"]
    assert (batches[-1]["next", "episode_reward"][ended] == batches[-1]["next", "step_count"][ended]).all()
    collector.shutdown()


def test_an_id_is_all_that_it_needs(serve, broker_url):
    serve(CARTPOLE)
    ours, theirs = GymEnv(f"gymbroker:remote/{CARTPOLE}", broker=broker_url), GymEnv(CARTPOLE)
    assert (rollout(ours) == rollout(theirs)).all()
    ours.close()


def test_remote_envs_in_processes_of_its_own(amqp_url):
    with EmbeddedWorker(WorkerSettings((CARTPOLE,), broker=amqp_url)):
        env = ParallelEnv(2, partial(GymEnv, f"gymbroker:remote/{CARTPOLE}", broker=amqp_url))
        assert env.rollout(10, break_when_any_done=False)["observation"].shape == (2, 10, 4)
        env.close()


def test_frames_of_a_remote_env_become_pixels(serve, remote):
    serve("tests.support.envs:Counting")
    env = GymWrapper(remote("tests.support.envs:Counting", render_mode="rgb_array"), from_pixels=True)
    assert env.rollout(3)["pixels"].shape == (3, 4, 6, 3)
