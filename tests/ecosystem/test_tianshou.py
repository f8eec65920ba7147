"""tianshou's vector envs, collectors and trainers over remote envs, one in each of its slots."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv, ShmemVectorEnv, SubprocVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

import gymbroker
from env_worker import EmbeddedWorker, WorkerSettings
from tests.support.commands import worker

CARTPOLE = "CartPole-v1"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks are faster so, and the same on all machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def local():
    return gymnasium.make(CARTPOLE, disable_env_checker=True)


def network(env, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    model = Net(state_shape=(4,), action_shape=2, hidden_sizes=[64, 64])
    return DiscreteQLearningPolicy(model=model, action_space=env.action_space, eps_training=0.1, eps_inference=0.0)


def test_its_vector_env_steps_remote_envs_as_it_steps_local_ones(serve, remote):
    serve(CARTPOLE, capacity=3)
    ours, theirs = DummyVectorEnv([lambda: remote(CARTPOLE)] * 3), DummyVectorEnv([local] * 3)
    assert ours.action_space == theirs.action_space
    assert ours.seed([3, 4, 5]) == theirs.seed([3, 4, 5])
    np.testing.assert_equal(ours.reset()[0], theirs.reset()[0])
    dice = np.random.default_rng(1)
    for _ in range(100):
        actions = dice.integers(2, size=3)
        (*seen, infos), (*wanted, expected) = ours.step(actions), theirs.step(actions)
        np.testing.assert_equal([*seen, list(infos)], [*wanted, list(expected)])
        ended = np.flatnonzero(seen[2] | seen[3])
        if len(ended):
            np.testing.assert_equal(ours.reset(ended)[0], theirs.reset(ended)[0])
    assert ours.get_env_attr("render_mode") == [None] * 3
    ours.close()
    theirs.close()


@pytest.mark.parametrize("kind", [SubprocVectorEnv, ShmemVectorEnv])
def test_its_vector_envs_of_processes_take_remote_envs(amqp_url, kind):
    with EmbeddedWorker(WorkerSettings((CARTPOLE,), broker=amqp_url)):
        ours, theirs = kind([lambda: gymbroker.make(CARTPOLE, amqp_url)] * 2), DummyVectorEnv([local] * 2)
        ours.seed([3, 4])
        theirs.seed([3, 4])
        np.testing.assert_equal(ours.reset()[0], theirs.reset()[0])
        np.testing.assert_equal(ours.step(np.array([0, 1]))[:4], theirs.step(np.array([0, 1]))[:4])
        ours.close()
        theirs.close()


def test_its_collector_counts_the_runs_of_remote_envs(serve, remote):
    serve(CARTPOLE, capacity=4)
    envs = DummyVectorEnv([lambda: remote(CARTPOLE)] * 3)
    collector = Collector(network(remote(CARTPOLE), 1), envs, VectorReplayBuffer(1000, 3))
    stats = collector.collect(n_episode=6, reset_before_collect=True)
    assert stats.n_collected_episodes == 6
    assert stats.n_collected_steps == len(collector.buffer) == stats.returns.sum()
    envs.close()


@pytest.mark.timeout(1200)
def test_dqn_learns_cartpole_on_remote_envs_of_a_real_worker(amqp_url, tmp_path):
    with worker(amqp_url, tmp_path / "worker.log", CARTPOLE, "--capacity", "40"):
        make = lambda: gymbroker.make(CARTPOLE, amqp_url)
        train, test = DummyVectorEnv([make] * 10), DummyVectorEnv([make] * 10)
        policy = network(make(), 0)
        algorithm = DQN(
            policy=policy,
            optim=AdamOptimizerFactory(lr=1e-3),
            gamma=0.9,
            n_step_return_horizon=3,
            target_update_freq=320,
        )
        train.seed(0)
        test.seed(100)
        buffer = VectorReplayBuffer(20000, 10)
        result = algorithm.run_training(
            OffPolicyTrainerParams(
                training_collector=Collector(algorithm, train, buffer, exploration_noise=True),
                test_collector=Collector(algorithm, test),
                max_epochs=10,
                epoch_num_steps=5000,
                collection_step_num_env_steps=10,
                test_step_num_episodes=20,
                batch_size=64,
                update_step_num_gradient_steps_per_sample=0.2,
                stop_fn=lambda mean: mean > 195,
                show_progress=False,
                verbose=False,
            )
        )
        print(f"tianshou DQN, CartPole-v1, 10 remote envs over RabbitMQ: best mean return {result.best_reward:.1f}")
        train.close()
        test.close()
    assert result.best_reward > 195
