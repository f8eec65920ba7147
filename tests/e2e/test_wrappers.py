"""Gymnasium's wrappers, unchanged, around a remote env: what comes out is what comes out around the local env."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector

from agent_worker.errors import NotReset
from env_worker.compat import import_gym
from tests.support.envs import Counting
from tests.support.equal import identical

COUNTING = "tests.support.envs:Counting"
CARTPOLE, PENDULUM, BLACKJACK = "CartPole-v1", "Pendulum-v1", "Blackjack-v1"
UNIT = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

pytestmark = pytest.mark.filterwarnings(  # what Gymnasium says of its own envs and wrappers
    "ignore:.*A Box observation space m.*imum value is", "ignore:.*precision lowered by casting"
)


@pytest.fixture
def broker_url():
    """A wrapper sees no transport: one will do."""
    return "memory://wrappers"


SINGLE = {
    "RecordEpisodeStatistics": (CARTPOLE, wrappers.RecordEpisodeStatistics),
    "NormalizeObservation": (CARTPOLE, wrappers.NormalizeObservation),
    "NormalizeReward": (PENDULUM, wrappers.NormalizeReward),
    "FrameStackObservation": (CARTPOLE, lambda env: wrappers.FrameStackObservation(env, 4)),
    "TimeLimit": (CARTPOLE, lambda env: wrappers.TimeLimit(env, 7)),
    "TimeAwareObservation": (PENDULUM, wrappers.TimeAwareObservation),
    "ClipAction": (PENDULUM, wrappers.ClipAction),
    "RescaleAction": (PENDULUM, lambda env: wrappers.RescaleAction(env, -1.0, 1.0)),
    "RepeatAction": (PENDULUM, lambda env: wrappers.RepeatAction(env, 3)),
    "TransformAction": (PENDULUM, lambda env: wrappers.TransformAction(env, np.tanh, UNIT)),
    "FlattenObservation": (BLACKJACK, wrappers.FlattenObservation),
    "FilterObservation": (BLACKJACK, lambda env: wrappers.FilterObservation(env, [0, 2])),
    "TransformObservation": (PENDULUM, lambda env: wrappers.TransformObservation(env, np.abs, env.observation_space)),
    "RescaleObservation": (PENDULUM, lambda env: wrappers.RescaleObservation(env, -1.0, 1.0)),
    "ReshapeObservation": (CARTPOLE, lambda env: wrappers.ReshapeObservation(env, (2, 2))),
    "DtypeObservation": (CARTPOLE, lambda env: wrappers.DtypeObservation(env, np.float64)),
    "MaxAndSkipObservation": (CARTPOLE, lambda env: wrappers.MaxAndSkipObservation(env, 2)),
    "ClipReward": (PENDULUM, lambda env: wrappers.ClipReward(env, -1.0, 0.0)),
    "TransformReward": (PENDULUM, lambda env: wrappers.TransformReward(env, lambda reward: reward / 8)),
    "Autoreset": (CARTPOLE, wrappers.Autoreset),
    "OrderEnforcing": (CARTPOLE, wrappers.OrderEnforcing),
    "PassiveEnvChecker": (CARTPOLE, wrappers.PassiveEnvChecker),
    "a tower": (
        CARTPOLE,
        lambda env: wrappers.FrameStackObservation(
            wrappers.NormalizeObservation(wrappers.RecordEpisodeStatistics(wrappers.TimeLimit(env, 12))), 2
        ),
    ),
}


@pytest.mark.parametrize(("env_id", "wrap"), SINGLE.values(), ids=SINGLE)
def test_a_wrapped_remote_env_says_what_the_wrapped_local_env_says(serve, remote, env_id, wrap):
    serve(env_id)
    ours, theirs = wrap(remote(env_id).open()), wrap(gymnasium.make(env_id, disable_env_checker=True))
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert same(ours.reset(seed=3), theirs.reset(seed=3))
    theirs.action_space.seed(3)
    for _ in range(100):
        action = theirs.action_space.sample()
        results = theirs.step(action)
        assert same(ours.step(action), results)
        if (results[2] or results[3]) and not isinstance(theirs, wrappers.Autoreset):
            assert same(ours.reset(), theirs.reset())
    theirs.close()


VECTOR = {
    "RecordEpisodeStatistics": (CARTPOLE, vector.RecordEpisodeStatistics),
    "NormalizeObservation": (CARTPOLE, vector.NormalizeObservation),
    "NormalizeReward": (PENDULUM, vector.NormalizeReward),
    "DictInfoToList": (CARTPOLE, lambda envs: vector.DictInfoToList(vector.RecordEpisodeStatistics(envs))),
    "FlattenObservation": (BLACKJACK, vector.FlattenObservation),
    "FilterObservation": (BLACKJACK, lambda envs: vector.FilterObservation(envs, [0, 2])),
    "RescaleObservation": (PENDULUM, lambda envs: vector.RescaleObservation(envs, -1.0, 1.0)),
    "ReshapeObservation": (CARTPOLE, lambda envs: vector.ReshapeObservation(envs, (2, 2))),
    "DtypeObservation": (CARTPOLE, lambda envs: vector.DtypeObservation(envs, np.float64)),
    "ClipAction": (PENDULUM, vector.ClipAction),
    "RescaleAction": (PENDULUM, lambda envs: vector.RescaleAction(envs, -1.0, 1.0)),
    "ClipReward": (PENDULUM, lambda envs: vector.ClipReward(envs, -1.0, 0.0)),
    "TransformReward": (PENDULUM, lambda envs: vector.TransformReward(envs, lambda rewards: rewards / 8)),
}
"""In ``NEXT_STEP``: for the other modes, Gymnasium's wrappers of observations refuse local lanes as well."""

