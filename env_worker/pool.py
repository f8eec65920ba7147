"""EnvPool's envs as lanes (``--vector envpool``): Gymnasium's seeds, infos and autoreset modes on EnvPool's terms.

EnvPool is seeded when it is built, so ``reset(seed=...)`` builds it anew; lane ``i`` has the seed ``seed + i``. Its own
autoreset is Gymnasium's ``NEXT_STEP``; the other two modes reset the lanes that have ended, and those only.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

if TYPE_CHECKING:
    from collections.abc import Callable

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

OPERATORS_ONLY = frozenset({
    "base_path", "batch_size", "env_seed", "gym_reset_return_info", "max_num_players", "num_threads", "seed",
    "thread_affinity_offset",
})  # fmt: skip
"""Arguments of EnvPool that are about the worker's machine, or that would change what a lane is."""

MAX_SEED = 2**31 - 1


class NoEnvPool(Exception):
    """EnvPool cannot be used here; the text says why, and what to do."""


def import_envpool() -> Any:
    """The module ``envpool``. Raises ``NoEnvPool``."""
    try:
        return importlib.import_module("envpool")
    except ModuleNotFoundError as error:
        if error.name != "envpool":
            raise NoEnvPool(f"EnvPool cannot be imported: {error}") from error
        raise NoEnvPool("EnvPool is not installed here: pip install envpool") from None
    except Exception as error:  # it loads libraries, and says so in its own ways if it cannot
        raise NoEnvPool(f"EnvPool cannot be imported: {type(error).__name__}: {error}") from error


class PoolLanes(VectorEnv[Any, Any, Any]):
    """``num_envs`` envs of EnvPool. ``build`` makes the pool, and is given ``seed``: an int, or a list of ints.

    ``infos`` are EnvPool's of every lane (``elapsed_step`` and what the env adds), with the masks that Gymnasium has.
    Its ``env_id`` and ``players`` are left out: here they say that lane 0 comes first.
    """

    def __init__(self, env_id: str, build: Callable[..., Any], num_envs: int, mode: AutoresetMode) -> None:
        self._build, self.num_envs, self.autoreset_mode = build, num_envs, mode
        self._pool = build(seed=self._seeds(None))
        config = self._pool.config
        if config.get("max_num_players", 1) != 1:
            raise ValueError(f"{env_id} of EnvPool has {config['max_num_players']} players, and a lane has one")
        self.single_observation_space = self._pool.observation_space
        self.single_action_space = self._pool.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {"render_modes": ["rgb_array"], "autoreset_mode": mode}
        self.render_mode = getattr(self._pool, "render_mode", None)
        limits = {name: config.get(name) for name in ("max_episode_steps", "reward_threshold")}
        self.spec = SimpleNamespace(id=env_id, nondeterministic=False, **limits)  # type: ignore[assignment]  # no entry point
        self._ended: Mask = np.zeros(num_envs, np.bool_)
        self._observations: Any = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all lanes, or those of ``options["reset_mask"]``. Raises ``ValueError`` for what EnvPool has not."""
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        if options:
            raise ValueError(f"options: EnvPool takes none, got {', '.join(map(str, options))}")
        if mask is None:
            if seed is not None:
                self._pool.close()
                self._pool = self._build(seed=self._seeds(seed))
            mask = np.ones(self.num_envs, np.bool_)
            self._observations, infos = self._pool.reset()
        elif seed is None and self._observations is not None:
            infos = self._reset_lanes(self._observations, mask)
        else:
            raise ValueError("reset_mask: EnvPool is seeded and begun for all lanes at once: reset all of them first")
        self._ended = self._ended & ~mask
        return self._observations, _with_masks(infos, mask)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all lanes. Raises ``ValueError`` in the mode ``DISABLED`` while a lane that has ended is not reset."""
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            raise ValueError(f"lanes {np.flatnonzero(self._ended).tolist()} have ended: reset them by reset_mask")
        observations, rewards, terminated, truncated, found = self._pool.step(actions)
        self._observations, self._ended = observations, terminated | truncated
        infos = _with_masks(found, np.ones(self.num_envs, np.bool_))
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._ended.any():
            infos.update(_finals(observations, found, self._ended))
            _put(infos, self._ended, _told(self._reset_lanes(observations, self._ended)))
        return observations, rewards, terminated, truncated, infos

    def render(self) -> Any:
        """A tuple of frames, one for each lane."""
        return None if self.render_mode is None else tuple(self._pool.render(np.arange(self.num_envs, dtype=np.int32)))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the pool."""
        self._pool.close()

    def _reset_lanes(self, observations: Any, mask: Mask) -> dict[str, Any]:
        """Reset the lanes of ``mask`` and put what they observe into ``observations``; gives their infos."""
        begun, infos = self._pool.reset(np.flatnonzero(mask).astype(np.int32))
        _put(observations, mask, begun)
        return infos  # type: ignore[no-any-return]  # EnvPool is not typed

    def _seeds(self, seed: int | list[int | None] | None) -> list[int]:
        if isinstance(seed, int):
            seed = [seed + lane for lane in range(self.num_envs)]
        drawn = np.random.SeedSequence().generate_state(self.num_envs, np.uint32) & MAX_SEED
        given = seed or [None] * self.num_envs
        seeds = [int(other) if one is None else one for one, other in zip(given, drawn, strict=True)]
        odd = [one for one in seeds if not 0 <= one <= MAX_SEED]
        if odd:
            raise ValueError(f"seed: EnvPool takes seeds from 0 to {MAX_SEED}, got {odd[0]}")
        return seeds


def _told(infos: dict[str, Any]) -> dict[str, Any]:
    """What EnvPool says of each env, without which env it says it of."""
    return {key: values for key, values in infos.items() if key not in ("env_id", "players")}


def _with_masks(infos: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """EnvPool's infos of the lanes of ``mask``, as ``VectorEnv`` gives them: for all lanes, with who has them."""
    whole: dict[str, Any] = {}
    for key, values in _told(infos).items():
        if isinstance(values, dict):
            whole[key] = _with_masks(values, mask)
        else:
            whole[key] = np.zeros((len(mask), *values.shape[1:]), values.dtype)
            whole[key][mask] = values
        whole[f"_{key}"] = mask.copy()
    return whole


def _finals(observations: Any, infos: dict[str, Any], ended: Mask) -> dict[str, Any]:
    """``final_obs`` and ``final_info`` of the lanes that have ended."""
    final = np.full(len(ended), None, object)
    for lane in np.flatnonzero(ended):
        final[lane] = _of_lane(observations, lane)
    of_ended = _lanes_of(_told(infos), ended)
    return {
        "final_obs": final,
        "_final_obs": ended.copy(),
        "final_info": _with_masks(of_ended, ended),
        "_final_info": ended.copy(),
    }


def _lanes_of(values: Any, mask: Mask) -> Any:
    return {key: _lanes_of(part, mask) for key, part in values.items()} if isinstance(values, dict) else values[mask]


def _of_lane(values: Any, lane: Any) -> Any:
    """The value of one lane, with memory of its own."""
    if isinstance(values, dict):
        return {key: _of_lane(part, lane) for key, part in values.items()}
    return values[lane].copy()


def _put(whole: Any, mask: Mask, part: Any) -> None:
    """Write the values of the lanes of ``mask`` into those of all lanes."""
    if isinstance(part, dict):
        for key, values in part.items():
            _put(whole[key], mask, values)
    else:
        whole[mask] = part
