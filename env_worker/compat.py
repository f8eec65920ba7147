"""The one place that tells gym 0.26, gymnasium and older gym-like envs apart."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import logging
from typing import Any

import gymnasium
import numpy as np

from protocol.coders_misfit import describe
from protocol.errors import EncodeError

log = logging.getLogger("gymbroker")

_ALIASES = {"bool8": np.bool_, "float_": np.float64}
"""Names that gym 0.26.2 uses and numpy 2 removed (gym/utils/passive_env_checker.py, gym/envs/.../acrobot.py)."""


def import_gym() -> Any:
    """The module ``gym``, made to work on numpy 2, without its notice on stderr."""
    missing = {name: value for name, value in _ALIASES.items() if not hasattr(np, name)}
    for name, value in missing.items():
        setattr(np, name, value)
    if missing:
        log.info("gym 0.26 on numpy %s: restored %s", np.__version__, ", ".join(f"numpy.{name}" for name in missing))
    with contextlib.redirect_stderr(io.StringIO()):
        return importlib.import_module("gym")


def api_of(env: Any) -> str:
    """``gym`` for an env of the old library, else ``gymnasium``."""
    modules = {kind.__module__.partition(".")[0] for kind in type(env).__mro__}
    return "gym" if "gym" in modules and "gymnasium" not in modules else "gymnasium"


class HostedEnv:
    """An env with today's signatures: ``reset(seed, options) -> (obs, info)`` and a step of five results."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.api = api_of(env)
        self.graph: Any = (import_gym().spaces.graph if self.api == "gym" else gymnasium.spaces).GraphInstance
        """What its Graph spaces are made of."""
        parameters = inspect.signature(env.reset).parameters
        accepts_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        self._takes = {name for name in ("seed", "options") if accepts_any or name in parameters}
        self._asks_for_info = "return_info" in parameters

    def reset(self, seed: int | None, options: dict[Any, Any] | None) -> tuple[Any, dict[Any, Any]]:
        """As ``gymnasium.Env.reset``.

        Before gym 0.22 an env is seeded by its ``seed`` method and has no info; before 0.26 it is asked for its info.
        """
        if seed is not None and "seed" not in self._takes:
            if not callable(getattr(self.env, "seed", None)):
                raise TypeError(f"{type(self.env).__name__} cannot be seeded: neither reset(seed=) nor seed()")
            self.env.seed(seed)
        given = {"seed": seed, "options": options}
        asking = {"return_info": True} if self._asks_for_info else {}
        result = self.env.reset(**{name: given[name] for name in self._takes}, **asking)
        if isinstance(result, tuple) and len(result) == 2 and (result[1] is None or isinstance(result[1], dict)):
            return result  # None is in no space: it is an info that is none, and will be called so
        return result, {}

    def step(self, action: Any) -> tuple[Any, float, Any, Any, dict[Any, Any]]:
        """As ``gymnasium.Env.step``; the ``done`` of a step with four results is split by ``TimeLimit.truncated``."""
        result = self.env.step(action)
        if len(result) == 5:
            observation, reward, terminated, truncated, info = result
        else:
            observation, reward, done, info = result
            truncated = isinstance(info, dict) and bool(info.get("TimeLimit.truncated", False))
            terminated = flag("done", done) and not truncated
        return observation, reward if type(reward) is float else number(reward), terminated, truncated, info


def flag(name: str, value: Any) -> bool:
    """Of any library's bool or number. Raises ``EncodeError`` for several, of which Python would make True."""
    if not isinstance(value, (list, tuple, dict)):
        try:
            return bool(value)
        except (TypeError, ValueError):  # an array of several, or of a library that has an error for it
            pass
    raise EncodeError(f"{name}: expected one bool, got {describe(value)}")


def number(reward: Any) -> float:
    """Of any library's scalar, or of an array of one number, which older envs for continuous control give.

    Raises ``EncodeError`` for anything else, such as the rewards of several objectives.
    """
    item = getattr(reward, "item", None)
    try:
        return float(reward if item is None else item())
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"reward: expected one number, got {describe(reward)}") from error


def renders_by_mode(env: Any) -> bool:
    """Whether ``render`` of an env, or of a class of envs, is told the mode each time, as it was before gym 0.26."""
    try:
        return "mode" in inspect.signature(env.render).parameters
    except (AttributeError, TypeError, ValueError):  # it has no render, or one without a signature
        return False


def modern_metadata(env: Any) -> dict[Any, Any]:
    """The metadata of an env; those of before gym 0.26 also under the names that it gave them."""
    metadata = getattr(env, "metadata", None) or {}
    older = {"render_modes": "render.modes", "render_fps": "video.frames_per_second"}
    return {**{new: metadata[old] for new, old in older.items() if old in metadata}, **metadata}
