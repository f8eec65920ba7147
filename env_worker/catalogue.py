"""Which envs this worker serves: an allow-list. An agent names an entry of it and can never name code."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium

from env_worker import drawing, price
from env_worker.compat import import_gym, modern_metadata, renders_by_mode
from env_worker.factory import BadFactory, Factory
from env_worker.foreign import accept
from env_worker.host import close_quietly
from env_worker.pool import NoEnvPool, import_envpool

if TYPE_CHECKING:
    from collections.abc import Callable

    from env_worker.settings import WorkerSettings


NOT_FOR_AGENTS = {
    "id", "render_mode", "num_envs", "vectorization_mode", "vector_kwargs", "wrappers", "disable_env_checker",
    "apply_api_compatibility", "autoreset",
}  # fmt: skip
"""Arguments of ``make`` and ``make_vec`` themselves. ``max_episode_steps`` is not among them: it is a wish of users."""


class CatalogueError(Exception):
    """Something on the worker's command line cannot be served; the text says what, and what there is."""


class WrongOption(CatalogueError):
    """An option of the worker's command line that cannot be followed here: exit code 2."""


class BadKwargs(Exception):
    """Keyword arguments of an agent that the env or the operator refuses."""


@dataclass(frozen=True)
class Entry:
    """One env that may be asked for."""

    env_id: str
    api: str
    """``gymnasium``, ``gym``, ``class`` for a dotted path, ``factory``, or ``envpool`` for what nobody else has."""
    build: Callable[..., Any]
    fixed: dict[str, Any]
    """Keyword arguments that the operator set."""
    factory: Factory | None = None

    def make(self, kwargs: dict[str, Any], render_mode: str | None) -> Any:
        """A new env. Raises ``BadKwargs``, ``TypeError`` for what is no env, or whatever the env raises."""
        made = self.build_with(self.build, kwargs, render_mode)
        drawing.keep_apart()
        try:
            made_by = self.env_id if self.factory is None else f"the factory {self.factory.path}"
            env = accept(made, made_by, render_mode)
            env = env if self.factory is None else self.factory.process(env)
            supported = modern_metadata(env).get("render_modes", ())
            # make of gym collects frames for a mode that ends so, and does not say it in the metadata.
            wanted = render_mode.removesuffix("_list") if render_mode and self.api == "gym" else render_mode
            if wanted is not None and wanted not in supported:
                raise BadKwargs(f"render_mode: {self.env_id} has {list(supported)}, got {render_mode!r}")
        except BaseException:
            close_quietly(made)
            raise
        return env

    def build_with(self, build: Callable[..., Any], kwargs: dict[str, Any], render_mode: str | None) -> Any:
        """What ``build`` makes of the arguments of operator and agent. Raises ``BadKwargs``, or what it raises."""
        clash = sorted(set(kwargs) & ({*self.fixed} | NOT_FOR_AGENTS))
        if clash:
            raise BadKwargs(f"{self.env_id}: {', '.join(clash)} cannot be set by an agent")
        if render_mode == "human":
            raise BadKwargs("render_mode: expected one that sends frames, such as rgb_array; human draws at the worker")
        modes = {} if render_mode is None or renders_by_mode(build) else {"render_mode": render_mode}
        try:
            return build(**self.fixed, **kwargs, **modes)
        except (TypeError, ValueError, KeyError, AssertionError, gymnasium.error.Error) as error:
            if kwargs or modes:
                given = ", ".join([*kwargs, *modes])
                raise BadKwargs(f"{self.env_id} refuses {given}: {type(error).__name__}: {error}") from error
            raise


class Served(Protocol):
    """What a worker serves."""

    entries: dict[str, Entry]

    def get(self, env_id: str) -> Entry | None:
        """The entry of exactly that id, if it is served."""


class Catalogue:
    """The entries that a worker was told to serve. Raises ``CatalogueError`` if one of them does not exist."""

    def __init__(self, settings: WorkerSettings) -> None:
        price.register()
        for module in settings.imports:
            _import(module, "--import")
        factory = _factory(settings.factory)
        pooled = _pooled(settings)
        self.entries = {env_id: _find(env_id, settings, factory, pooled) for env_id in settings.env_ids}

    def get(self, env_id: str) -> Entry | None:
        """The entry of exactly that id, if it is served."""
        return self.entries.get(env_id)


