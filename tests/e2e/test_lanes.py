"""N lanes in one episode: what ``SyncVectorEnv`` gives, to the last bit, over both transports."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics

import gymbroker
from agent_worker import RemoteVectorEnv
from agent_worker.errors import BadKwargs, EnvError, InvalidAction, StepTimeout
from tests.support.envs import Everything
from tests.support.equal import identical

COUNTING = "tests.support.envs:Counting"
MODES = list(AutoresetMode)


def same(ours, theirs):
    return all(identical(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Taxi-v4"])
def test_a_thousand_steps_are_those_of_sync_vector_env(serve, lanes, env_id, mode):
    serve(env_id)
    ours = lanes(env_id, 3, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: gymnasium.make(env_id, disable_env_checker=True)] * 3, autoreset_mode=mode)
    assert same(ours.reset(seed=5), theirs.reset(seed=5))
    theirs.action_space.seed(1)
    for _ in range(1000):
        actions = theirs.action_space.sample()
        results = theirs.step(actions)
        assert same(ours.step(actions), results)
        ended = results[2] | results[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            options = {"reset_mask": ended}
            assert same(ours.reset(options=dict(options)), theirs.reset(options=dict(options)))
    theirs.close()


def test_every_space_travels_in_lanes(serve, lanes):
    serve("tests.support.envs:Everything")
    ours, theirs = lanes("tests.support.envs:Everything", 3), SyncVectorEnv([Everything] * 3)
    assert identical(ours.reset(seed=2)[0], theirs.reset(seed=2)[0])
    for _ in range(5):
        actions = theirs.action_space.sample()
        assert identical(ours.step(actions)[0], theirs.step(actions)[0])
    theirs.close()


def test_spaces_and_attributes_are_those_of_a_vector_env(serve, lanes):
    serve("CartPole-v1")
    ours = lanes("CartPole-v1", 5, autoreset_mode="same_step")
    theirs = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 5, autoreset_mode=AutoresetMode.SAME_STEP)
    for name in ("num_envs", "observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.autoreset_mode is ours.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert ours.metadata["render_fps"] == 50
    theirs.close()


@pytest.mark.parametrize("seed", [7, [3, None, 5]])
def test_seeds_of_the_lanes(serve, lanes, seed):
    serve("CartPole-v1")
    ours, theirs = lanes("CartPole-v1", 3), SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 3)
    seen, wanted = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
    seeded = [0, 1, 2] if seed == 7 else [0, 2]
    assert identical(seen[seeded], wanted[seeded])
    with pytest.raises(ValueError, match="expected 3 seeds, one for each lane, got 2"):
        ours.reset(seed=[1, 2])
    theirs.close()


@pytest.mark.parametrize("seed", [1.5, "1", [3, 2.5, 1]])
def test_a_seed_that_is_no_int_is_refused_and_not_rounded(serve, lanes, seed):
    serve("CartPole-v1")
    env = lanes("CartPole-v1", 3)
    with pytest.raises(TypeError, match="integer"):
        env.reset(seed=seed)
    assert identical(env.reset(seed=np.int64(1))[0], env.reset(seed=1)[0])


@pytest.mark.parametrize("name", ["SAME_STEP", "same_step", AutoresetMode.SAME_STEP.value])
def test_the_autoreset_mode_may_be_given_by_name_or_value_as_gymnasium_has_it(serve, lanes, name):
    serve(COUNTING)
    assert lanes(COUNTING, 1, autoreset_mode=name).autoreset_mode is AutoresetMode.SAME_STEP


def test_gymnasium_make_vec_by_id(serve, broker_url):
    serve("CartPole-v1")
    env = gymnasium.make_vec("gymbroker:remote/CartPole-v1", num_envs=64, broker=broker_url)
    assert env.reset(seed=1)[0].shape == (64, 4)
    assert env.step(np.zeros(64, np.int64))[0].shape == (64, 4)
    env.close()
    env.close()


def test_gymbroker_make_vec_brings_its_worker_along_on_memory():
    env = gymbroker.make_vec("CartPole-v1", 2, "memory://lanes")
    assert env.reset()[0].shape == (2, 4)
    env.close()


def test_wrappers_of_gymnasium_do_not_notice(serve, lanes):
    serve("CartPole-v1")
    env = NormalizeObservation(RecordEpisodeStatistics(lanes("CartPole-v1", 4)))
    env.reset(seed=1)
    ended = 0
    for _ in range(100):
        info = env.step(env.action_space.sample())[4]
        ended += int(info.get("_episode", np.zeros(1)).sum())
    assert ended > 4


def test_step_async_lets_the_learner_go_on(serve, lanes):
    serve(COUNTING)
    env = lanes(COUNTING, 2)
    env.reset()
    env.step_async([1, 2])
    with pytest.raises(StepTimeout, match="has no reply"):
        env.step_async([1, 2])
    assert env.step_wait(10.0)[1].tolist() == [1.0, 2.0]


def test_the_vector_entry_point_is_used_where_the_worker_says_so(serve, lanes):
    serve("CartPole-v1", COUNTING, vector="entry-point")
    ours = lanes("CartPole-v1", 8)
    theirs = gymnasium.make_vec("CartPole-v1", 8, vectorization_mode="vector_entry_point")
    assert same(ours.reset(seed=3), theirs.reset(seed=3))
    for _ in range(100):
        actions = theirs.action_space.sample()
        (seen, rewards, *rest), (wanted, wanted_rewards, *wanted_rest) = ours.step(actions), theirs.step(actions)
        assert same((seen, *rest), (wanted, *wanted_rest))
        assert rewards.tolist() == wanted_rewards.tolist()  # its own are float32; ours are float64 for every env
    theirs.close()
    with pytest.raises(BadKwargs, match="has no vector entry point"):
        lanes(COUNTING, 2)
    with pytest.raises(BadKwargs, match="has next_step, got 'same_step'"):
        lanes("CartPole-v1", 2, autoreset_mode="same_step")


def test_frames_of_all_lanes(serve, lanes):
    serve(COUNTING)
    env = lanes(COUNTING, 3, render_mode="rgb_array")
    env.reset()
    assert identical(env.render(), (np.zeros((4, 6, 3), np.uint8),) * 3)


@pytest.mark.parametrize("num_envs", [0, -1, 1.0, True])
def test_a_number_of_lanes_that_makes_no_sense_is_refused_before_anything_is_sent(num_envs):
    with pytest.raises(ValueError, match="num_envs: expected a positive int"):
        RemoteVectorEnv("CartPole-v1", num_envs, "amqp://127.0.0.1:1/")


def test_more_lanes_than_the_worker_allows_are_refused_by_name_and_other_episodes_go_on(serve, lanes):
    serve(COUNTING, max_num_envs=4)
    running = lanes(COUNTING, 4)
    running.reset()
    with pytest.raises(BadKwargs, match="allows 4 lanes at most, got 5.*fault of the agent"):
        lanes(COUNTING, 5)
    assert running.step([1] * 4)[0].tolist() == [[1]] * 4
    with pytest.raises(ValueError, match="autoreset_mode: expected one of"):
        lanes(COUNTING, 2, autoreset_mode="sometimes")


@pytest.mark.parametrize("actions", [[1], [1, 1, 1], [1, 7], [1, "left"], 1])
def test_actions_that_do_not_fit_are_refused_before_anything_is_sent(serve, lanes, actions):
    serve(COUNTING)
    env = lanes(COUNTING, 2)
    env.reset()
    with pytest.raises(InvalidAction, match="actions"):
        env.step(actions)
    assert env.step([0, 0])[0].tolist() == [[1], [1]]


@pytest.mark.parametrize("mask", [[True, False], np.array([1, 0]), np.array([True]), np.zeros(2, bool)])
def test_a_reset_mask_that_does_not_fit_is_refused(serve, lanes, mask):
    serve(COUNTING)
    env = lanes(COUNTING, 2, autoreset_mode="disabled")
    env.reset()
    if isinstance(mask, list):
        env.reset(options={"reset_mask": mask})
        return
    with pytest.raises(ValueError, match="reset_mask: expected a bool array of shape \\(2,\\)"):
        env.reset(options={"reset_mask": mask})


def test_a_lane_that_raises_is_an_error_of_all_and_the_episode_goes_on(serve, lanes):
    serve(COUNTING)
    env = lanes(COUNTING, 2, trouble={"1": "raise"})
    env.reset()
    with pytest.raises(EnvError, match="trouble at step 1"):
        env.step([0, 0])
    env.reset()
