"""A user's own code as a policy: ``module:attribute``, found in what is installed and in the current directory."""

from __future__ import annotations

import importlib
import inspect
import operator
import os
import sys
from typing import TYPE_CHECKING, Any, cast

from agent_worker.acting import Acting, PolicyError, Predicting
from agent_worker.torch_policy import TorchPolicy, is_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_worker.acting import Policy


def import_attribute(name: str) -> Any:
    """What ``module:attribute`` names. Raises ``PolicyError``."""
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a stranger's module may raise anything while it is imported
        raise PolicyError(f"policy {name!r}: cannot import {module_name!r}: {text_of(error)}") from error
    try:
        return operator.attrgetter(attribute)(module)
    except AttributeError as error:
        raise PolicyError(f"policy {name!r}: module {module_name!r} has no {attribute!r}") from error


def policy_of(
    name: str, found: Any, *, observation_space: Any, action_space: Any, seed: int | None, lanes: int, stochastic: bool
) -> Policy:
    """A policy out of ``found``, which ``name`` named. Raises ``PolicyError``."""
    wanted = {"observation_space": observation_space, "action_space": action_space, "seed": seed}
    if inspect.isclass(found) or (not _acts(found) and takes(found, **wanted)):
        found = _make(name, found, wanted)
    by_itself = hasattr(found, "act") and (not is_module(found) or takes(found.act, None, None))
    if not by_itself and hasattr(found, "predict"):
        return Predicting(found, stochastic=stochastic, seed=seed)
    if not by_itself and is_module(found):
        spaces = (observation_space, action_space)
        return TorchPolicy(name, found, *spaces, seed=seed, lanes=lanes, stochastic=stochastic)
    if stochastic:
        raise PolicyError(f"policy {name!r} chooses its actions itself; none can be drawn for it (--stochastic)")
    if by_itself:
        return cast("Policy", found) if hasattr(found, "learn") else _with_doors(found)
    if takes(found, None):
        return Acting(lambda observation, info: found(observation))
    raise PolicyError(
        f"policy {name!r}: {type(found).__name__} has neither act nor predict, and is no function of an observation"
    )


def _with_doors(found: Any) -> Policy:
    """Of what can act but not learn; its other doors stay open."""
    acting = Acting(found.act)
    for door in ("begin", "act_batch"):
        if hasattr(found, door):
            setattr(acting, door, getattr(found, door))
    return acting


def _acts(found: Any) -> bool:
    return hasattr(found, "act") or hasattr(found, "predict") or is_module(found)


def _make(name: str, factory: Callable[..., Any], wanted: dict[str, Any]) -> Any:
    if not takes(factory, **wanted):
        raise PolicyError(f"policy {name!r} must take the keyword arguments {', '.join(wanted)}")
    try:
        return factory(**wanted)
    except Exception as error:  # a stranger's class may raise anything
        raise PolicyError(f"policy {name!r} could not be made: {text_of(error)}") from error


def takes(found: Any, *args: Any, **kwargs: Any) -> bool:
    """Whether ``found`` can be called so."""
    try:
        inspect.signature(found).bind(*args, **kwargs)
    except (TypeError, ValueError):  # not callable or not by these; or a built-in without a signature
        return False
    return True


def text_of(error: Exception) -> str:
    """An exception as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
