"""Envs that are no gymnasium.Env: of dm_env, of gym, of no library; and what is no env at all."""

from __future__ import annotations

from collections import namedtuple

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from env_worker.compat import import_gym
from env_worker.foreign import DmEnv, PresentEnv, accept, as_gymnasium, is_dm_env, space_of
from env_worker.spaces import UnsupportedSpace
from tests.support import dm
from tests.support.envs import Counting, OldApi
from tests.support.oddities import BeforeDtypes
from tests.support.old_envs import OldPendulum


@pytest.mark.parametrize(
    ("spec", "space"),
    [
        (dm.Array((2,), np.float32), spaces.Box(-np.inf, np.inf, (2,), np.float32)),
        (dm.Array((), bool), spaces.Box(0, 1, (), np.bool_)),
        (dm.Array((2, 1), np.uint8), spaces.Box(0, 255, (2, 1), np.uint8)),
        (dm.BoundedArray((2,), np.float32, [-1.0, 0.0], 1.0), spaces.Box(np.float32([-1, 0]), np.float32([1, 1]))),
        (dm.BoundedArray((1,), np.int64, -3, 3), spaces.Box(-3, 3, (1,), np.int64)),
        (dm.DiscreteArray(4), spaces.Discrete(4, dtype=np.int32)),
        ([dm.DiscreteArray(4, np.int64)], spaces.Tuple([spaces.Discrete(4)])),
    ],
)
def test_a_spec_of_dm_env_becomes_the_space_of_the_same_values(spec, space):
    assert space_of(spec) == space


def test_a_dict_of_specs_keeps_its_order():
    assert list(space_of({"b": dm.DiscreteArray(2), "a": dm.DiscreteArray(2)}).spaces) == ["b", "a"]


def test_where_gymnasium_knows_no_dtype_of_discrete_it_is_an_int64(monkeypatch):
    monkeypatch.setattr(spaces, "Discrete", BeforeDtypes)
    assert space_of(dm.DiscreteArray(4)) == BeforeDtypes(4)


@pytest.mark.parametrize("spec", [dm.Text(), dm.Array((), np.str_), object()])
def test_a_spec_that_is_no_space_is_named(spec):
    with pytest.raises(UnsupportedSpace, match=rf"a {type(spec).__name__} of dm_env has no space"):
        space_of(spec)


def test_a_namedtuple_is_a_dict_where_the_specs_are_one():
    """Jumanji's envs, by its own ``JumanjiToDMEnvWrapper``, observe namedtuples."""

    class Named(dm.Walk):
        def _observe(self):
            return namedtuple("Observation", ["place", "count", "even"])(**super()._observe())

    env = DmEnv(Named())
    assert env.reset(seed=1)[0] in env.observation_space
    assert list(env.step(1)[0]) == ["place", "count", "even"]


def test_the_last_step_of_a_dm_env_is_terminated_if_nothing_is_to_come_and_else_truncated():
    env = DmEnv(dm.Walk(limit=2))
    env.reset(seed=1)
    assert env.step(1)[2:] == (False, False, {"discount": 1.0})
    assert env.step(1)[2:] == (False, True, {"discount": 1.0})
    env.reset(seed=1)
    env.env.at, env.env.limit = -2, 9
    assert env.step(0)[1:] == (-1.0, True, False, {"discount": 0.0})


def test_what_a_dm_env_observes_is_in_its_space():
    env = DmEnv(dm.Walk())
    observation, info = env.reset(seed=3)
    assert env.observation_space.contains(observation), observation
    assert (list(observation), info) == (["place", "count", "even"], {})
    observation = env.step(np.int64(1))[0]
    assert env.observation_space.contains(observation), observation


@pytest.mark.parametrize("kind", [dm.Walk, dm.TaskWalk, dm.SeededWalk])
def test_a_dm_env_that_can_be_seeded_begins_the_same_with_the_same_seed(kind):
    places = [DmEnv(kind()).reset(seed=seed)[0]["place"] for seed in (7, 7, 8)]
    assert places[0] == places[1]
    assert len({float(DmEnv(kind()).reset(seed=seed)[0]["place"]) for seed in range(20)}) > 1


def test_a_dm_env_that_cannot_be_seeded_says_so_and_can_be_reset_without_a_seed():
    env = DmEnv(dm.Unseedable())
    with pytest.raises(TypeError, match=r"Unseedable cannot be seeded by reset\(\): dm_env has no seeds"):
        env.reset(seed=1)
    assert env.reset()[0]["place"] == 0.0


def test_a_dm_env_is_closed_and_its_attributes_are_found_through_it():
    env = accept(dm.Walk(), "it")
    assert isinstance(env, DmEnv)
    assert env.get_wrapper_attr("double")(4) == 8
    env.close()
    assert env.env.closed
    with pytest.raises(AttributeError):
        env.get_wrapper_attr("no_such")
    with pytest.raises(AttributeError):
        env.get_wrapper_attr("_private")


@pytest.mark.parametrize("kind", [Counting, OldApi])
def test_an_env_with_spaces_is_taken_as_it_is(kind):
    env = kind()
    assert not is_dm_env(env)
    assert accept(env, "it") is env


@pytest.mark.parametrize("thing", [object(), None])
def test_what_is_no_env_is_named_with_what_it_lacks(thing):
    lacks = "reset, step, observation_space, action_space"
    with pytest.raises(TypeError, match=f"maker gave a .*{type(thing).__name__}, which is no env.*it has no {lacks}"):
        accept(thing, "the maker")


def test_an_env_of_gym_is_presented_with_spaces_of_gymnasium():
    gym = import_gym()
    theirs = gym.make("CartPole-v1", disable_env_checker=True)
    env = as_gymnasium(gym.make("CartPole-v1", disable_env_checker=True))
    assert isinstance(env, PresentEnv)
    assert isinstance(env.observation_space, gymnasium.spaces.Box)
    assert (env.spec.id, env.metadata["render_fps"], env.render_mode) == ("CartPole-v1", 50, None)
    assert env.reset(seed=3)[0].tolist() == theirs.reset(seed=3)[0].tolist()
    assert [part.tolist() if isinstance(part, np.ndarray) else part for part in env.step(1)] == [
        part.tolist() if isinstance(part, np.ndarray) else part for part in theirs.step(1)
    ]


def test_an_env_of_four_results_is_presented_with_five():
    env = as_gymnasium(OldApi())
    assert env.reset(seed=4) == (4, {})
    assert env.step(0) == (5, 1.0, True, False, {"TimeLimit.truncated": False})
    assert as_gymnasium(env) is env


def test_an_env_of_before_gym_0_26_is_told_the_mode_when_it_draws_and_draws_nothing_unasked():
    env = accept(OldPendulum(), "it", "ansi")
    env.reset(seed=1)
    assert env.render().startswith("angle")
    assert (env.render_mode, env.metadata["render_modes"]) == ("ansi", ["human", "rgb_array", "ansi"])
    assert accept(OldPendulum(), "it").render() is None
