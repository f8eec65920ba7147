"""Envs that are no ``gymnasium.Env``, presented as one: of gym 0.26 and before it, of dm_env, or like these.

``dm_env`` itself is not imported: its envs and specs are told by what they can do.
"""

from __future__ import annotations

from collections import OrderedDict
from inspect import signature
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces

from env_worker.compat import HostedEnv, modern_metadata, renders_by_mode
from env_worker.listed import ListedAgents, is_listed
from env_worker.multi import kind_of
from env_worker.spaces import UnsupportedSpace, to_spec
from protocol.spaces import to_space

if TYPE_CHECKING:
    from collections.abc import Mapping


def accept(env: Any, made_by: str, render_mode: str | None = None) -> Any:
    """``env``, as something that an episode can host. Raises ``TypeError`` for what is no env at all.

    ``render_mode`` is for envs of before gym 0.26, which are told it when they draw.
    """
    if is_dm_env(env):
        return DmEnv(env)
    missing = [name for name in ("reset", "step", "observation_space", "action_space") if not hasattr(env, name)]
    if missing:
        kind = f"{type(env).__module__}.{type(env).__qualname__}"
        lacks = ", ".join(missing)
        raise TypeError(f"{made_by} gave a {kind}, which is no env of gymnasium, gym or dm_env: it has no {lacks}")
    if is_listed(env):
        return ListedAgents(env, render_mode)
    return PresentEnv(env, render_mode) if renders_by_mode(env) and kind_of(env) is None else env


def as_gymnasium(env: Any) -> gymnasium.Env[Any, Any]:
    """``env`` itself if it is a ``gymnasium.Env``, else presented as one. Raises ``UnsupportedSpace``."""
    return env if isinstance(env, gymnasium.Env) else PresentEnv(env)


def is_dm_env(env: Any) -> bool:
    """Whether it is an env of the dm_env API: it has specs where others have spaces."""
    specs = (getattr(env, name, None) for name in ("observation_spec", "action_spec"))
    return all(callable(spec) for spec in specs) and not hasattr(env, "action_space")


class ForeignEnv(gymnasium.Env[Any, Any]):
    """What has another API, in ``env``. Attributes are looked up there too, as through a wrapper."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def close(self) -> None:
        """Close it, if it can be closed."""
        close = getattr(self.env, "close", None)
        if close is not None:
            close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "env":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.env, name)


class PresentEnv(ForeignEnv):
    """An env of gym 0.26, of before it, or of no library, with spaces of gymnasium and today's signatures."""

    def __init__(self, env: Any, render_mode: str | None = None) -> None:
        super().__init__(env)
        self.hosted = HostedEnv(env)
        self._tells_mode = renders_by_mode(env)
        self.observation_space = to_space(to_spec(env.observation_space), spaces)
        self.action_space = to_space(to_spec(env.action_space), spaces)
        self.metadata = modern_metadata(env)
        self.render_mode = render_mode if self._tells_mode else getattr(env, "render_mode", None)
        self.spec = getattr(env, "spec", None)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As ``HostedEnv.reset``."""
        return self.hosted.reset(seed, options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As ``HostedEnv.step``."""
        return self.hosted.step(action)

    def render(self) -> Any:
        """A frame of the env, or None if no render mode was asked for."""
        if not self._tells_mode:
            return self.env.render()
        return None if self.render_mode is None else self.env.render(mode=self.render_mode)


class DmEnv(ForeignEnv):
    """An env of the dm_env API: ``reset()`` and ``step(action)`` give a ``TimeStep``, specs say what is legal.

    * The last step of an episode is ``terminated`` if its discount is 0, else ``truncated``. ``info`` has the discount.
    * dm_env has no seeds. ``reset(seed=...)`` calls the env's own ``seed(seed)``; an env of dm_control has a public
      ``np.random.RandomState`` (``random_state``, or the task's ``random``), which is seeded. Else: ``TypeError``.
    * It has no render modes either.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.observation_space = space_of(env.observation_spec())
        self.action_space = space_of(env.action_spec())
        self.metadata = {"render_modes": []}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode. ``options`` are ignored, as dm_env has none."""
        if seed is not None:
            self._seed(seed)
        return _values(self.env.reset().observation, self.observation_space), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The five results of a ``TimeStep``."""
        timestep = self.env.step(action)
        reward = 0.0 if timestep.reward is None else float(timestep.reward)
        last, goes_on = bool(timestep.last()), bool(np.any(timestep.discount))
        info = {"discount": timestep.discount}
        observation = _values(timestep.observation, self.observation_space)
        return observation, reward, last and not goes_on, last and goes_on, info

    def _seed(self, seed: int) -> None:
        if callable(getattr(self.env, "seed", None)):
            self.env.seed(seed)
            return
        for generator in (
            getattr(self.env, "random_state", None),
            getattr(getattr(self.env, "task", None), "random", None),
        ):
            if isinstance(generator, np.random.RandomState):
                generator.seed(seed)
                return
        name = type(self.env).__name__
        raise TypeError(f"{name} cannot be seeded by reset(): dm_env has no seeds, and {name} has no method seed(seed)")


def space_of(spec: Any) -> spaces.Space[Any]:
    """The space of a spec of dm_env, or of a dict, list or tuple of these. Raises ``UnsupportedSpace``."""
    if hasattr(spec, "items"):
        return spaces.Dict(_parts(spec))
    if isinstance(spec, (list, tuple)):
        return spaces.Tuple([space_of(part) for part in spec])
    try:
        dtype = np.dtype(spec.dtype)
        if hasattr(spec, "num_values"):
            return _discrete(int(spec.num_values), dtype)
        least, most = _range(dtype)
    except (AttributeError, TypeError, ValueError) as error:
        raise UnsupportedSpace(f"a {type(spec).__name__} of dm_env has no space: {spec}") from error
    low, high = getattr(spec, "minimum", least), getattr(spec, "maximum", most)
    low, high = (np.broadcast_to(np.asarray(bound).astype(dtype), spec.shape) for bound in (low, high))
    return spaces.Box(low, high, tuple(spec.shape), dtype.type)


def _discrete(n: int, dtype: np.dtype[Any]) -> spaces.Space[Any]:
    """Before 1.2.3 Gymnasium has no dtype of it: int64 then, whatever the spec says."""
    if "dtype" in signature(spaces.Discrete).parameters:
        return spaces.Discrete(n, dtype=dtype)
    return spaces.Discrete(n)


def _parts(specs: Mapping[str, Any]) -> OrderedDict[str, spaces.Space[Any]]:
    return OrderedDict((key, space_of(part)) for key, part in specs.items())  # a plain dict would be sorted


def _range(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """What an array without bounds may hold. Raises ``ValueError`` for text and objects."""
    if dtype.kind == "b":
        return False, True
    if dtype.kind == "f":
        return -np.inf, np.inf
    info = np.iinfo(dtype)
    return info.min, info.max


def _values(observation: Any, space: Any = None) -> Any:
    """Arrays for the numbers that dm_env may give where a spec says array; dicts for the namedtuples of Jumanji, whose
    specs are dicts."""
    within = space.spaces if isinstance(space, spaces.Dict) else {}
    if within and hasattr(observation, "_asdict"):
        observation = observation._asdict()
    if hasattr(observation, "items"):
        return OrderedDict((key, _values(part, within.get(key))) for key, part in observation.items())
    if isinstance(observation, (list, tuple)):
        return tuple(_values(part) for part in observation)
    return np.asarray(observation)
