"""What an agent worker can act by: the interface, a random policy, and how a policy is found by its name.

A name is ``random``, ``bandit``, ``bandit-faithful``, or ``module:attribute`` for a policy of your own, which is

* an object with ``act(observation, info)``, and with ``learn(...)`` if it learns: a ``Policy``;
* an object with ``predict(observation, deterministic=True) -> (action, state)``: a model of Stable-Baselines3;
* a function ``observation -> action``;
* or a class or function that takes ``observation_space=``, ``action_space=`` and ``seed=``, and gives one of these.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import operator
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from gymnasium.spaces import Discrete, Tuple

from agent_worker.bandit import BetaPriceAgent

if TYPE_CHECKING:
    from collections.abc import Callable

BUILT_IN = ("random", "bandit", "bandit-faithful")


class PolicyError(ValueError):
    """There is no such policy, or it does not fit the environment; the text says which and why."""


class Policy(Protocol):
    """Chooses actions, and may learn from what came of them."""

    def act(self, observation: Any, info: dict[str, Any]) -> Any:
        """Choose an action.

        ``observation`` (of the observation space) and ``info`` are what the last ``reset`` or ``step`` gave. Returns
        an element of the action space.
        """

    def learn(
        self,
        observation: Any,
        action: Any,
        reward: float,
        next_observation: Any,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
    ) -> None:
        """Take in one step: ``action`` was chosen at ``observation``, and brought all the others.

        Called once after every step, before the next ``act``. Do not bootstrap from ``next_observation`` if
        ``terminated``; do if only ``truncated``.
        """


class RandomPolicy:
    """Samples the action space. The same space and seed give the same actions; without a seed, any."""

    def __init__(self, action_space: Any, seed: int | None = None) -> None:
        self._space = copy.deepcopy(action_space)  # the env's own stays as it is
        # A child of the seed: an env that was seeded alike must not draw the same numbers as its agent.
        child = np.random.SeedSequence(seed).spawn(1)[0]
        self._space.seed(int(child.generate_state(1)[0]))

    def act(self, observation: Any, info: dict[str, Any]) -> Any:
        """Give any action."""
        return self._space.sample()

    def learn(self, *step: Any) -> None:
        """Chance learns nothing."""


class _Acting:
    """A policy out of what can act but not learn."""

    def __init__(self, act: Callable[[Any, dict[str, Any]], Any]) -> None:
        self.act = act

    def learn(self, *step: Any) -> None:
        """Learn nothing."""


def load_policy(name: str, *, observation_space: Any, action_space: Any, seed: int | None = None) -> Policy:
    """Find the policy ``name`` (see above) for an environment with these spaces.

    For ``module:attribute`` the current directory is importable, as under ``python -m``. Raises ``PolicyError``.
    """
    if name == "random":
        return RandomPolicy(action_space, seed)
    if name in BUILT_IN:
        nb_goods, nb_prices = _goods_and_prices(name, action_space)
        return BetaPriceAgent(nb_goods, nb_prices, seed=seed, faithful=name == "bandit-faithful")
    check_name(name)
    wanted = {"observation_space": observation_space, "action_space": action_space, "seed": seed}
    return _policy_of(name, _import_attribute(name), wanted)


def check_name(name: str) -> None:
    """Raise ``PolicyError`` if no policy can have that name: for before an environment is asked for."""
    if name not in BUILT_IN and ":" not in name:
        raise PolicyError(f"unknown policy {name!r}; there are {', '.join(BUILT_IN)} and module:attribute")


def _goods_and_prices(name: str, space: Any) -> tuple[int, int]:
    if isinstance(space, Tuple) and len(space.spaces) == 2:
        goods, prices = space.spaces
        if isinstance(goods, Discrete) and isinstance(prices, Discrete) and goods.start == prices.start == 0:
            return int(goods.n), int(prices.n)
    raise PolicyError(f"policy {name!r} needs an action space Tuple(Discrete(n), Discrete(m)), the env has {space}")


def _import_attribute(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a stranger's module may raise anything while it is imported
        raise PolicyError(f"policy {name!r}: cannot import {module_name!r}: {_text(error)}") from error
    try:
        return operator.attrgetter(attribute)(module)
    except AttributeError as error:
        raise PolicyError(f"policy {name!r}: module {module_name!r} has no {attribute!r}") from error


def _policy_of(name: str, found: Any, wanted: dict[str, Any]) -> Policy:
    if inspect.isclass(found) or (not _acts(found) and _takes(found, **wanted)):
        found = _make(name, found, wanted)
    if hasattr(found, "act"):
        return cast("Policy", found) if hasattr(found, "learn") else _Acting(found.act)
    if hasattr(found, "predict"):
        return _Acting(lambda observation, info: found.predict(observation, deterministic=True)[0])
    if _takes(found, None):
        return _Acting(lambda observation, info: found(observation))
    raise PolicyError(
        f"policy {name!r}: {type(found).__name__} has neither act nor predict, and is no function of an observation"
    )


def _acts(found: Any) -> bool:
    return hasattr(found, "act") or hasattr(found, "predict")


def _make(name: str, factory: Callable[..., Any], wanted: dict[str, Any]) -> Any:
    if not _takes(factory, **wanted):
        raise PolicyError(f"policy {name!r} must take the keyword arguments {', '.join(wanted)}")
    try:
        return factory(**wanted)
    except Exception as error:  # a stranger's class may raise anything
        raise PolicyError(f"policy {name!r} could not be made: {_text(error)}") from error


def _takes(found: Any, *args: Any, **kwargs: Any) -> bool:
    try:
        inspect.signature(found).bind(*args, **kwargs)
    except (TypeError, ValueError):  # not callable or not by these; or a built-in without a signature
        return False
    return True


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
