"""Games of PettingZoo that need more than it brings: their runs, and its own tests, all agents in one process."""

from __future__ import annotations

import functools
import warnings

import pytest

from tests.support.many import complaints, far, far_aec, near, same_aec_run, same_parallel_run, seeded, zoo

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of SWIG's; where it is an error, the import crashes Python
    import Box2D  # noqa: F401 - imported before the game that needs it does so

__all__ = ["far", "far_aec"]

PISTONBALL = "pettingzoo.butterfly.pistonball.pistonball"
WALKER = "pettingzoo.sisl.multiwalker.multiwalker"
PURSUIT = "pettingzoo.sisl.pursuit.pursuit"
CHESS = "pettingzoo.classic.chess.chess"
TAG = "mpe2.simple_tag_v3"
WORLD = "mpe2.simple_world_comm_v3"


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        (PISTONBALL, {"max_cycles": 30}),
        (PISTONBALL, {"max_cycles": 30, "continuous": False, "n_pistons": 7}),
        (WALKER, {"max_cycles": 60, "terminate_on_fall": False, "remove_on_fall": True}),
        (PURSUIT, {"max_cycles": 30}),
        (TAG, {"continuous_actions": True}),
        (WORLD, {}),
    ],
)
def test_agents_that_act_at_once_run_as_they_do_locally(serve, far, name, kwargs):
    env_id = f"{name}:parallel_env"
    serve(env_id)
    alive = same_parallel_run(far(env_id, **kwargs), near(env_id, **kwargs), 80)
    assert 0 in alive


@pytest.mark.parametrize("name", [PISTONBALL, WALKER, CHESS, TAG, WORLD])
def test_agents_that_take_turns_run_as_they_do_locally(serve, far_aec, name):
    serve(f"{name}:env")
    same_aec_run(far_aec(f"{name}:env"), near(f"{name}:env"), 120)


@pytest.mark.parametrize("name", [PISTONBALL, WALKER, TAG])
def test_parallel_api_test_and_parallel_seed_test_pass(serve, far, name):
    env_id = f"{name}:parallel_env"
    serve(env_id)
    ours, theirs = functools.partial(far, env_id), functools.partial(near, env_id)
    said = complaints(zoo.parallel_api_test, seeded(ours()), 30)
    assert said == complaints(zoo.parallel_api_test, seeded(theirs()), 30)
    zoo.parallel_seed_test(ours, 20)


@pytest.mark.parametrize("name", [PISTONBALL, WALKER, CHESS, TAG])
def test_api_test_and_seed_test_pass(serve, far_aec, name):
    env_id = f"{name}:env"
    serve(env_id)
    ours, theirs = functools.partial(far_aec, env_id), functools.partial(near, env_id)
    assert complaints(zoo.api_test, seeded(ours()), 10) == complaints(zoo.api_test, seeded(theirs()), 10)
    zoo.seed_test(ours, 10)
