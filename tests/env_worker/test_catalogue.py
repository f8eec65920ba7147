"""What a worker serves: only what its command line names, and nothing that an agent adds changes whose code runs."""

from __future__ import annotations

import gymnasium
import pytest
from gymnasium.wrappers import TimeLimit

from env_worker.catalogue import BadKwargs, Catalogue, CatalogueError, Entry, known_ids
from env_worker.settings import WorkerSettings
from env_worker.vectors import make_lanes

COUNTING = "tests.support.envs:Counting"
REGISTERS = "tests.support.registers"


def entry(env_id: str, **settings) -> Entry:
    found = Catalogue(WorkerSettings((env_id,), **settings)).get(env_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("env_id", "settings", "api"),
    [
        ("CartPole-v1", {}, "gymnasium"),
        ("CartPole-v1", {"backend": "gymnasium"}, "gymnasium"),
        ("CartPole-v1", {"backend": "gym"}, "gym"),
        ("GymCartPole-v1", {"imports": (REGISTERS,)}, "gym"),
        ("Registered-v0", {"imports": (REGISTERS,)}, "gymnasium"),
        (f"{REGISTERS}:Registered-v0", {}, "gymnasium"),
        (COUNTING, {}, "class"),
    ],
)
def test_an_id_is_found_where_it_is_registered(env_id, settings, api):
    found = entry(env_id, **settings)
    env = found.make({}, None)

    assert (found.env_id, found.api) == (env_id, api)
    assert len(env.reset(seed=0)) == 2
    env.close()


def test_an_env_has_its_time_limit_and_no_wrapper_that_looks_for_what_the_dialogue_refuses():
    env = entry("CartPole-v1").make({}, None)
    assert isinstance(env, TimeLimit)
    assert env.env is env.unwrapped
    assert gymnasium.spec("CartPole-v1").order_enforce, "what is registered is left as it is"


@pytest.mark.parametrize(
    ("env_id", "backend", "where"),
    [
        ("NoSuch-v0", "auto", "gymnasium and gym"),
        ("NoSuch-v0", "gym", "gym"),
        ("GymCartPole-v1", "gymnasium", "gymnasium"),
        ("tests.support.envs:NoSuch", "auto", "gymnasium and gym"),
    ],
)
def test_an_unknown_id_is_refused_with_where_it_was_looked_for(env_id, backend, where):
    with pytest.raises(CatalogueError, match=rf"unknown env id '{env_id}': not registered in {where};"):
        entry(env_id, backend=backend, imports=(REGISTERS,))


@pytest.mark.parametrize(("env_id", "imports"), [("no_such_module:Env", ()), ("CartPole-v1", ("no_such_module",))])
def test_a_module_that_cannot_be_imported_is_named(env_id, imports):
    with pytest.raises(CatalogueError, match="cannot import 'no_such_module'"):
        entry(env_id, imports=imports)


def test_only_what_was_named_is_served():
    assert Catalogue(WorkerSettings(("CartPole-v1",))).get("Acrobot-v1") is None


def test_the_known_ids_are_those_of_both_libraries():
    known = known_ids()

    assert "CartPole-v1" in known["gymnasium"]
    assert "CartPole-v1" in known["gym"]


def test_the_kwargs_of_operator_and_agent_reach_the_env():
    env = entry(COUNTING, env_kwargs={"limit": 3}).make({"trouble": {"2": "raise"}}, "ansi")

    assert (env.limit, env.trouble, env.render_mode) == (3, {"2": "raise"}, "ansi")


@pytest.mark.parametrize("name", ["limit", "id", "render_mode"])
def test_an_agent_cannot_set_what_is_not_its_own(name):
    with pytest.raises(BadKwargs, match=f"{name} cannot be set by an agent"):
        entry(COUNTING, env_kwargs={"limit": 3}).make({name: 1}, None)


def test_kwargs_that_the_env_refuses_are_named():
    with pytest.raises(BadKwargs, match="Counting refuses colour: TypeError"):
        entry(COUNTING).make({"colour": 1}, None)


def test_an_env_that_fails_without_the_agent_is_not_the_agents_fault():
    with pytest.raises(TypeError, match="colour"):
        entry(COUNTING, env_kwargs={"colour": 1}).make({}, None)


def test_a_render_mode_that_the_env_has_not_is_refused_with_those_it_has():
    with pytest.raises(BadKwargs, match=r"render_mode: .*'rgb_array', 'ansi', 'human'\], got 'depth'"):
        entry(COUNTING).make({}, "depth")


@pytest.mark.parametrize("lanes", [None, 2])
def test_the_render_mode_human_is_refused(lanes):
    found = entry("CartPole-v1")
    with pytest.raises(BadKwargs, match="human draws at the worker"):
        found.make({}, "human") if lanes is None else make_lanes(found, {}, "human", lanes, "next_step", "loop")
