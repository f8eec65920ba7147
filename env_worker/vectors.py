"""The vector back-ends: how the lanes of an episode are made and stepped (``--vector``)."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.vector.utils import batch_space

from env_worker.catalogue import BadKwargs
from env_worker.foreign import PresentEnv, as_gymnasium
from env_worker.host import close_quietly
from env_worker.loop import LoopLanes
from env_worker.multi import kind_of
from env_worker.pool import OPERATORS_ONLY, PoolLanes, import_envpool
from env_worker.spaces import UnsupportedSpace, to_spec

if TYPE_CHECKING:
    from gymnasium.vector import AutoresetMode, VectorEnv

    from env_worker.catalogue import Entry

AUTORESET_MODES = {mode.name.lower(): mode for mode in gymnasium.vector.AutoresetMode}


@dataclass(frozen=True)
class Lanes:
    """N lanes, and what they are made of."""

    env: VectorEnv[Any, Any, Any]
    api: str = "gymnasium"
    """``gym`` if each lane is an env of gym."""
    graph: Any = gymnasium.spaces.GraphInstance
    """What the lanes' Graph spaces are made of."""


def make_lanes(
    entry: Entry, kwargs: dict[str, Any], render_mode: str | None, num_envs: int, autoreset_mode: str, backend: str
) -> Lanes:
    """``num_envs`` lanes of ``entry``. Raises ``BadKwargs``, ``UnsupportedSpace``, or whatever the env raises."""
    mode = AUTORESET_MODES.get(autoreset_mode)
    if mode is None:
        raise BadKwargs(f"autoreset_mode: expected one of {', '.join(AUTORESET_MODES)}, got {autoreset_mode!r}")
    if backend == "envpool":
        return _envpool(entry, kwargs, render_mode, num_envs, mode)
    if backend == "entry-point":
        return _entry_point(entry, kwargs, render_mode, num_envs, mode)
    return _loop(entry, kwargs, render_mode, num_envs, mode)


def _loop(
    entry: Entry, kwargs: dict[str, Any], render_mode: str | None, num_envs: int, mode: AutoresetMode
) -> Lanes:
    """Envs of whichever library, one after the other. Nothing is left open if one of them cannot be had."""
    envs: list[gymnasium.Env[Any, Any]] = []
    with contextlib.ExitStack() as made:
        for _ in range(num_envs):
            env = entry.make(kwargs, render_mode)
            made.callback(close_quietly, env)
            if kind_of(env) is not None:
                raise BadKwargs(f"num_envs: {entry.env_id} is an env of many agents, which has no lanes")
            envs.append(as_gymnasium(env))
            _check_spaces(envs, num_envs)
        vector = LoopLanes(envs, mode)
        made.pop_all()
    hosted = envs[0].hosted if isinstance(envs[0], PresentEnv) else None
    return Lanes(vector) if hosted is None else Lanes(vector, hosted.api, hosted.graph)


def _check_spaces(envs: list[gymnasium.Env[Any, Any]], num_envs: int) -> None:
    """The first lane's spaces can be batched, and those of the newest are the same. Raises ``UnsupportedSpace``."""
    first, newest = envs[0], envs[-1]
    for name in ("observation_space", "action_space"):
        space, wanted = getattr(newest, name), getattr(first, name)
        if newest is not first:
            if space != wanted:
                text = f"lane {len(envs) - 1} has the {name} {space}, lane 0 has {wanted}"
                raise UnsupportedSpace(f"lanes need equal spaces: {text}")
            continue
        to_spec(space)
        try:
            batch_space(space, num_envs)
        except Exception as error:  # what it raises for what it cannot batch is Gymnasium's affair
            text = f"the {name} {space} cannot be batched for {num_envs} lanes: {type(error).__name__}: {error}"
            raise UnsupportedSpace(text) from error


def _entry_point(
    entry: Entry, kwargs: dict[str, Any], render_mode: str | None, num_envs: int, mode: AutoresetMode
) -> Lanes:
    """Gymnasium's own vector env of that id."""
    spec = gymnasium.registry.get(entry.env_id) if entry.api == "gymnasium" else None
    if spec is None or spec.vector_entry_point is None:
        raise BadKwargs(f"{entry.env_id} has no vector entry point; serve it with --vector loop")

    def build(**kwargs: Any) -> Any:
        return gymnasium.make_vec(entry.env_id, num_envs, vectorization_mode="vector_entry_point", **kwargs)

    env = entry.build_with(build, kwargs, render_mode)
    found = env.metadata.get("autoreset_mode")
    if found is not mode:
        close_quietly(env)
        has = getattr(found, "name", str(found)).lower()
        text = f"the vector entry point of {entry.env_id} has {has}, got {mode.name.lower()!r}"
        raise BadKwargs(f"autoreset_mode: {text}")
    return Lanes(env)


def _envpool(
    entry: Entry, kwargs: dict[str, Any], render_mode: str | None, num_envs: int, mode: AutoresetMode
) -> Lanes:
    """EnvPool's envs of that id, in whichever mode."""
    clash = sorted(OPERATORS_ONLY & set(kwargs))
    if clash:
        raise BadKwargs(f"{entry.env_id}: {', '.join(clash)} cannot be set by an agent")

    def build(**kwargs: Any) -> Any:
        make = functools.partial(import_envpool().make_gymnasium, entry.env_id, num_envs=num_envs, **kwargs)
        return PoolLanes(entry.env_id, make, num_envs, mode)

    return Lanes(entry.build_with(build, kwargs, render_mode))
