"""Policies are found by name; whatever is wrong with a name or a policy is said."""

from __future__ import annotations

import itertools
import sys
import textwrap

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Tuple

from agent_worker.bandit import BetaPriceAgent
from agent_worker.policies import PolicyError, RandomPolicy, load_policy

PRICES = Tuple((Discrete(10), Discrete(100)))
NOTHING = Discrete(1)
_numbers = itertools.count()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module into the current directory, and get the name that it is importable by."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(source: str) -> str:
        name = f"policies_of_a_user_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return name

    return write


def load(name: str, *, observation_space=NOTHING, action_space=PRICES, seed=3):
    return load_policy(name, observation_space=observation_space, action_space=action_space, seed=seed)


@pytest.mark.parametrize(
    "space",
    [
        Discrete(5, start=-2),
        Box(-1.0, 1.0, (2, 3), np.float32),
        PRICES,
        Dict({"a": Discrete(3), "b": MultiDiscrete([4, 5])}),
    ],
    ids=str,
)
def test_random_actions_are_of_the_space_and_follow_from_the_seed(space):
    policies = [RandomPolicy(space, seed) for seed in (1, 1, 2)]
    first, again, other = ([policy.act(0, {}) for _ in range(20)] for policy in policies)

    assert all(action in space for action in first)
    assert repr(first) == repr(again)
    assert repr(first) != repr(other)


def test_random_actions_leave_the_envs_own_space_alone():
    space = Discrete(1_000_000, seed=5)
    expected = Discrete(1_000_000, seed=5).sample()
    RandomPolicy(space, seed=1).act(0, {})
    assert space.sample() == expected


def test_random_actions_are_not_the_numbers_of_an_env_with_the_same_seed():
    env_draws = np.random.default_rng(7).integers(1_000_000)
    assert RandomPolicy(Discrete(1_000_000), seed=7).act(0, {}) != env_draws


def test_built_in_policies_are_found_by_name():
    assert isinstance(load("random"), RandomPolicy)
    improved, faithful = load("bandit"), load("bandit-faithful")
    assert isinstance(improved, BetaPriceAgent)
    assert isinstance(faithful, BetaPriceAgent)
    assert improved.wins.shape == (10, 100)
    assert (improved.faithful, faithful.faithful) == (False, True)


def test_an_unknown_name_is_refused_with_what_there_is():
    names = "random, bandit, bandit-faithful, model.zip, policy.pt and module:attribute"
    with pytest.raises(PolicyError, match=f"'bandti'; there are {names}"):
        load("bandti")


@pytest.mark.parametrize(
    "space",
    [
        Discrete(10),
        Tuple((Discrete(10),)),
        Tuple((Discrete(10), Box(0, 1))),
        Tuple((Discrete(10), Discrete(100, start=1))),
        MultiDiscrete([10, 100]),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["bandit", "bandit-faithful"])
def test_the_bandit_refuses_a_space_that_is_not_goods_and_prices(name, space):
    with pytest.raises(PolicyError, match=rf"{name}' needs an action space Tuple\(Discrete\(n\), Discrete\(m\)\)"):
        load(name, action_space=space)


def test_a_class_is_made_with_the_spaces_and_the_seed(module):
    name = module("""
        class Agent:
            def __init__(self, *, observation_space, action_space, seed):
                self.given = (observation_space, action_space, seed)
            def act(self, observation, info):
                return (1, 2)
            def learn(self, *step):
                self.learnt = step
        """)
    policy = load(f"{name}:Agent")
    policy.learn(0, (1, 2), 1.0, 0, False, True, {})

    assert policy.given == (NOTHING, PRICES, 3)
    assert policy.act(0, {}) == (1, 2)
    assert policy.learnt == (0, (1, 2), 1.0, 0, False, True, {})


@pytest.mark.parametrize(
    "source",
    [
        "def policy(observation): return (1, observation)",
        "policy = lambda observation, temperature=1.0: (1, observation)",
        """
        class Acting:
            def act(self, observation, info): return (1, observation)
        policy = Acting()
        """,
        """
        class Model:
            def predict(self, observation, state=None, episode_start=None, deterministic=False):
                return (int(deterministic), observation), state
        policy = Model()
        """,
        """
        class Callable:
            def __call__(self, observation): return (1, observation)
        policy = Callable()
        """,
        """
        def policy(observation_space, action_space, seed):
            return lambda observation: (1, observation)
        """,
        """
        def policy(*, action_space, **others):
            class Model:
                def predict(self, observation, deterministic):
                    return (1, observation), None
            return Model()
        """,
    ],
    ids=["function", "lambda", "act", "predict", "callable", "factory of a function", "factory of a model"],
)
def test_anything_that_gives_actions_is_a_policy(module, source):
    policy = load(f"{module(source)}:policy")
    assert policy.act(7, {}) == (1, 7)
    policy.learn(7, (1, 7), 0.0, 7, False, False, {})


def test_an_attribute_may_be_deep_in_a_module(module):
    name = module("class Namespace:\n    policy = staticmethod(lambda observation: 5)")
    assert load(f"{name}:Namespace.policy").act(0, {}) == 5


@pytest.mark.parametrize(
    ("source", "attribute", "named"),
    [
        ("1 / 0", "policy", "cannot import .*: ZeroDivisionError: division by zero"),
        ("def", "policy", "cannot import .*: SyntaxError"),
        ("polcy = 1", "policy", "has no 'policy'"),
        ("policy = 1", "policy", "int has neither act nor predict, and is no function"),
        (
            "def policy(): return 5",
            "policy",
            "function has neither act nor predict, and is no function of an observation",
        ),
        ("class policy: pass", "policy", "must take the keyword arguments observation_space, action_space, seed"),
        ("def policy(**kwargs): open('/none/there')", "policy", "could not be made: FileNotFoundError: .*/none/there"),
        ("def policy(**kwargs): return None", "policy", "NoneType has neither act nor predict"),
    ],
)
def test_what_is_wrong_with_a_policy_of_the_users_is_said(module, source, attribute, named):
    name = module(source)
    with pytest.raises(PolicyError, match=named) as caught:
        load(f"{name}:{attribute}")
    assert f"policy '{name}:{attribute}'" in str(caught.value)


@pytest.mark.parametrize("name", ["no_such_module_at_all:policy", ":policy", "no.such.package:policy"])
def test_a_module_that_cannot_be_imported_is_named(name):
    with pytest.raises(PolicyError, match="cannot import"):
        load(name)


def test_policies_fit_the_spaces_of_a_real_env():
    env = gymnasium.make("CartPole-v1")
    policy = load("random", observation_space=env.observation_space, action_space=env.action_space)
    assert policy.act(*env.reset(seed=0)) in env.action_space
