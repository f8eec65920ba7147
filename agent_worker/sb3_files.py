"""Models of Stable-Baselines3 (and sb3-contrib) as policies, loaded without unpickling what a stranger wrote.

A saved model is a zip: ``data``, a JSON object whose harder values are pickled, and ``policy.pth``, the weights. For
acting, only the policy's class, its arguments and its weights are needed. The spaces are those of the environment.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import importlib
import importlib.util
import inspect
import io
import json
import pickle
import pickletools
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gymnasium import spaces

from agent_worker.acting import PolicyError, Predicting
from agent_worker.policy_files import TRUST, check, entries
from agent_worker.policy_objects import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_worker.acting import Policy

HOMES = ("stable_baselines3", "sb3_contrib")
"""Where algorithms come from."""

_CALLS = frozenset(
    ["REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4"]
)
"""What in a pickle makes or changes an object; without these it is plain data and names."""


def find(name: str, *, trust: bool, stochastic: bool) -> Callable[..., Policy]:
    """Read ``[algorithm:]model.zip``, and give what makes a policy of it for an environment. Raises ``PolicyError``."""
    algorithm, _, file = name.rpartition(":")
    path = Path(file)
    check(name, path, HOMES[0], "stable-baselines3")
    missing = {"data", "policy.pth"} - set(entries(name, path))
    if missing:
        raise PolicyError(f"policy {name!r} is no model of Stable-Baselines3: there is no {min(missing)!r} in it")
    with contextlib.redirect_stderr(io.StringIO()):  # gym's notice that it is unmaintained
        importlib.import_module(HOMES[0])
    with zipfile.ZipFile(path) as archive:
        data, weights = _read(name, archive.read("data")), archive.read("policy.pth")
    policy_class = _value(name, data, "policy_class", trust=trust)
    arguments = _value(name, data, "policy_kwargs", trust=trust) or {}
    if not (inspect.isclass(policy_class) and isinstance(arguments, dict)):
        raise PolicyError(f"policy {name!r}: its policy class or policy arguments cannot be understood")
    if algorithm:
        _check_algorithm(name, algorithm, policy_class)
    arguments.pop("device", None)
    if data.get("use_sde") and "use_sde" not in arguments:
        arguments["use_sde"] = True
    return partial(_make, name, policy_class, arguments, weights, stochastic)


def _make(
    name: str, policy_class: Any, arguments: dict[str, Any], weights: bytes, stochastic: bool,
    *, observation_space: Any, action_space: Any, seed: int | None, lanes: int,
) -> Policy:  # fmt: skip
    torch: Any = importlib.import_module("torch")
    if "lr_schedule" in inspect.signature(policy_class).parameters:
        arguments = {**arguments, "lr_schedule": lambda _: 0.0}  # it is for training
    try:
        policy = policy_class(_channels_first(observation_space), action_space, **arguments)
    except Exception as error:  # another version of SB3, or spaces that this policy is not for: it asserts
        raise PolicyError(f"policy {name!r} cannot be made for {observation_space}: {text_of(error)}") from error
    try:
        policy.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    except Exception as error:  # a stranger's file, and no list of what its loader raises
        text = f"has weights for other spaces than {observation_space} and {action_space}"
        raise PolicyError(f"policy {name!r} {text}: {text_of(error)}") from error
    return Predicting(policy, stochastic=stochastic, seed=seed, draw_from=torch.manual_seed)


def _channels_first(space: Any) -> Any:
    """What the policy was made for: SB3 turns images whose channels are last, and ``predict`` turns observations."""
    found: Any = importlib.import_module("stable_baselines3.common.preprocessing")
    turning: Any = importlib.import_module("stable_baselines3.common.vec_env").VecTransposeImage
    if isinstance(space, spaces.Dict):
        turned = copy.deepcopy(space)  # a new Dict would sort its keys, and the weights have an order
        turned.spaces.update({key: _channels_first(part) for key, part in space.spaces.items()})
        return turned
    if found.is_image_space(space) and not found.is_image_space_channels_first(space):
        return turning.transpose_space(space)
    return space


def _read(name: str, text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PolicyError(f"policy {name!r} is no model of Stable-Baselines3: {error}") from error
    if not isinstance(data, dict) or "policy_class" not in data:
        raise PolicyError(f"policy {name!r} is no model of Stable-Baselines3: it does not say its policy class")
    return data


def _value(name: str, data: dict[str, Any], key: str, *, trust: bool) -> Any:
    """One value of the model's data."""
    value = data.get(key)
    if not (isinstance(value, dict) and ":serialized:" in value):
        return value
    try:
        pickled = base64.b64decode(value[":serialized:"])
        return pickle.loads(pickled) if trust else _plain(pickled)
    except _Untrusted as error:
        text = f"its {key} is pickled Python ({error}), which runs when it is loaded"
        raise PolicyError(f"policy {name!r}: {text}; {TRUST}") from None
    except Exception as error:  # a stranger's bytes
        raise PolicyError(f"policy {name!r}: its {key} cannot be read: {text_of(error)}") from error


class _Untrusted(Exception):
    """A pickle that is more than plain data and names; the text says what."""


def _plain(pickled: bytes) -> Any:
    """What is in a pickle of plain data and names of known classes. Nothing in it is called."""
    for opcode, _, _ in pickletools.genops(pickled):
        if opcode.name in _CALLS:
            raise _Untrusted("it makes objects")
    return _Names(io.BytesIO(pickled)).load()


class _Names(pickle.Unpickler):
    """Finds networks and optimizers of PyTorch, Stable-Baselines3 and sb3-contrib, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of that name."""
        home = module.partition(".")[0]
        if home in ("torch", *HOMES):
            if importlib.util.find_spec(home) is None:
                raise PolicyError(f"it is of {home}: pip install {home.replace('_', '-')}")
            torch: Any = importlib.import_module("torch")
            found = getattr(importlib.import_module(module), name, None)
            if inspect.isclass(found) and issubclass(found, (torch.nn.Module, torch.optim.Optimizer)):
                return found
        raise _Untrusted(f"{module}.{name}")


def _check_algorithm(name: str, algorithm: str, policy_class: Any) -> None:
    known = {}
    for home in HOMES:
        if importlib.util.find_spec(home) is not None:
            found = vars(importlib.import_module(home)).items()
            known.update({one.lower(): value for one, value in found if hasattr(value, "policy_aliases")})
    if algorithm.lower() not in known:
        raise PolicyError(f"policy {name!r}: unknown algorithm {algorithm!r}; there are {', '.join(sorted(known))}")
    if not issubclass(policy_class, tuple(known[algorithm.lower()].policy_aliases.values())):
        raise PolicyError(f"policy {name!r}: {policy_class.__name__} in it is no policy of {algorithm.upper()}")
