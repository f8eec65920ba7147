"""N lanes in one episode: what ``SyncVectorEnv`` gives, to the last bit, over both transports."""

from __future__ import annotations

import asyncio
import gc
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv, CartPoleVectorEnv
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics

import gymbroker
from agent_worker import RemoteVectorEnv, aio
from agent_worker.errors import BadKwargs, EnvError, InvalidAction, InvalidArgument, StepTimeout
from tests.support.envs import Everything, Graphs
from tests.support.equal import identical
from tests.support.oddities import BeforeDtypes
from tests.support.trajectories import compare_lanes

COUNTING = "tests.support.envs:Counting"
PLAIN, SILENT = "tests.support.oddities:Plain", "tests.support.oddities:Silent"
MODES = list(AutoresetMode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Taxi-v4"])
def test_a_thousand_steps_are_those_of_sync_vector_env(serve, lanes, env_id, mode):
    serve(env_id)
    ours = lanes(env_id, 3, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: gymnasium.make(env_id, disable_env_checker=True)] * 3, autoreset_mode=mode)
    compare_lanes(ours, theirs, steps=1000)
    theirs.close()


def test_every_space_travels_in_lanes(serve, lanes):
    serve("tests.support.envs:Everything")
    ours, theirs = lanes("tests.support.envs:Everything", 3), SyncVectorEnv([Everything] * 3)
    assert identical(ours.reset(seed=2)[0], theirs.reset(seed=2)[0])
    for _ in range(5):
        actions = theirs.action_space.sample()
        assert identical(ours.step(actions)[0], theirs.step(actions)[0])
    theirs.close()


@pytest.mark.parametrize("episodes", [1, 2])
def test_graphs_in_the_last_observations_of_runs_are_of_the_space(serve, lanes, episodes):
    serve("tests.support.envs:Graphs")
    ours = lanes("tests.support.envs:Graphs", 4, autoreset_mode="same_step", episodes=episodes)
    theirs = SyncVectorEnv([Graphs] * 4, autoreset_mode=AutoresetMode.SAME_STEP)
    ours.reset(seed=1)
    theirs.reset(seed=1)
    for _ in range(2):
        infos, wanted = ours.step([0] * 4)[4], theirs.step([0] * 4)[4]
    assert identical(infos, wanted)
    assert all(last in ours.single_observation_space for last in infos["final_obs"])
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
    assert identical(ours.reset(seed=3), theirs.reset(seed=3))
    for _ in range(100):
        actions = theirs.action_space.sample()
        (seen, rewards, *rest), (wanted, wanted_rewards, *wanted_rest) = ours.step(actions), theirs.step(actions)
        assert identical((seen, *rest), (wanted, *wanted_rest))
        assert rewards.tolist() == wanted_rewards.tolist()  # its own are float32; ours are float64 for every env
    theirs.close()
    with pytest.raises(BadKwargs, match="has no vector entry point"):
        lanes(COUNTING, 2)
    with pytest.raises(BadKwargs, match="has next_step, got 'same_step'"):
        lanes("CartPole-v1", 2, autoreset_mode="same_step")


class TwoGoals(CartPoleVectorEnv):
    """Its reward is one for each of two goals."""

    def step(self, actions):
        observations, rewards, *others = super().step(actions)
        return observations, np.stack([rewards, -rewards], axis=1), *others


@pytest.fixture
def three_of(serve, lanes, monkeypatch):
    """``three_of(Column)``: three lanes of a vector entry point, begun."""

    def make(entry_point):
        env_id = f"{entry_point.__name__}-v0"
        spec = EnvSpec(env_id, entry_point=CartPoleEnv, vector_entry_point=entry_point)
        monkeypatch.setitem(gymnasium.registry, env_id, spec)
        serve(env_id, vector="entry-point")
        env = lanes(env_id, 3)
        env.reset()
        return env

    return make


