"""RLlib makes its lanes by ``gymnasium.make_vec``: the id of a remote env is all that it needs to be told."""

from __future__ import annotations

import pytest
import ray
from ray.rllib.algorithms.ppo import PPOConfig

import gymbroker
from tests.support.commands import ROOT, worker


@pytest.fixture(scope="module")
def cluster():
    """A Ray of our own: two workers at most, no dashboard, nothing reported to anybody."""
    runtime = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False, runtime_env=runtime)
        yield
        ray.shutdown()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("runners", [0, 1], ids=["in the learner's process", "in an env runner's process"])
def test_ppo_gets_better_on_remote_lanes_of_a_real_worker(cluster, amqp_url, tmp_path, runners):
    with worker(amqp_url, tmp_path / "worker.log", "CartPole-v1"):
        config = (
            PPOConfig()
            .environment("gymbroker:remote/CartPole-v1", env_config={"broker": amqp_url})
            .env_runners(
                num_env_runners=runners, num_envs_per_env_runner=8, gym_env_vectorize_mode="vector_entry_point"
            )
            .training(lr=1e-3, train_batch_size_per_learner=1024, minibatch_size=256, num_epochs=8)
            .debugging(seed=1)
        )
        algorithm = config.build_algo()
        returns = [algorithm.train()["env_runners"]["episode_return_mean"] for _ in range(4)]
        print(f"RLlib PPO, CartPole-v1, 8 remote lanes over RabbitMQ: mean returns {[round(one) for one in returns]}")
        if runners == 0:
            assert isinstance(algorithm.env_runner.env.unwrapped, gymbroker.RemoteVectorEnv)
        algorithm.stop()
    assert returns[-1] > 1.5 * returns[0]
