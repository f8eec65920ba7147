"""Envs of every age behind today's signatures."""

from __future__ import annotations

import numpy as np
import pytest

from env_worker.compat import HostedEnv, flag, import_gym
from protocol.errors import EncodeError
from tests.support.envs import Counting, OldApi
from tests.support.old_envs import Interim


class Unseedable:
    """Resets without a seed, and has no ``seed`` either."""

    def reset(self):
        return 7


class Older(OldApi):
    """Its reset takes whatever comes, as wrappers do."""

    def reset(self, **kwargs):
        return self.at, {"given": kwargs}


def test_an_env_of_five_results_is_passed_on_as_it_is():
    hosted = HostedEnv(Counting(limit=1))
    observation, info = hosted.reset(5, {"a": 1})

    assert (observation.tolist(), info["seed"], info["options"]) == ([0], 5, {"a": 1})
    assert hosted.step(2)[1:] == (2.0, True, False, {"type": "int"})


def test_an_env_of_before_gym_0_26_is_seeded_by_its_seed_method_and_has_no_info():
    assert HostedEnv(OldApi()).reset(42, {"ignored": True}) == (42, {})


def test_an_env_of_before_gym_0_26_is_not_seeded_without_a_seed():
    env = OldApi()
    env.at = 3

    assert HostedEnv(env).reset(None, None) == (3, {})


def test_an_env_of_before_gym_0_26_that_takes_a_seed_is_asked_for_its_info():
    assert HostedEnv(Interim()).reset(4, {"a": 1})[1]["options"] == {"a": 1}


@pytest.mark.parametrize("reward", [2, np.int64(2), np.float32(2), np.array(2.0), np.array([2.0]), np.array([[2]])])
def test_a_reward_is_a_float_whatever_the_env_calls_a_number(reward):
    class Rewarding(OldApi):
        def step(self, action):
            return 0, reward, False, False, {}

    given = HostedEnv(Rewarding()).step(0)[1]
    assert (type(given), given) == (float, 2.0)


@pytest.mark.parametrize(
    ("reward", "text"),
    [
        (np.zeros(2), r"a float64 array of shape \(2,\)"), ({"red": 1.0}, "dict of length 1"), (None, "None"),
        ("much", "str of length 4"), (10**400, "an int of 1329 bits"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_no_reward_and_is_called_so(reward, text):
    class Rewarding(OldApi):
        def step(self, action):
            return 0, reward, False, False, {}

    with pytest.raises(EncodeError, match=f"reward: expected one number, got {text}"):
        HostedEnv(Rewarding()).step(0)


@pytest.mark.parametrize("value", [True, 1, np.bool_(True), np.int64(1), np.array([True]), np.array(1)], ids=repr)
def test_a_flag_is_a_bool_whatever_the_env_calls_true(value):
    assert flag("terminated", value) is True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([False, False], "list of length 2"), ([False], "list of length 1"), ((), "tuple of length 0"),
        ({"red": False}, "dict of length 1"), (np.zeros(2, np.bool_), r"a bool array of shape \(2,\)"),
    ],
)  # fmt: skip
def test_flags_of_several_agents_are_no_flag_and_are_called_so(value, text):
    """Python calls ``[False, False]`` true."""
    with pytest.raises(EncodeError, match=f"truncated: expected one bool, got {text}"):
        flag("truncated", value)


def test_a_done_of_several_agents_is_not_taken_for_one():
    class Several(OldApi):
        def step(self, action):
            return 0, 1.0, [False, False], {}

    with pytest.raises(EncodeError, match="done: expected one bool, got list of length 2"):
        HostedEnv(Several()).step(0)


def test_an_info_that_is_none_is_not_taken_for_a_part_of_the_observation():
    class Silent(Counting):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)[0], None

    assert HostedEnv(Silent()).reset(1, None)[1] is None


def test_an_info_of_four_results_that_is_none_stays_so():
    class Silent(OldApi):
        def step(self, action):
            return *super().step(action)[:3], None

    assert HostedEnv(Silent()).step(0) == (1, 1.0, False, False, None)


@pytest.mark.parametrize(("seed", "terminated", "truncated"), [(0, False, False), (4, True, False), (9, False, True)])
def test_done_is_split_by_the_time_limit(seed, terminated, truncated):
    hosted = HostedEnv(OldApi())
    hosted.reset(seed, None)

    info = {"TimeLimit.truncated": truncated}
    assert hosted.step(0) == (seed + 1, 1.0, terminated, truncated, info)


def test_an_env_that_cannot_be_seeded_says_so_and_can_be_reset_without_a_seed():
    hosted = HostedEnv(Unseedable())

    with pytest.raises(TypeError, match=r"Unseedable cannot be seeded: neither reset\(seed=\) nor seed\(\)"):
        hosted.reset(1, None)
    assert hosted.reset(None, None) == (7, {})


def test_a_reset_of_any_keyword_arguments_is_given_both():
    assert HostedEnv(Older()).reset(1, {"a": 1}) == (0, {"given": {"seed": 1, "options": {"a": 1}}})


def test_the_api_is_that_of_the_library_of_the_env():
    gym = import_gym()
    old = gym.make("CartPole-v1", disable_env_checker=True)

    assert HostedEnv(old).api == "gym"
    assert HostedEnv(old).graph is gym.spaces.graph.GraphInstance
    assert HostedEnv(Counting()).api == "gymnasium"
    old.close()
