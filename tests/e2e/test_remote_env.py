"""A remote env is used like the env itself: over both transports."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agent_worker import RemoteEnv
from agent_worker.errors import (
    BadKwargs,
    EnvClosed,
    EnvError,
    InvalidAction,
    NotReset,
    RemoteEnvError,
    UnknownEnv,
)
from protocol.data import Opaque
from tests.support.commands import eventually
from tests.support.envs import Counting, Everything, Talkative
from tests.support.equal import identical

COUNTING = "tests.support.envs:Counting"
TALKATIVE = "tests.support.envs:Talkative"
ASTRAY = "tests.support.envs:Astray"
EVERYTHING = "tests.support.envs:Everything"
OLD = "tests.support.envs:OldApi"


@pytest.mark.filterwarnings("ignore:.*A Box observation space m.*imum value is")  # of the local CartPole, too
def test_check_env_of_gymnasium_passes(serve, remote):
    serve("CartPole-v1")
    check_env(remote("CartPole-v1").open(), skip_render_check=True)


def test_observations_are_writable_arrays_of_the_space_and_the_rest_is_plain_python(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING)
    observation, _ = env.reset(seed=1)
    observation += 1
    assert env.observation_space.contains(observation)
    observation, reward, terminated, truncated, info = env.step(2)
    assert (observation.dtype, observation.flags.writeable) == (np.int64, True)
    assert (type(reward), type(terminated), type(truncated), type(info)) == (float, bool, bool, dict)
    assert info == {"type": "int64"}


def test_seed_and_options_reach_the_env(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING)
    _, info = env.reset(seed=3, options={"mode": "hard", 5: [np.float32(1)]})
    local = Counting()
    assert info["draw"] == local.reset(seed=3)[1]["draw"]
    assert identical(info["options"], {"mode": "hard", 5: [np.float32(1)]})
    assert env.np_random_seed == 3


def test_all_ten_spaces_and_their_samples_travel_bit_for_bit(serve, remote):
    serve(EVERYTHING)
    env, local = remote(EVERYTHING), Everything()
    assert env.observation_space == local.observation_space
    for seed in range(20):
        ours, theirs = env.reset(seed=seed)[0], local.reset(seed=seed)[0]
        assert identical(ours, theirs)
        assert identical(env.step(theirs)[0], theirs)


def test_info_travels_bit_for_bit_and_odd_objects_do_no_harm(serve, remote):
    serve(TALKATIVE)
    env = remote(TALKATIVE)
    observation, info = env.reset()
    assert observation == -2
    expected = {**Talkative.said, "ordered": dict(Talkative.said["ordered"])}
    for key, value in expected.items():
        assert identical(info[key], value), key
    assert list(info) == list(expected)
    info = env.step(1)[4]
    assert (info["fine"], info["odd"].type_name, type(info["lambda"])) == (1, "collections.deque", Opaque)


def test_step_and_render_before_reset_say_so_and_harm_nothing(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING, render_mode="rgb_array")
    with pytest.raises(NotReset, match="call reset\\(\\) before step"):
        env.step(0)
    with pytest.raises(gymnasium.error.ResetNeeded, match="before render"):
        env.render()
    env.reset()
    assert env.step(0)[0] == [1]


@pytest.mark.parametrize(
    ("action", "says"),
    [(3, "3"), (-1, "-1"), (0.5, "0.5"), ("left", "str"), (None, "None"), (np.array([0, 1]), "shape")],
)
def test_an_action_outside_a_discrete_space_is_refused_before_the_env_sees_it(serve, remote, action, says):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    with pytest.raises(InvalidAction, match="action") as caught:
        env.step(action)
    assert says in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert env.step(1)[0] == [1]


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (np.array([0.0, np.nan], np.float32), "nan"),
        (np.array([0.0, 1.5], np.float32), "1.5"),
        (np.zeros(3, np.float32), "\\(3,\\)"),
        (np.zeros(2, np.complex64), "complex"),
        (np.array(["a", "b"]), "str|<U"),
        (np.array([None, 1]), "object"),
    ],
)
def test_an_action_outside_a_box_is_refused_before_the_env_sees_it(serve, remote, action, says):
    serve(ASTRAY, env_kwargs={"how": "far"})
    env = remote(ASTRAY)
    env.reset()
    with pytest.raises(InvalidAction, match=says):
        env.step(action)
    assert env.step(np.zeros(2, np.float32))[1] == 0.0


def test_the_worker_checks_actions_too_and_the_episode_goes_on(serve, remote):
    from protocol.coders import coder
    from protocol.specs import DiscreteSpec

    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    honest, env._actions = env._actions, coder(DiscreteSpec(n=99, start=0, dtype="int64"), bounds=True)
    with pytest.raises(InvalidAction, match="bad_action, fault of the agent"):
        env.step(77)
    env._actions = honest
    assert env.step(1)[0] == [1]


@pytest.mark.parametrize(("how", "observed"), [("wide", [0.1, 0.2]), ("far", [5.0, -5.0])])
def test_an_observation_out_of_bounds_or_too_wide_comes_in_the_dtype_of_the_space(serve, remote, how, observed):
    serve(ASTRAY)
    env = remote(ASTRAY, how=how)
    env.reset()
    observation = env.step(np.zeros(2, np.float32))[0]
    assert identical(observation, np.array(observed, np.float32))


def test_an_observation_of_another_shape_is_the_env_s_fault(serve, remote):
    serve(ASTRAY)
    env = remote(ASTRAY, how="shape")
    env.reset()
    with pytest.raises(EnvError, match=r"observation.*\(3,\).*fault of the env"):
        env.step(np.zeros(2, np.float32))


@pytest.mark.parametrize("trouble", ["raise", "system exit"])
def test_an_env_that_raises_gives_an_error_and_the_episode_goes_on(serve, remote, trouble):
    serve(COUNTING)
    env, other = remote(COUNTING, trouble={"2": trouble}), remote(COUNTING)
    env.reset()
    other.reset()
    env.step(0)
    with pytest.raises(EnvError, match="step raised (RuntimeError: trouble at step 2|SystemExit: 4)"):
        env.step(0)
    assert env.step(0)[0] == [3]
    assert env.reset()[0] == [0]
    assert other.step(0)[0] == [1]


def test_an_env_that_raises_in_reset_can_be_reset_again(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING, trouble={"reset": "raise"})
    for _ in range(2):
        with pytest.raises(EnvError, match="reset raised RuntimeError"):
            env.reset()
    with pytest.raises(NotReset):
        env.step(0)


def test_kwargs_that_the_env_refuses_and_those_of_the_operator(serve, remote):
    serve(COUNTING, env_kwargs={"limit": 2})
    with pytest.raises(BadKwargs, match=r"colour.*fault of the agent"):
        remote(COUNTING, colour="red").open()
    with pytest.raises(BadKwargs, match="limit cannot be set by an agent"):
        remote(COUNTING, limit=9).open()
    env = remote(COUNTING)
    env.reset()
    assert [env.step(0)[2] for _ in range(2)] == [False, True]


def test_the_worker_opens_no_window_and_knows_its_render_modes(serve, remote, broker_url):
    serve(COUNTING)
    with pytest.raises(ValueError, match="human"):
        RemoteEnv(COUNTING, broker_url, render_mode="human")
    with pytest.raises(BadKwargs, match=r"render_mode.*rgb_array.*got 'depth_array'"):
        remote(COUNTING, render_mode="depth_array").open()


def test_render_gives_the_frames_of_the_env(serve, remote):
    serve(COUNTING)
    env, text, none = (remote(COUNTING, render_mode=mode) for mode in ("rgb_array", "ansi", None))
    for one in (env, text, none):
        one.reset()
        one.step(0)
    assert identical(env.render(), np.full((4, 6, 3), 1, np.uint8))
    assert text.render() == "step 1"
    assert none.render() is None


def test_close_twice_is_no_error_and_frees_the_slot(serve, remote):
    worker = serve(COUNTING, capacity=1)
    before = Counting.closed
    for _ in range(3):
        env = remote(COUNTING)
        env.reset()
        env.close()
        env.close()
        with pytest.raises(EnvClosed):
            env.step(0)
        with pytest.raises(gymnasium.error.ClosedEnvironmentError):
            env.reset()
    assert Counting.closed == before + 3
    eventually(lambda: worker._stepper.slots == {}, "the slot is free")


def test_an_env_that_is_dropped_without_close_frees_its_slot(serve, remote, broker_url):
    serve(COUNTING, capacity=1)
    env = RemoteEnv(COUNTING, broker_url)
    env.reset()
    del env
    assert remote(COUNTING).reset()[0] == [0]


def test_it_can_be_pickled_before_its_first_reset_only(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING, limit=5)
    copy = pickle.loads(pickle.dumps(env))
    assert env.action_space == copy.action_space
    copy = pickle.loads(pickle.dumps(copy))
    copy.reset()
    assert [copy.step(0)[2] for _ in range(5)][-1]
    with pytest.raises(pickle.PicklingError, match="before its first reset"):
        pickle.dumps(copy)
    copy.close()


def test_spec_and_metadata_tell_of_the_env(serve, remote):
    serve(COUNTING, "CartPole-v1")
    env = remote("CartPole-v1")
    assert env.spec.max_episode_steps == 500
    assert env.spec.reward_threshold == 475.0
    assert env.spec.kwargs["env_id"] == "CartPole-v1"
    assert env.metadata == {"render_modes": ["rgb_array"], "render_fps": 50}
    assert remote(COUNTING).metadata["render_modes"] == ["rgb_array", "ansi"]
    assert env.description.worker
    assert env.unwrapped is env


def test_an_env_id_that_nobody_serves_is_unknown_and_the_error_says_what_is_served(serve, remote, patience, caplog):
    serve("CartPole-v1", "Taxi-v4")
    says = rf"'Nothing-v0' is not served.*CartPole-v1, Taxi-v4.*waited {patience:g} s"
    with pytest.raises(UnknownEnv, match=says):
        remote("Nothing-v0", make_timeout=patience).open()
    assert "no worker serves 'Nothing-v0' yet" in caplog.text


def test_an_agent_can_never_name_code(serve, remote, patience):
    serve("CartPole-v1")

    def open_it(env_id):
        with pytest.raises((UnknownEnv, ValueError)):
            remote(env_id, make_timeout=patience).open()
        return env_id

    ids = ["os:system", "../x", "tests.support.registers:gym", "CartPole-v0", "", "a" * 300]
    with ThreadPoolExecutor(len(ids)) as pool:  # each waits for somebody who serves it
        assert list(pool.map(open_it, ids)) == ids


def test_an_env_of_the_old_api_is_served_with_five_results(serve, remote):
    serve(OLD)
    env = remote(OLD)
    assert env.reset(seed=3) == (3, {})
    assert [env.step(0)[2:4] for _ in range(7)] == [
        (False, False), (True, False), (False, False), (False, False), (False, False), (False, False), (False, True),
    ]  # fmt: skip


def test_a_full_worker_takes_nothing_and_the_agent_waits_in_line(serve, remote, patience):
    serve(COUNTING, capacity=1)
    first = remote(COUNTING)
    first.reset()
    says = rf"took the request within {patience:g} s.*1 worker\(s\) serve it, with 0 free"
    with pytest.raises(TimeoutError, match=says):
        remote(COUNTING, make_timeout=patience).open()
    first.close()
    assert remote(COUNTING).reset()[0] == [0]


def test_many_episodes_of_one_worker_do_not_mix(serve, remote):
    serve(COUNTING, capacity=20)
    envs = [remote(COUNTING) for _ in range(20)]
    for env in envs:
        env.reset()
    for turn in range(1, 6):
        for index, env in enumerate(envs):
            if index % turn == 0:
                env.step(0)
    for index, env in enumerate(envs):
        assert env.step(0)[0] == 1 + sum(index % turn == 0 for turn in range(1, 6))


def test_every_remote_error_is_a_remote_env_error():
    from agent_worker import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    assert all(issubclass(kind, RemoteEnvError) for kind in kinds)
