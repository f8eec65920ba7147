"""The lanes of the loop back-end beside Gymnasium's ``SyncVectorEnv``: the same to the last bit, errors included."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import OrderEnforcing

from env_worker.loop import LoopLanes
from protocol.errors import EncodeError
from tests.support.envs import Astray, Counting
from tests.support.equal import identical
from tests.support.paced import Ending, Telling

LANES = 5
MODES = list(AutoresetMode)


class Reusing(gymnasium.Env):
    """Writes all that it observes into one array of its own, of another dtype than its space has."""

    observation_space = spaces.Box(-np.inf, np.inf, (2, 3), np.float32)
    action_space = spaces.MultiDiscrete([3, 4])

    def __init__(self) -> None:
        self.seen = np.zeros((2, 3), np.float16)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen[:] = self.np_random.normal(size=(2, 3))
        return self.seen, {"options": options}

    def step(self, action):
        self.seen += action.sum()
        return self.seen, int(action[0]), self.np_random.random() < 0.2, np.bool_(False), {}


class Listing(Counting):
    """Observes a list, now and then as an array."""

    def _observe(self):
        return [self.count] if self.count % 3 else super()._observe()


class Scalar(gymnasium.Env):
    """Observes a number of a Discrete space, and has infos that come and go."""

    observation_space = spaces.Discrete(7)
    action_space = spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(-1, 1, (2,), np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.integers(7), {}

    def step(self, action):
        info = {"action": action["b"].sum()} if action["a"] else {}
        return np.int64(3), np.float32(0.1), bool(self.np_random.random() < 0.2), 0, info


def both(make, mode=AutoresetMode.NEXT_STEP, lanes=LANES):
    return LoopLanes([make() for _ in range(lanes)], mode), SyncVectorEnv([make] * lanes, autoreset_mode=mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", [Telling, Ending, Reusing, Listing, Scalar])
def test_steps_and_resets_are_those_of_sync_vector_env(make, mode):
    ours, theirs = both(make, mode)
    assert identical(ours.reset(seed=5), theirs.reset(seed=5))
    theirs.action_space.seed(1)
    for _ in range(60):
        actions = theirs.action_space.sample()
        results = theirs.step(actions)
        assert identical(ours.step(actions), results)
        ended = results[2] | results[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            options = {"reset_mask": ended, "level": 2}
            assert identical(ours.reset(options=dict(options)), theirs.reset(options=dict(options)))


@pytest.mark.parametrize("seed", [0, [4, 3, 2, 1, 0]])
def test_seeds_and_options_reach_the_lanes_as_sync_vector_env_hands_them_out(seed):
    ours, theirs = both(Counting)
    assert identical(ours.reset(seed=seed, options={"a": 1}), theirs.reset(seed=seed, options={"a": 1}))


def test_lanes_without_a_seed_go_on_drawing():
    ours, theirs = both(Counting)
    for env in (ours, theirs):
        env.reset(seed=8)
    assert identical(ours.reset(), theirs.reset())


def test_the_attributes_are_those_of_sync_vector_env():
    ours, theirs = both(Counting, AutoresetMode.SAME_STEP)
    for name in ("num_envs", "metadata", "render_mode", "spec", "autoreset_mode"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("observation_space", "action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
        assert getattr(ours, f"single_{name}") == getattr(theirs, f"single_{name}")


class Fragile(Telling):
    """Raises where its action is 1 and its lane's number is 2."""

    made = 0

    def __init__(self) -> None:
        self.lane, Fragile.made = Fragile.made % LANES, Fragile.made + 1

    def step(self, action):
        if self.lane == 2 and action:
            raise RuntimeError("no more")
        return super().step(action)


def outcome(env, actions):
    try:
        return env.step(actions)
    except RuntimeError as error:
        return (str(error),)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_after_a_lane_has_raised_all_go_on_as_in_sync_vector_env(mode):
    ours, theirs = both(Fragile, mode)
    assert identical(ours.reset(seed=1), theirs.reset(seed=1))
    raised = 0
    for step in range(60):
        actions = np.full(LANES, int(step % 3 == 2))
        wanted = outcome(theirs, actions)
        raised += len(wanted) == 1
        assert identical(outcome(ours, actions), wanted)
    assert raised > 5


@pytest.mark.parametrize("how", ["shape", "wide", "far"])
def test_observations_that_are_not_of_the_space_fare_as_in_sync_vector_env(how):
    ours, theirs = both(lambda: Astray(how))
    actions = theirs.action_space.sample()
    for env in (ours, theirs):
        env.reset(seed=1)
    if how == "shape":
        with pytest.raises(ValueError, match="shape"):
            theirs.step(actions)
        with pytest.raises(ValueError, match="shape"):
            ours.step(actions)
    else:
        assert identical(ours.step(actions), theirs.step(actions))


