"""Factories of the operator's: what is one, what is none, and what becomes of what they make."""

from __future__ import annotations

import pytest

from env_worker.catalogue import BadKwargs, Catalogue, CatalogueError, WrongOption
from env_worker.factory import BadFactory, Factory
from env_worker.settings import WorkerSettings
from tests.support.envs import Counting

FACTORIES = "tests.support.factories"


def entry(env_id: str, factory: str, **settings):
    return Catalogue(WorkerSettings((env_id,), factory=f"{FACTORIES}:{factory}", **settings)).get(env_id)


def test_a_function_makes_every_id_of_the_command_line():
    found = entry("Counting-v0", "make", env_kwargs={"limit": 2})
    env = found.make({"trouble": {"1": "raise"}}, "ansi")
    assert (found.api, env.limit, env.trouble, env.render_mode) == ("factory", 2, {"1": "raise"}, "ansi")


def test_what_else_a_factory_needs_comes_from_the_operator_or_the_agent():
    assert entry("Counting-v0", "limited", env_kwargs={"limit": 2}).make({}, None).limit == 2
    assert entry("Counting-v0", "limited").make({"limit": 3}, None).limit == 3
    with pytest.raises(TypeError, match="missing 1 required .* 'limit'"):
        entry("Counting-v0", "limited").make({}, None)


def test_ids_that_a_factory_does_not_name_are_looked_up_as_ever():
    settings = WorkerSettings(("Twice-v0", "CartPole-v1"), factory=f"{FACTORIES}:Processing")
    catalogue = Catalogue(settings)
    assert [catalogue.get(env_id).api for env_id in settings.env_ids] == ["factory", "gymnasium"]
    with pytest.raises(CatalogueError, match="unknown env id 'NoSuch-v0'"):
        entry("NoSuch-v0", "Processing")


def test_its_hooks_change_what_an_env_gives_and_the_space_says_so():
    env = entry("Twice-v0", "Processing").make({}, None)
    observation, info = env.reset(seed=1)
    assert (observation.tolist(), info["processed"], info["seed"]) == ([0, 0], True, 1)
    assert env.observation_space.contains(observation)
    results = [env.step(2) for _ in range(3)]
    assert [(one[0].tolist(), one[1], one[3]) for one in results] == [
        ([1, 1], 20.0, False), ([2, 2], 20.0, False), ([3, 3], 20.0, True),
    ]  # fmt: skip


def test_its_hooks_are_given_today_s_results_of_an_old_env_too():
    env = entry("Old-v0", "OldProcessing").make({}, None)
    assert env.reset(seed=4)[0].tolist() == [4, 4]
    observation, *rest = env.step(0)
    assert (observation.tolist(), rest) == ([5, 5], [10.0, True, True, {"TimeLimit.truncated": False}])


def test_without_hooks_an_env_is_hosted_as_it_was_made():
    assert type(entry("Counting-v0", "make").make({}, None)).__name__ == "Counting"


def test_a_hook_that_gives_something_else_is_named():
    env = entry("Counting-v0", "Careless").make({}, None)
    env.reset()
    with pytest.raises(TypeError, match=r"factories:Careless.on_step: expected a tuple of 5 results, got \(array"):
        env.step(0)


def test_what_is_no_env_is_refused_with_who_made_it():
    with pytest.raises(TypeError, match=f"the factory {FACTORIES}:make gave a builtins.dict, which is no env"):
        entry("Thing-v0", "make").make({"a": 1}, None)


def test_kwargs_that_the_factory_refuses_are_the_agents_fault_if_it_gave_any():
    with pytest.raises(BadKwargs, match="Counting-v0 refuses colour: TypeError"):
        entry("Counting-v0", "make").make({"colour": 1}, None)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("maze", "expected module:attribute, got 'maze'"),
        (":make", "expected module:attribute, got ':make'"),
        ("no_such_module:make", "ModuleNotFoundError"),
        (f"{FACTORIES}:no_such", "AttributeError"),
        (f"{FACTORIES}:Raising", "RuntimeError: no licence"),
        (f"{FACTORIES}:WithoutMake", r"expected a function make\(env_id, \*\*kwargs\)"),
        (f"{FACTORIES}:without_id", r"expected a function make\(env_id, \*\*kwargs\)"),
        (f"{FACTORIES}:WrongHook", "WrongHook.on_step: expected a method of 5 arguments"),
        (f"{FACTORIES}:WrongIds", "WrongIds.ids: expected a list or tuple of env ids, got 'Counting-v0'"),
    ],
)
def test_what_is_no_factory_is_refused_before_anything_is_served(path, text):
    with pytest.raises(BadFactory, match=text):
        Factory(path)
    with pytest.raises(WrongOption, match=f"^--factory: .*{text}"):
        Catalogue(WorkerSettings(("Counting-v0",), factory=path))


def test_an_env_whose_hooks_cannot_be_had_is_closed_again():
    before = Counting.closed
    with pytest.raises(ValueError, match="no such space"):
        entry("Counting-v0", "NoSpace").make({}, None)
    assert Counting.closed == before + 1


def test_hooks_around_an_env_of_many_agents_are_refused_by_name():
    with pytest.raises(TypeError, match="ManyProcessing: on_reset, on_step, .* are for envs of one agent"):
        entry("Many-v0", "ManyProcessing").make({}, None)