def test_a_vector_env_that_gives_no_number_for_each_lane_is_at_fault_and_not_its_worker(three_of):
    env = three_of(TwoGoals)
    text = r"rewards: expected one for each of 3 lanes, got a float64 array of shape \(3, 2\).*fault of the env"
    with pytest.raises(EnvError, match=text):
        env.step([0, 0, 0])


class Column(CartPoleVectorEnv):
    """Its rewards are a column."""

    def step(self, actions):
        observations, rewards, *others = super().step(actions)
        return observations, rewards[:, None], *others


def test_rewards_in_a_column_are_one_for_each_lane(three_of):
    env = three_of(Column)
    assert np.array_equal(env.step([0, 0, 0])[1], np.ones(3))


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


def test_lanes_that_could_not_be_opened_are_dropped_without_a_word_under_a_gymnasium_that_closes_what_is_dropped(
    serve, lanes, monkeypatch
):
    monkeypatch.setattr(VectorEnv, "__del__", lambda env: env.close(), raising=False)  # as it was before 1.3
    serve(COUNTING)
    with pytest.raises(BadKwargs):
        lanes(COUNTING, 2, colour=1)
    gc.collect()  # what __del__ raises is a warning, and so an error here


def test_what_an_env_says_of_itself_may_be_a_set_or_nothing_at_all(serve, remote, lanes):
    serve(PLAIN, SILENT)
    modes = [None, "ansi", "rgb_array"]
    assert remote(PLAIN).metadata["render_modes"] == lanes(PLAIN, 2).metadata["render_modes"] == modes
    assert remote(SILENT).metadata["render_modes"] == lanes(SILENT, 2).metadata["render_modes"] == []


def test_a_space_that_the_gymnasium_of_the_agent_has_not_is_named_by_each_door(
    serve, remote, lanes, broker_url, monkeypatch
):
    serve(PLAIN)
    monkeypatch.setattr(gymnasium.spaces, "Discrete", BeforeDtypes)
    for make in (
        lambda: remote(PLAIN).reset(),
        lambda: lanes(PLAIN, 2),
        lambda: asyncio.run(aio.make(PLAIN, broker_url)),
        lambda: asyncio.run(aio.make_vec(PLAIN, 2, broker_url)),
    ):
        with pytest.raises(InvalidArgument, match="Plain: a Discrete space of int32 needs Gymnasium 1.2.3 or newer"):
            make()


@pytest.mark.parametrize("actions", [[1], [1, 1, 1], [1, 7], [1, "left"], 1])
def test_actions_that_do_not_fit_are_refused_before_anything_is_sent(serve, lanes, actions):
    serve(COUNTING)
    env = lanes(COUNTING, 2)
    env.reset()
    with pytest.raises(InvalidAction, match="actions"):
        env.step(actions)
    assert env.step([0, 0])[0].tolist() == [[1], [1]]


def test_lanes_can_be_pickled_before_their_first_reset_only(serve, lanes):
    serve(COUNTING)
    ours = lanes(COUNTING, 4, episodes=2, autoreset_mode="same_step", limit=5, step_timeout=7.0)
    ours.spec = gymnasium.spec("CartPole-v1")  # as make_vec sets it
    copy = pickle.loads(pickle.dumps(ours))
    assert copy.spec == ours.spec
    assert (copy.num_envs, copy.episodes, copy.autoreset_mode) == (4, 2, AutoresetMode.SAME_STEP)
    assert (copy.step_timeout, copy.single_action_space) == (7.0, ours.single_action_space)
    assert identical(copy.reset(seed=1), ours.reset(seed=1))
    assert identical(copy.step(np.zeros(4, np.int64)), ours.step(np.zeros(4, np.int64)))
    with pytest.raises(pickle.PicklingError, match="Counting: remote lanes can be pickled before their first reset"):
        pickle.dumps(copy)
    copy.close()


@pytest.mark.parametrize("ask", ["reset", "reset_async", "async_reset"])
def test_whatever_way_lanes_are_reset_they_can_no_longer_be_pickled(serve, lanes, ask):
    serve(COUNTING)
    ours = lanes(COUNTING, 2)
    getattr(ours, ask)()
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(ours)


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
