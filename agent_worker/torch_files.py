"""PyTorch files as policies: TorchScript, weights with a class of the user's, and with trust what holds pickles.

See ``agent_worker.policy_files`` for what is safe, and ``agent_worker.torch_policy`` for what goes in and comes out.
"""

from __future__ import annotations

import importlib
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_worker.acting import PolicyError
from agent_worker.policy_files import TRUST, check, entries
from agent_worker.policy_objects import import_attribute, takes, text_of
from agent_worker.torch_policy import TorchPolicy, is_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_worker.acting import Policy


def find(name: str, *, trust: bool, network: str | None, stochastic: bool) -> Callable[..., Policy]:
    """Load the file, and give what makes a policy of it for an environment. Raises ``PolicyError``.

    ``network``: ``module:Class`` of the module that the file's weights belong to.
    """
    path = Path(name)
    check(name, path, "torch", "torch")
    kind = _kind(name, path)
    if kind == "weights":
        weights = _weights(name, path, trust=trust)
        if is_module(weights):
            return partial(_of_module, name, weights, stochastic=stochastic)
        return partial(_of_weights, name, weights, _network(name, network), stochastic=stochastic)
    if network is not None:
        raise PolicyError(f"policy {name!r} is a whole module; --policy-class is for weights only")
    module = _script(name, path) if kind == "TorchScript" else _exported(name, path, trust=trust)
    return partial(_of_module, name, module, stochastic=stochastic)


def _kind(name: str, path: Path) -> str:
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return "weights"  # as PyTorch saved them before 1.6
    inside = {entry.rpartition("/")[2] for entry in entries(name, path)}
    if path.suffix.lower() == ".pt2" or {"archive_format", "serialized_exported_program.json"} & inside:
        return "exported"
    return "TorchScript" if "constants.pkl" in inside else "weights"


def _script(name: str, path: Path) -> Any:
    torch: Any = importlib.import_module("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # in favour of torch.export, whose files hold pickles
        try:
            return torch.jit.load(str(path), map_location="cpu")
        except (RuntimeError, ValueError) as error:
            raise _unreadable(name, error) from error


def _exported(name: str, path: Path, *, trust: bool) -> Any:
    if not trust:
        raise PolicyError(
            f"policy {name!r}: files of torch.export hold pickled Python, which runs when it is loaded; {TRUST}, or "
            f"save the module by torch.jit.save, or its state_dict()"
        )
    export: Any = importlib.import_module("torch.export")
    try:
        return export.load(str(path)).module()
    except Exception as error:  # a stranger's file, and no list of what its loader raises
        raise _unreadable(name, error) from error


def _weights(name: str, path: Path, *, trust: bool) -> Any:
    """A dict of tensors; or, with ``trust``, a pickled module."""
    torch: Any = importlib.import_module("torch")
    try:
        return torch.load(str(path), map_location="cpu", weights_only=not trust)
    except Exception as error:  # a stranger's file: its loader, and with trust what is in it, may raise anything
        if not trust and "weights_only" in str(error):
            text = f"policy {name!r} holds pickled Python beside its weights, which runs when it is loaded; {TRUST}"
            raise PolicyError(f"{text}, or save its state_dict()") from None
        raise _unreadable(name, error) from error


def _network(name: str, network: str | None) -> Any:
    if network is None:
        raise PolicyError(
            f"policy {name!r} holds weights and no network: name the class that they belong to, "
            f"--policy-class module:Class, or save the module by torch.jit.save"
        )
    if ":" not in network:
        raise PolicyError(f"--policy-class: expected module:Class, got {network!r}")
    return import_attribute(network)


def _of_module(name: str, module: Any, *, stochastic: bool, **place: Any) -> Policy:
    return TorchPolicy(name, module, stochastic=stochastic, **place)


def _of_weights(
    name: str, weights: Any, network: Any, *, stochastic: bool, observation_space: Any, action_space: Any, **place: Any
) -> Policy:
    spaces = {"observation_space": observation_space, "action_space": action_space}
    try:
        module = network(**spaces) if takes(network, **spaces) else network()
    except Exception as error:  # a user's class may raise anything
        raise PolicyError(f"policy {name!r}: its network could not be made: {text_of(error)}") from error
    if not is_module(module):
        raise PolicyError(f"policy {name!r}: --policy-class must give a torch.nn.Module, got {type(module).__name__}")
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        text = f"its weights do not fit {type(module).__name__}: {text_of(error)}"
        raise PolicyError(f"policy {name!r}: {text}") from error
    return TorchPolicy(name, module, **spaces, stochastic=stochastic, **place)


def _unreadable(name: str, error: Exception) -> PolicyError:
    return PolicyError(f"policy {name!r} cannot be loaded: {text_of(error)}")