def known_ids() -> dict[str, list[str]]:
    """All ids that could be served here without an import of the user's, by library."""
    price.register()
    return {"gymnasium": sorted(gymnasium.registry), "gym": sorted(import_gym().envs.registration.registry)}


def _factory(path: str | None) -> Factory | None:
    try:
        return None if path is None else Factory(path)
    except BadFactory as error:
        raise WrongOption(f"--factory: {error}") from error


def _pooled(settings: WorkerSettings) -> frozenset[str]:
    """The served ids, if EnvPool is to step their lanes: it must have all of them."""
    if settings.vector != "envpool":
        return frozenset()
    if settings.factory is not None:
        raise WrongOption("--vector envpool: a factory makes envs one by one; leave out one of the two options")
    try:
        known = import_envpool().list_all_envs()
    except NoEnvPool as error:
        raise WrongOption(f"--vector envpool: {error}") from error
    strangers = [env_id for env_id in settings.env_ids if env_id not in known]
    if strangers:
        raise WrongOption(f"--vector envpool: EnvPool has no {', '.join(strangers)}; see envpool.list_all_envs()")
    return frozenset(settings.env_ids)


def _lanes_only(env_id: str, **kwargs: Any) -> Any:
    raise BadKwargs(f"{env_id} is an env of EnvPool, which has lanes only: ask for some (make_vec, num_envs=1)")


def _find(env_id: str, settings: WorkerSettings, factory: Factory | None, pooled: frozenset[str]) -> Entry:
    fixed = settings.kwargs_of(env_id)
    if factory is not None and factory.makes(env_id):
        return Entry(env_id, "factory", functools.partial(factory.make, env_id), fixed, factory)
    module_name, colon, name = env_id.partition(":")
    if colon:
        module = _import(module_name, env_id)
        target = _attribute(module, name)
        if target is not None:
            return Entry(env_id, "class", target, fixed)
    else:
        name = env_id
    if settings.backend in ("auto", "gymnasium"):
        found = _in_gymnasium(env_id, name, fixed)
        if found is not None:
            return found
    if settings.backend in ("auto", "gym"):
        found = _in_gym(env_id, name, fixed)
        if found is not None:
            return found
    if env_id in pooled:
        return Entry(env_id, "envpool", functools.partial(_lanes_only, env_id), fixed)
    where = "gymnasium and gym" if settings.backend == "auto" else settings.backend
    hint = "see `env-worker list`, or use --import"
    raise CatalogueError(f"unknown env id {env_id!r}: not registered in {where}; {hint}")


def _in_gymnasium(env_id: str, name: str, fixed: dict[str, Any]) -> Entry | None:
    try:
        gymnasium.spec(name)
    except gymnasium.error.Error:
        return None

    def build(**kwargs: Any) -> Any:
        # An act before the first reset, or a render, is refused by the dialogue: no wrapper need look at each step.
        spec = dataclasses.replace(gymnasium.spec(name), order_enforce=False)
        return gymnasium.make(spec, **{"disable_env_checker": True, **kwargs})

    return Entry(env_id, "gymnasium", build, fixed)


def _in_gym(env_id: str, name: str, fixed: dict[str, Any]) -> Entry | None:
    gym = import_gym()
    try:
        gym.spec(name)
    except gym.error.Error:
        return None

    def build(**kwargs: Any) -> Any:
        # gym's own checker breaks on numpy 2 (np.bool8), and what leaves here is checked anyway.
        return gym.make(name, **{"disable_env_checker": True, **kwargs})

    return Entry(env_id, "gym", build, fixed)


def _import(module: str, wanted_by: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:  # a stranger's module may raise anything while it is imported
        text = f"{wanted_by}: cannot import {module!r}: {type(error).__name__}: {error}"
        raise CatalogueError(text) from error


def _attribute(module: Any, path: str) -> Callable[..., Any] | None:
    target = module
    for part in path.split("."):
        target = getattr(target, part, None)
    return target if callable(target) else None
