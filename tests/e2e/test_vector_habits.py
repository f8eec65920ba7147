"""What users of Gymnasium's own vector envs write, which its ``VectorEnv`` does not promise, over both transports."""

from __future__ import annotations

import contextlib
import multiprocessing

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agent_worker.errors import NothingPending, StepTimeout
from env_worker import Allowed
from tests.support.commands import eventually
from tests.support.equal import identical
from tests.support.paced import GATED, Gated

CARTPOLE = "CartPole-v1"
COUNTING = "tests.support.envs:Counting"
EPISODES = [1, 2]


def local(**kwargs):
    """Four lanes in this process."""
    return SyncVectorEnv([lambda: gymnasium.make(CARTPOLE)] * 4, **kwargs)


def pausable(serve, lanes):
    """Four lanes at two workers, whose call ``pause`` waits for the gate."""
    for _ in range(2):
        serve(GATED, capacity=1, allowed=Allowed(call=("pause",)))
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    return env


@pytest.mark.parametrize("episodes", EPISODES)
def test_reset_async_and_reset_wait_give_what_reset_gives(serve, lanes, episodes):
    serve(CARTPOLE)
    mode = AutoresetMode.DISABLED
    ours, theirs = lanes(CARTPOLE, 4, episodes=episodes, autoreset_mode=mode), local(autoreset_mode=mode)
    mask = np.array([False, False, False, True])
    for seed, options in ((5, None), ([1, None, 2, 3], {"reset_mask": mask}), (7, {})):
        ours.reset_async(seed, options)
        wanted = theirs.reset(seed=seed, options=None if options is None else dict(options))
        assert identical(ours.reset_wait(timeout=20.0), wanted)
        actions = theirs.action_space.sample()
        assert identical(ours.step(actions), theirs.step(actions))
    theirs.close()


@pytest.mark.parametrize("episodes", EPISODES)
def test_reset_wait_without_reset_async_is_the_error_of_gymnasium_and_takes_no_step_away(serve, lanes, episodes):
    serve(COUNTING)
    env = lanes(COUNTING, 2, episodes=episodes)
    with pytest.raises(gymnasium.error.NoAsyncCallError):
        env.reset_wait()
    env.reset_async()
    env.reset_wait()
    with pytest.raises(NothingPending):
        env.reset_wait()
    env.step_async([1, 2])
    with pytest.raises(NothingPending, match="no reset has been asked for"):
        env.reset_wait()
    assert env.step_wait()[1].tolist() == [1.0, 2.0]


def test_a_reset_of_some_lanes_that_is_overdue_can_be_waited_for_again(serve, lanes, gate):
    for _ in range(2):
        serve(GATED, capacity=1)
    env = lanes(GATED, 4, episodes=2, autoreset_mode="disabled")
    env.reset()
    assert env.step([0] * 4)[0].ravel().tolist() == [1] * 4
    options = {"wait": True, "reset_mask": np.array([False, False, True, True])}
    env.reset_async(options=options)
    assert Gated.waiting.acquire(timeout=20)
    for wait in (env.reset_wait, env.step_wait):
        with pytest.raises(StepTimeout, match="lanes 2 to 3: .*waited") as caught:
            wait(timeout=0.1)
        assert isinstance(caught.value, multiprocessing.TimeoutError)  # what AsyncVectorEnv raises
    gate.set()
    assert env.reset_wait()[0].ravel().tolist() == [1, 1, 0, 0]
    assert env.step([0] * 4)[0].ravel().tolist() == [2, 2, 1, 1]


def test_a_call_of_some_lanes_that_was_overdue_is_dropped_when_it_comes_and_stepping_goes_on(serve, lanes, gate):
    env = pausable(serve, lanes)
    patience, env.step_timeout = env.step_timeout, 0.1
    with pytest.raises(StepTimeout, match="lanes 2 to 3: .*waited"):
        env.call_lanes([2], "pause")
    env.step_timeout = patience
    gate.set()
    with pytest.raises(NothingPending, match="the result that was overdue has come, and is dropped"):
        env.step_wait()
    assert env.step([0] * 4)[0].ravel().tolist() == [1] * 4


