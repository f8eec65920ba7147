"""Stable-Baselines3 on remote envs: the adapter gives what its own ``DummyVecEnv`` gives, and its algorithms learn."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common import envs
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)

import gymbroker
from agent_worker.errors import InvalidAction, InvalidArgument
from env_worker import EmbeddedWorker, WorkerSettings
from gymbroker.sb3 import VecEnvAdapter
from tests.support.commands import worker

MULTI = "stable_baselines3.common.envs:SimpleMultiObsEnv"
BY_ID = "gymbroker:remote/CartPole-v1"
COUNTING = "tests.support.envs:Counting"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks are faster so, and the same on all machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def adapted(lanes):
    """``adapted("CartPole-v1", 4)``: remote lanes as a ``VecEnv``."""
    return lambda *args, **kwargs: VecEnvAdapter(lanes(*args, autoreset_mode="same_step", **kwargs))


def local(env_id, num_envs, **kwargs):
    return DummyVecEnv([lambda: gymnasium.make(env_id, disable_env_checker=True, **kwargs)] * num_envs)


def without_clock(infos):
    """``VecMonitor`` writes down how long an episode took."""
    for info in infos:
        info.get("episode", {}).pop("t", None)
    return infos


@pytest.mark.parametrize(
    "wrap",
    [lambda env: env, VecMonitor, lambda env: VecNormalize(VecMonitor(env)), lambda env: VecFrameStack(env, 3)],
    ids=["bare", "VecMonitor", "VecNormalize", "VecFrameStack"],
)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_remote_lanes_give_what_dummy_vec_env_gives(serve, adapted, env_id, wrap):
    serve(env_id)
    ours, theirs = wrap(adapted(env_id, 3)), wrap(local(env_id, 3))
    same_for(ours, theirs, steps=450)


def test_infos_of_a_talkative_env_are_those_of_its_lanes(serve, adapted):
    serve("Taxi-v4")
    same_for(adapted("Taxi-v4", 3), local("Taxi-v4", 3), steps=450)


def test_lanes_that_are_spread_over_episodes_are_one_vec_env(serve, adapted):
    serve("CartPole-v1")
    same_for(adapted("CartPole-v1", 4, episodes=2), local("CartPole-v1", 4), steps=100)


def same_for(ours, theirs, steps):
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert ours.seed(5) == theirs.seed(5)
    np.testing.assert_equal(ours.reset(), theirs.reset())
    np.testing.assert_equal(ours.reset_infos, theirs.reset_infos)
    theirs.action_space.seed(1)
    ended = 0
    for _ in range(steps):
        actions = np.array([theirs.action_space.sample() for _ in range(theirs.num_envs)])
        (seen, rewards, dones, infos), (wanted, *expected) = ours.step(actions), theirs.step(actions)
        np.testing.assert_equal(seen, wanted)
        assert (rewards.dtype, dones.dtype) == (expected[0].dtype, expected[1].dtype)
        np.testing.assert_equal([rewards, dones, without_clock(infos)], [*expected[:2], without_clock(expected[2])])
        np.testing.assert_equal(ours.unwrapped.reset_infos, theirs.unwrapped.reset_infos)
        ended += dones.sum()
    assert ended > 2


def test_dict_observations_are_dicts_of_batches(serve, adapted):
    serve(MULTI)
    ours, theirs = adapted(MULTI, 2), DummyVecEnv([envs.SimpleMultiObsEnv] * 2)
    seen, wanted = ours.reset(), theirs.reset()
    assert {key: (part.shape, part.dtype) for key, part in seen.items()} == {
        key: (part.shape, part.dtype) for key, part in wanted.items()
    }
    assert type(PPO("MultiInputPolicy", ours, n_steps=8, batch_size=8).learn(32)) is PPO


def test_seed_and_options_are_used_for_one_reset(serve, adapted):
    serve(COUNTING)
    env = adapted(COUNTING, 2)
    env.seed(3)
    env.set_options({"level": 2})
    env.reset()
    assert [(info["seed"], info["options"]) for info in env.reset_infos] == [(3, {"level": 2}), (4, {"level": 2})]
    env.reset()
    assert [(info["seed"], info["options"]) for info in env.reset_infos] == [(None, None)] * 2
    env.set_options([{"goal": np.arange(2)}, {"goal": np.arange(2)}])
    env.reset()
    np.testing.assert_equal([info["options"] for info in env.reset_infos], [{"goal": np.arange(2)}] * 2)
    for options in ([{"level": 1}, {"level": 2}], [{"level": 1}], []):
        with pytest.raises(InvalidArgument, match="a dict for all lanes, or 2 equal ones"):
            env.set_options(options)


def test_a_reset_takes_back_a_step_that_is_under_way(serve, adapted):
    serve(COUNTING)
    env = adapted(COUNTING, 2)
    env.reset()
    env.step_async(np.array([1, 1]))
    assert env.reset().tolist() == [[0], [0]]
    assert env.step(np.array([1, 1]))[0].tolist() == [[1], [1]]


def test_what_libraries_ask_of_a_vec_env(serve, adapted):
    serve(COUNTING)
    env = adapted(COUNTING, 2, render_mode="rgb_array")
    assert env.get_attr("render_mode") == ["rgb_array"] * 2
    assert env.get_attr("metadata", indices=1) == [env.metadata]
    assert env.get_attr("action_space", [0]) == [env.action_space]
    assert env.env_is_wrapped(Monitor) == [False, False]
    assert env.has_attr("render_mode")
    assert not env.has_attr("nothing_like_it")  # what the operator allows: test_calls.py
    env.reset()
    env.step(np.array([1, 1]))
    assert [image.shape for image in env.get_images()] == [(4, 6, 3)] * 2
    assert env.render().shape == (8, 6, 3)
    with pytest.raises(InvalidAction, match="actions"):
        env.step(np.array([1, 7]))
    env.close()
    env.close()


def test_frames_of_the_lanes_become_a_video(serve, adapted, tmp_path):
    serve("CartPole-v1")
    inner = adapted("CartPole-v1", 2, render_mode="rgb_array")
    env = VecVideoRecorder(inner, str(tmp_path), lambda step: step == 0, video_length=10)
    env.reset()
    for _ in range(12):
        env.step(np.array([0, 1]))
    env.close()
    (video,) = tmp_path.glob("*.mp4")
    assert b"ftyp" in video.read_bytes()[:16]


@pytest.mark.parametrize("kind", [DummyVecEnv, SubprocVecEnv])
def test_its_own_vec_envs_take_remote_envs_by_id(amqp_url, kind):
    with EmbeddedWorker(WorkerSettings(("CartPole-v1",), broker=amqp_url)):
        ours = make_vec_env(BY_ID, 2, seed=5, env_kwargs={"broker": amqp_url}, vec_env_cls=kind)
        theirs = make_vec_env("CartPole-v1", 2, seed=5)
        np.testing.assert_equal(ours.reset(), theirs.reset())
        np.testing.assert_equal(ours.step(np.array([0, 1])), theirs.step(np.array([0, 1])))
        ours.close()


def test_what_cannot_be_adapted_is_refused_by_name(serve, lanes):
    serve(COUNTING)
    with pytest.raises(ValueError, match=r"make_vec\(\.\.\., autoreset_mode='same_step'\), got 'next_step'"):
        VecEnvAdapter(lanes(COUNTING, 2))
    with pytest.raises(TypeError, match="expected what gymbroker.make_vec.. gives, got CartPoleEnv"):
        VecEnvAdapter(gymnasium.make("CartPole-v1").unwrapped)


@pytest.mark.filterwarnings("ignore:Your observation.*has an unconventional shape", "ignore:We recommend you to use a")
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", MULTI])
def test_check_env_passes(serve, remote, env_id):
    serve(env_id)
    check_env(remote(env_id).open())


@pytest.mark.parametrize(
    ("algorithm", "env_id", "options"),
    [
        (A2C, "CartPole-v1", {}),
        (DQN, "CartPole-v1", {"learning_starts": 100, "train_freq": 4}),
        (SAC, "Pendulum-v1", {"learning_starts": 100, "train_freq": 8, "policy_kwargs": {"net_arch": [16]}}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_an_algorithm_takes_a_single_remote_env_as_it_is(serve, remote, algorithm, env_id, options):
    serve(env_id, capacity=2)
    model = algorithm("MlpPolicy", remote(env_id), seed=0, device="cpu", **options).learn(300)
    assert model.num_timesteps >= 300
    mean, _ = evaluate_policy(model, Monitor(remote(env_id)), n_eval_episodes=2)
    assert np.isfinite(mean)


@pytest.mark.timeout(1200)
def test_ppo_learns_cartpole_on_remote_lanes_of_a_real_worker(amqp_url, tmp_path):
    def remote(num_envs):
        lanes = gymbroker.make_vec("CartPole-v1", num_envs, amqp_url, autoreset_mode="same_step")
        return VecMonitor(VecEnvAdapter(lanes))

    with worker(amqp_url, tmp_path / "worker.log", "CartPole-v1"):
        train, test = remote(8), remote(5)
        model = PPO(  # the hyperparameters of the RL Zoo
            "MlpPolicy", train, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20,
            learning_rate=lambda left: 1e-3 * left, clip_range=lambda left: 0.2 * left, seed=0, device="cpu",
        )  # fmt: skip
        model.learn(50_000)
        mean, deviation = evaluate_policy(model, test, n_eval_episodes=20)
        print(f"Stable-Baselines3 PPO, CartPole-v1, 8 remote lanes over RabbitMQ: {mean:.1f} +- {deviation:.1f}")
        train.close()
        test.close()
    assert mean > 450
