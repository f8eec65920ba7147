"""``--factory module:attribute``: an object of the operator's that makes envs, and may change what they give.

It has, or is, a function ``make(env_id, **kwargs)``; the rest is optional::

    class Factory:
        ids = ("MyGame-v0",)                        # what it makes; without: every id of the command line
        def make(self, env_id, **kwargs): ...       # an env of gymnasium, gym, dm_env, or like one of these
        def on_reset(self, observation, info): ...                                # -> the two
        def on_step(self, observation, reward, terminated, truncated, info): ...  # -> the five
        def observation_space(self, space): ...     # -> the space of what on_reset and on_step give

``docs/environments.md`` tells more, ``examples/maze.py`` shows one.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

import gymnasium

from env_worker.foreign import as_gymnasium
from env_worker.multi import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

_HOOKS = {"on_reset": 2, "on_step": 5, "observation_space": 1}
"""What a factory may have, and how many arguments each takes."""


class BadFactory(Exception):
    """What ``--factory`` names is no factory: the operator's fault, and found before anything is served."""


class Factory:
    """The object that ``--factory`` names, checked. Raises ``BadFactory``."""

    def __init__(self, path: str) -> None:
        self.path = path
        thing = _load(path)
        make = getattr(thing, "make", thing)
        if not _takes(make, "MyGame-v0", all_of_them=False):  # what else it needs comes with each env
            raise BadFactory(f"{path}: expected a function make(env_id, **kwargs), or an object or a class that has it")
        self.make: Callable[..., Any] = make
        self._hooks: dict[str, Callable[..., Any]] = {}
        for name, count in _HOOKS.items():
            hook = getattr(thing, name, None)
            if hook is not None:
                if not _takes(hook, *range(count)):
                    raise BadFactory(f"{path}.{name}: expected a method of {count} arguments")
                self._hooks[name] = hook
        ids = getattr(thing, "ids", None)
        if isinstance(ids, str) or not (ids is None or all(isinstance(one, str) for one in _listed(ids))):
            raise BadFactory(f"{path}.ids: expected a list or tuple of env ids, got {ids!r:.80}")
        self._ids = None if ids is None else frozenset(ids)

    def makes(self, env_id: str) -> bool:
        """Whether envs of this id are its own to make."""
        return self._ids is None or env_id in self._ids

    def process(self, env: Any) -> Any:
        """``env`` with the factory's hooks around it, if it has any. Raises ``UnsupportedSpace`` and theirs."""
        if not self._hooks:
            return env
        if kind_of(env) is not None:
            raise TypeError(f"{self.path}: {', '.join(self._hooks)} are for envs of one agent, this one has many")
        return Processed(as_gymnasium(env), self.path, self._hooks)


class Processed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """What the hooks of a factory make of an env."""

    def __init__(self, env: gymnasium.Env[Any, Any], path: str, hooks: dict[str, Callable[..., Any]]) -> None:
        super().__init__(env)
        self._path = path
        self._on_reset, self._on_step = hooks.get("on_reset"), hooks.get("on_step")
        if "observation_space" in hooks:
            self.observation_space = hooks["observation_space"](env.observation_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the env's own, then ``on_reset``."""
        results = self.env.reset(seed=seed, options=options)
        return results if self._on_reset is None else self._checked("on_reset", self._on_reset(*results), 2)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the env's own, then ``on_step``."""
        results = self.env.step(action)
        return results if self._on_step is None else self._checked("on_step", self._on_step(*results), 5)

    def _checked(self, hook: str, results: Any, count: int) -> Any:
        if not isinstance(results, tuple) or len(results) != count:
            raise TypeError(f"{self._path}.{hook}: expected a tuple of {count} results, got {results!r:.80}")
        return results


def _load(path: str) -> Any:
    """The object at ``module:attribute``; of a class, one made without arguments."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise BadFactory(f"expected module:attribute, got {path!r}")
    try:
        thing = importlib.import_module(module_name)
        for part in name.split("."):
            thing = getattr(thing, part)
        return thing() if inspect.isclass(thing) else thing
    except Exception as error:  # a stranger's module may raise anything while it is imported
        raise BadFactory(f"{path}: {type(error).__name__}: {error}") from error


def _takes(function: Any, *arguments: Any, all_of_them: bool = True) -> bool:
    """Whether it can be called with so many arguments, as far as one can see; or with these and others."""
    if not callable(function):
        return False
    try:
        signature = inspect.signature(function)
        signature.bind(*arguments) if all_of_them else signature.bind_partial(*arguments)
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature
        return True
    return True


def _listed(ids: Any) -> list[Any]:
    return list(ids) if isinstance(ids, (list, tuple, set, frozenset)) else [None]
