"""What an agent worker can act by, and how it is found by its name.

=======================================  ==============================================================================
``random``                               any action
``bandit``, ``bandit-faithful``          the agent of the AEA seed (``agent_worker.bandit``)
``model.zip``, ``ppo:model.zip``         a model of Stable-Baselines3; ``ppo:`` refuses one of another algorithm
``policy.pt``, ``.pth``, ``.pt2``        a PyTorch module (``agent_worker.torch_policy``: what goes in and comes out)
``module:attribute``                     a policy of your own, see below
=======================================  ==============================================================================

``module:attribute`` is found in what is installed and in the current directory, and is

* an object with ``act(observation, info)``, and with ``learn(...)`` if it learns: a ``Policy``;
* an object with ``predict(observation, deterministic=True) -> (action, state)``: a model of Stable-Baselines3;
* a PyTorch module;
* a function ``observation -> action``;
* or a class or function that takes ``observation_space=``, ``action_space=`` and ``seed=``, and gives one of these.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gymnasium.spaces import Discrete, Tuple

from agent_worker import policy_files, policy_objects
from agent_worker.acting import Policy, PolicyError, RandomPolicy
from agent_worker.bandit import BetaPriceAgent

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BUILT_IN", "Policy", "PolicyError", "RandomPolicy", "find_policy", "load_policy"]

BUILT_IN = ("random", "bandit", "bandit-faithful")


def find_policy(
    name: str, *, stochastic: bool = False, trust: bool = False, network: str | None = None
) -> Callable[..., Policy]:
    """Do all for the policy ``name`` that can be done, and refuse all that can be refused, before an environment.

    What comes back makes the policy, by keywords: ``observation_space``, ``action_space``, ``seed``, ``lanes`` (how
    many it will act in). ``stochastic``: actions are drawn by a network's output instead of its best. ``trust``:
    pickled Python in a file may run. ``network``: ``module:Class`` of the module that a file's weights belong to.
    Both functions raise ``PolicyError``.
    """
    if network is not None and not policy_files.is_file(name, policy_files.TORCH):
        raise PolicyError(f"--policy-class is for weights in a PyTorch file; policy {name!r} is none")
    if policy_files.is_file(name, policy_files.SB3):
        from agent_worker import sb3_files

        return sb3_files.find(name, trust=trust, stochastic=stochastic)
    if policy_files.is_file(name, policy_files.TORCH):
        from agent_worker import torch_files

        return torch_files.find(name, trust=trust, network=network, stochastic=stochastic)
    if name in BUILT_IN:
        if stochastic:
            raise PolicyError(f"policy {name!r} is no network; --stochastic says how to take a network's output")
        return partial(_built_in, name)
    if ":" not in name:
        files = "model.zip, policy.pt"
        raise PolicyError(f"unknown policy {name!r}; there are {', '.join(BUILT_IN)}, {files} and module:attribute")
    return partial(policy_objects.policy_of, name, policy_objects.import_attribute(name), stochastic=stochastic)


def load_policy(
    name: str, *, observation_space: Any, action_space: Any, seed: int | None = None, lanes: int = 1, **how: Any
) -> Policy:
    """Find the policy ``name`` for an environment with these spaces, of one lane or of several.

    ``how``: see ``find_policy``. For ``module:attribute`` the current directory is importable, as under ``python -m``.
    """
    make = find_policy(name, **how)
    return make(observation_space=observation_space, action_space=action_space, seed=seed, lanes=lanes)


def _built_in(name: str, *, observation_space: Any, action_space: Any, seed: int | None, lanes: int) -> Policy:
    if name == "random":
        return RandomPolicy(action_space, seed)
    nb_goods, nb_prices = _goods_and_prices(name, action_space)
    return BetaPriceAgent(nb_goods, nb_prices, seed=seed, faithful=name == "bandit-faithful")


def _goods_and_prices(name: str, space: Any) -> tuple[int, int]:
    if isinstance(space, Tuple) and len(space.spaces) == 2:
        goods, prices = space.spaces
        if isinstance(goods, Discrete) and isinstance(prices, Discrete) and goods.start == prices.start == 0:
            return int(goods.n), int(prices.n)
    raise PolicyError(f"policy {name!r} needs an action space Tuple(Discrete(n), Discrete(m)), the env has {space}")