def test_shapes_that_only_add_up_are_no_observation_of_all_lanes():
    """Two of three numbers and two of one have as many as four of two."""
    sizes = iter([3, 3, 1, 1])

    class Uneven(Astray):
        def step(self, action):
            return np.zeros(next(sizes), np.float32), 0.0, False, False, {}

    ours = LoopLanes([Uneven("far") for _ in range(4)], AutoresetMode.NEXT_STEP)
    ours.reset()
    with pytest.raises(ValueError, match="same shape"):
        ours.step(np.zeros((4, 2), np.float32))


@pytest.mark.parametrize("shape", [(2, 2), (2, 3, 1), (2,), ()], ids=str)
def test_an_array_of_another_shape_is_refused_as_there(shape):
    class Bent(Reusing):
        def step(self, action):
            return np.zeros(shape, np.float32), 0.0, False, False, {}

    for env in both(Bent):
        env.reset(seed=1)
        with pytest.raises(ValueError, match="same shape|Output array"):
            env.step(np.zeros((LANES, 2), np.int64))


def test_lanes_that_ended_and_were_not_reset_are_named():
    ours, _ = both(lambda: Counting(limit=1), AutoresetMode.DISABLED)
    ours.reset()
    ours.step(np.zeros(LANES, np.int64))
    ours.reset(options={"reset_mask": np.array([True, False, True, True, False])})
    with pytest.raises(AssertionError, match=r"ended and were not reset: \[1, 4\]"):
        ours.step(np.zeros(LANES, np.int64))
    with pytest.raises(ValueError, match="reset_mask: expected a True for some lane"):
        ours.reset(options={"reset_mask": np.zeros(LANES, np.bool_)})


def test_an_info_that_is_none_is_an_error_as_it_is_there():
    class Silent(Counting):
        def step(self, action):
            return (*super().step(action)[:4], None)

    for env in both(Silent):
        env.reset()
        with pytest.raises(AttributeError, match="items"):
            env.step(np.zeros(LANES, np.int64))


@pytest.mark.parametrize("reward", [np.float32(0.5), np.array([0.5]), np.array([[0.5]], np.float32)], ids=repr)
def test_a_reward_is_a_float_as_that_of_a_single_env_is(reward):
    """Also an array of one number, which numpy 2.4 no longer takes for a number itself."""

    class Rewarding(Counting):
        def step(self, action):
            return super().step(action)[0], reward, False, False, {}

    ours = LoopLanes([Rewarding(), Rewarding()], AutoresetMode.NEXT_STEP)
    ours.reset()
    assert identical(ours.step(np.zeros(2, np.int64))[1], np.array([0.5, 0.5]))


def test_rewards_of_several_objectives_are_called_so():
    class Objectives(Counting):
        def step(self, action):
            return super().step(action)[0], np.zeros(3, np.float32), False, False, {}

    ours = LoopLanes([Objectives()], AutoresetMode.NEXT_STEP)
    ours.reset()
    with pytest.raises(EncodeError, match=r"reward: expected one number, got a float32 array of shape \(3,\)"):
        ours.step(np.zeros(1, np.int64))


@pytest.mark.parametrize("flags", [[False, False], (False,), {"one": False}, np.zeros(2, bool)], ids=repr)
@pytest.mark.parametrize("place", ["terminated", "truncated"])
def test_flags_of_several_agents_are_called_so(flags, place):
    """Of a list of them numpy would make True."""

    class Flagged(Counting):
        def step(self, action):
            ended = {"terminated": False, "truncated": False, place: flags}
            return super().step(action)[0], 0.0, *ended.values(), {}

    ours = LoopLanes([Flagged()], AutoresetMode.NEXT_STEP)
    ours.reset()
    with pytest.raises(EncodeError, match=f"{place}: expected one bool, got"):
        ours.step(np.zeros(1, np.int64))


def test_closing_and_drawing_reach_every_lane():
    ours, _ = both(lambda: Counting("rgb_array"))
    ours.reset()
    before = Counting.closed
    assert [frame.shape for frame in ours.render()] == [(4, 6, 3)] * LANES
    ours.close()
    ours.close()
    assert Counting.closed == before + LANES


class Strict(Reusing):
    """Its ``reset`` has no defaults: what Gymnasium makes of an id gives both, as the wrapper around it does."""

    def reset(self, *, seed, options):
        return super().reset(seed=seed, options=options)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_who_resets_itself_is_given_seed_and_options_as_by_gymnasiums_wrapper(mode):
    ours = LoopLanes([Strict() for _ in range(LANES)], mode)
    theirs = SyncVectorEnv([lambda: OrderEnforcing(Strict())] * LANES, autoreset_mode=mode)
    assert identical(ours.reset(seed=5), theirs.reset(seed=5))
    theirs.action_space.seed(1)
    for _ in range(30):
        actions = theirs.action_space.sample()
        assert identical(ours.step(actions), theirs.step(actions))