SAME_STEP = {
    "RecordEpisodeStatistics": (CARTPOLE, vector.RecordEpisodeStatistics),
    "DictInfoToList": (CARTPOLE, lambda envs: vector.DictInfoToList(vector.RecordEpisodeStatistics(envs))),
    "NormalizeReward": (PENDULUM, vector.NormalizeReward),
}

MODES = {AutoresetMode.NEXT_STEP: VECTOR, AutoresetMode.SAME_STEP: SAME_STEP}
CASES = [(mode, name, *case) for mode, cases in MODES.items() for name, case in cases.items()]


@pytest.mark.parametrize(
    ("mode", "env_id", "wrap"), [(mode, *case) for mode, _, *case in CASES], ids=[f"{m.name}-{n}" for m, n, *_ in CASES]
)
def test_wrapped_remote_lanes_say_what_the_wrapped_local_lanes_say(serve, lanes, mode, env_id, wrap):
    serve(env_id)
    theirs = SyncVectorEnv([lambda: gymnasium.make(env_id, disable_env_checker=True)] * 3, autoreset_mode=mode)
    ours, theirs = wrap(lanes(env_id, 3, autoreset_mode=mode)), wrap(theirs)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert same(ours.reset(seed=3), theirs.reset(seed=3))
    theirs.action_space.seed(3)
    for _ in range(100):
        actions = theirs.action_space.sample()
        assert same(ours.step(actions), theirs.step(actions))
    theirs.close()


def same(ours, theirs):
    return all(identical(comparable(a), comparable(b)) for a, b in zip(ours, theirs, strict=True))


def comparable(part):
    """Numbers of a remote env are Python's, of a local one often numpy's; ``RecordEpisodeStatistics`` has a clock."""
    if isinstance(part, np.generic):
        return part.item()
    if isinstance(part, (list, tuple)):
        return [comparable(info) for info in part]
    if isinstance(part, dict) and "episode" in part:
        drop = {"t", "_t"}
        return {**part, "episode": {key: value for key, value in part["episode"].items() if key not in drop}}
    return part


def test_frames_of_a_remote_env_are_collected_and_observed(serve, remote):
    serve(COUNTING, capacity=2)
    for wrap in (wrappers.RenderCollection, wrappers.AddRenderObservation):
        make = {"render_mode": "rgb_array"}
        ours, theirs = wrap(remote(COUNTING, **make)), wrap(Counting(**make))
        assert identical(ours.reset(seed=1)[0], theirs.reset(seed=1)[0])
        assert identical(ours.step(1)[0], theirs.step(1)[0])
        assert identical(ours.render(), theirs.render())


def test_a_wrapped_remote_env_can_be_made_again_from_its_spec(serve, remote, broker_url):
    serve(COUNTING, capacity=2)
    ours = wrappers.NormalizeObservation(wrappers.RecordEpisodeStatistics(remote(COUNTING, limit=5).open()))
    again = gymnasium.make(ours.spec)
    assert str(again) == str(ours)
    assert identical(again.reset(seed=1), ours.reset(seed=1))
    again.close()


def test_wrappers_read_and_write_attributes_through_to_the_remote_env(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING)
    wrapped = wrappers.OrderEnforcing(wrappers.TimeLimit(env, 3))
    assert wrapped.unwrapped is env
    assert wrapped.get_wrapper_attr("step_timeout") == 20.0
    wrapped.set_wrapper_attr("step_timeout", 5.0)
    assert env.step_timeout == 5.0
    assert wrapped.metadata["render_fps"] == 4
    with pytest.raises(gymnasium.error.ResetNeeded):
        wrapped.step(0)
    with pytest.raises(NotReset):
        env.step(0)


GYM = {
    "RecordEpisodeStatistics": (CARTPOLE, lambda gym, env: gym.wrappers.RecordEpisodeStatistics(env)),
    "NormalizeObservation": (CARTPOLE, lambda gym, env: gym.wrappers.NormalizeObservation(env)),
    "FrameStack": (CARTPOLE, lambda gym, env: gym.wrappers.FrameStack(env, 3)),
    "TimeLimit": (CARTPOLE, lambda gym, env: gym.wrappers.TimeLimit(env, 7)),
    "ClipAction": (PENDULUM, lambda gym, env: gym.wrappers.ClipAction(env)),
    "RescaleAction": (PENDULUM, lambda gym, env: gym.wrappers.RescaleAction(env, -1.0, 1.0)),
    "FlattenObservation": (BLACKJACK, lambda gym, env: gym.wrappers.FlattenObservation(env)),
}


@pytest.mark.parametrize(("env_id", "wrap"), GYM.values(), ids=GYM)
def test_wrappers_of_gym_026_do_not_notice_either(serve, broker_url, env_id, wrap):
    from agent_worker.gym_env import GymRemoteEnv

    gym = import_gym()
    serve(env_id, backend="gym")
    ours = wrap(gym, GymRemoteEnv(env_id, broker_url).open())
    theirs = wrap(gym, gym.make(env_id, disable_env_checker=True))
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert same(plain(ours.reset(seed=3)), plain(theirs.reset(seed=3)))
    theirs.action_space.seed(3)
    for _ in range(100):
        action = theirs.action_space.sample()
        results = theirs.step(action)
        assert same(plain(ours.step(action)), plain(results))
        if results[2] or results[3]:
            assert same(plain(ours.reset()), plain(theirs.reset()))
    ours.close()
    theirs.close()


def plain(results):
    """``FrameStack`` of gym gives frames that are stacked when they are read."""
    return (np.asarray(results[0]), *results[1:])
