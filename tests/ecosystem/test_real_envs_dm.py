"""Envs of dm_env: what dm_env says of them is what a remote env says, to the last bit. And by the ids of Shimmy."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import shimmy
from dm_control import suite

from tests.ecosystem.catch import Catch
from tests.support.equal import identical
from tests.support.hosting import site
from tests.support.trajectories import SEED, STEPS, compare

gymnasium.register_envs(shimmy)

CATCH = "tests.ecosystem.catch:Catch"
LOAD = "dm_control.suite:load"

OF_THE_SUITE = [f"dm_control/{domain}-{task}-v0" for domain, task in suite.ALL_TASKS]
OF_CHANCE = [env_id for env_id in OF_THE_SUITE if env_id.startswith("dm_control/lqr-")]
"""They draw their model when they are made, before there is a seed: two local ones differ."""
HEAVIER = [f"dm_control/{name}-v0" for name in ("CmuHumanoidRunWalls", "stack_2_bricks_features", "reach_site_vision")]
"""With cameras or many bodies: a second for ten steps."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # dm_control's own


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where it stands


def follow(far, env, seed_it):
    """Step a remote env and the dm_env of it with the same actions. Gives how many episodes ended, and of what."""
    ended = {"terminated": 0, "truncated": 0}
    seed_it(SEED)
    seen, wanted = far.reset(seed=SEED)[0], env.reset()
    far.action_space.seed(SEED)
    for _ in range(STEPS):
        assert identical(seen, arrays(wanted.observation))
        action = far.action_space.sample()
        wanted = env.step(action)
        seen, reward, terminated, truncated, info = far.step(action)
        assert (reward, info["discount"]) == (wanted.reward, wanted.discount)
        assert (terminated or truncated) is wanted.last()
        if wanted.last():
            assert terminated is (wanted.discount == 0.0)
            ended["terminated" if terminated else "truncated"] += 1
            assert identical(seen, arrays(wanted.observation))
            seen, wanted = far.reset()[0], env.reset()
    return ended


def arrays(observation):
    if isinstance(observation, np.ndarray):
        return observation.copy()
    return {key: np.array(value) for key, value in observation.items()}


def test_catch_is_the_same_from_afar():
    env = Catch(rows=7)
    with site(CATCH) as make, make(CATCH, rows=7) as far:
        assert follow(far, env, env.seed) == {"terminated": 33, "truncated": 0}


@pytest.mark.parametrize(("domain", "task"), suite.BENCHMARKING)
def test_a_task_of_dm_control_is_the_same_from_afar(domain, task):
    """As an env worker serves any callable: ``dm_control.suite:load``, with keyword arguments of its operator."""
    kwargs = {"domain_name": domain, "task_name": task}
    env = suite.load(**kwargs)
    with site(LOAD, env_kwargs=kwargs) as make, make(LOAD) as far:
        follow(far, env, env.task.random.seed)


def test_a_time_limit_of_dm_control_truncates():
    kwargs = {"domain_name": "cartpole", "task_name": "swingup", "task_kwargs": {"time_limit": 0.2}}
    env = suite.load(**kwargs)
    with site(LOAD, env_kwargs=kwargs) as make, make(LOAD) as far:
        assert follow(far, env, env.task.random.seed) == {"terminated": 0, "truncated": 10}


@pytest.fixture(scope="module")
def far():
    with site(*OF_THE_SUITE, *HEAVIER) as one:
        yield one


def local(env_id):
    return gymnasium.make(env_id, disable_env_checker=True)


@pytest.mark.parametrize("env_id", [env_id for env_id in OF_THE_SUITE + HEAVIER if env_id not in OF_CHANCE])
def test_an_env_of_dm_control_by_its_id_is_the_same_from_afar(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        compare(ours, theirs, steps=10 if env_id in HEAVIER else STEPS)


@pytest.mark.parametrize("env_id", OF_CHANCE)
def test_an_env_that_draws_its_model_when_it_is_made_differs_from_itself(env_id):
    with local(env_id) as one, local(env_id) as other, pytest.raises(AssertionError, match="locally"):
        compare(one, other)