@pytest.mark.parametrize("episodes", EPISODES)
def test_the_last_reply_may_come_when_the_time_is_up(serve, lanes, monkeypatch, episodes):
    monkeypatch.setattr("agent_worker.gathering.FLOOD_S", 0.0)
    serve(COUNTING)
    env = lanes(COUNTING, 2, episodes=episodes)
    env.reset_async()
    found = []

    def heard():
        with contextlib.suppress(StepTimeout):
            found.append(env.reset_wait(timeout=0.0))
        return found

    eventually(heard, "the reply to the reset")
    assert found[0][0].tolist() == [[0], [0]]


@pytest.mark.parametrize("episodes", EPISODES)
def test_the_seeds_of_the_lanes_are_known_as_sync_vector_env_has_them(serve, lanes, episodes):
    serve(CARTPOLE)
    mode = AutoresetMode.DISABLED
    ours, theirs = lanes(CARTPOLE, 4, episodes=episodes, autoreset_mode=mode), local(autoreset_mode=mode)
    assert ours.np_random_seed == (-1,) * 4
    mask = np.array([False, True, False, True])
    asked = ((7, None), (None, None), ([1, None, 3, 4], None), ([5, 6, 7, None], {"reset_mask": mask}))
    for seed, options in asked:
        ours.reset(seed=seed, options=options)
        theirs.reset(seed=seed, options=None if options is None else dict(options))
        assert identical(ours.np_random_seed, theirs.np_random_seed)
    ours.async_reset(seed=11)
    assert ours.np_random_seed == (11, 12, 13, 14)
    theirs.close()


def test_a_single_env_tells_the_seed_that_it_was_given_and_none_that_is_not_the_env_s(serve, remote):
    serve(CARTPOLE)
    env = remote(CARTPOLE)
    env.reset()
    assert env.np_random_seed == -1
    assert env.np_random is not None
    assert env.np_random_seed == -1
    env.reset(seed=42)
    env.reset()
    assert env.np_random_seed == 42


def test_call_render_gives_the_frames_whatever_the_operator_allows(serve, lanes):
    serve(COUNTING)
    env = lanes(COUNTING, 3, render_mode="rgb_array")
    env.reset()
    assert identical(env.call("render"), env.render())
    silent = lanes(COUNTING, 2)
    silent.reset()
    assert silent.call("render") == (None, None)


@pytest.mark.parametrize("episodes", EPISODES)
def test_call_async_and_call_wait_give_what_call_gives(serve, lanes, episodes):
    serve(COUNTING, allowed=Allowed(get=("count",), set=("count",)))
    env = lanes(COUNTING, 4, episodes=episodes, render_mode="rgb_array")
    env.reset()
    env.set_attr("count", [3, 1, 4, 1])
    for name in ("count", "render"):
        env.call_async(name)
        with pytest.raises(gymnasium.error.AlreadyPendingCallError):
            env.call_async(name)
        given = env.call_wait(timeout=20.0)
        assert identical(given, env.call(name))
        with pytest.raises(gymnasium.error.NoAsyncCallError):
            env.call_wait()
    assert env.call("count") == (3, 1, 4, 1)
    assert env.step([1] * 4)[0].ravel().tolist() == [4, 2, 5, 2]


def test_a_call_that_is_overdue_can_be_waited_for_again(serve, lanes, gate):
    env = pausable(serve, lanes)
    env.call_async("pause")
    with pytest.raises(StepTimeout, match="lanes 0 to 1, 2 to 3: .*waited"):
        env.call_wait(timeout=0.1)
    gate.set()
    assert env.call_wait() == (None,) * 4
    assert env.step([0] * 4)[0].ravel().tolist() == [1] * 4


@pytest.mark.parametrize("episodes", EPISODES)
def test_who_waits_after_close_is_told_so(serve, lanes, episodes):
    serve(COUNTING)
    env = lanes(COUNTING, 2, episodes=episodes)
    env.reset()
    env.step_async([0, 0])
    env.close(timeout=1, terminate=True)  # what close of AsyncVectorEnv takes
    for wait in (env.step_wait, env.reset_wait, env.call_wait, env.recv):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=r"used after close\(\)"):
            wait()
