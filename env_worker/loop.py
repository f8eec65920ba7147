"""Lanes of envs in this process, stepped one after the other: what ``SyncVectorEnv`` gives, at less than its cost.

A lane costs its env's own step and a few assignments: nothing is gathered where an env says nothing, and what all lanes
observe is put into one block by one call. What is rare or odd goes the way that Gymnasium has for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box, MultiBinary, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate

from env_worker.compat import flag, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import gymnasium

    Five = tuple[Any, Any, Any, Any, dict[str, Any]]

_ARRAYS = (Box, MultiBinary, MultiDiscrete)
_ARRAY = {np.ndarray}


class LoopLanes(VectorEnv[Any, Any, Any]):
    """The lanes ``envs``, whose spaces are equal: results, infos and their order are those of ``SyncVectorEnv``.

    ``mode``: when a lane that has ended is reset. What ``reset`` and ``step`` give is overwritten by the next of them.
    """

    def __init__(self, envs: Sequence[gymnasium.Env[Any, Any]], mode: AutoresetMode) -> None:
        first, count = envs[0], len(envs)
        self.envs, self.num_envs, self.autoreset_mode = list(envs), count, mode
        self.metadata = {**(first.metadata or {}), "autoreset_mode": mode}
        self.render_mode = first.render_mode
        self.single_observation_space, self.single_action_space = first.observation_space, first.action_space
        self.observation_space = batch_space(self.single_observation_space, count)
        self.action_space = batch_space(self.single_action_space, count)
        self._seen: list[Any] = [None] * count
        """What each lane observed last."""
        block: Any = create_empty_array(self.single_observation_space, count)
        self._block = block
        """What all lanes observed last, as ``step`` gives it."""
        shape = self.single_observation_space.shape
        plain = type(self.single_observation_space) in _ARRAYS and shape
        self._rows = block.reshape(count * shape[0], *shape[1:]) if plain and shape else None
        """The same memory, with the first dimension of each lane behind that of the one before; None: no arrays."""
        self._length = set(shape[:1]) if shape else set()
        self._rewards = np.zeros(count, np.float64)
        self._terminated, self._truncated = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self._ended = [False] * count

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all lanes, or those of ``options["reset_mask"]`` (bool, one for each lane), which the envs do not see.

        Of an int ``seed`` lane ``i`` gets ``seed + i``. Raises ``ValueError`` for a mask without a True.
        """
        if not isinstance(seed, list):
            seed = [None if seed is None else seed + lane for lane in range(self.num_envs)]
        mask = None
        if options is not None and "reset_mask" in options:
            options = dict(options)
            mask = options.pop("reset_mask")
            if not mask.any():
                raise ValueError(f"reset_mask: expected a True for some lane, got {mask}")
        infos: dict[str, Any] = {}
        lanes = range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist()
        for lane in lanes:
            self._ended[lane] = False
        for lane in lanes:
            self._seen[lane], info = self.envs[lane].reset(seed=seed[lane], options=options)
            infos = self._add_info(infos, info, lane)
        return self._stack(), infos

    def step(self, actions: Any) -> Five:
        """Observations, rewards float64 (N,), terminated and truncated bool (N,), infos.

        In the mode ``NEXT_STEP`` a lane that has ended is reset instead; in ``SAME_STEP`` one that ends is, at once.
        """
        ended, seen = self._ended, self._seen
        rewards, terminated, truncated = self._rewards, self._terminated, self._truncated
        at_once = self.autoreset_mode is AutoresetMode.SAME_STEP
        infos: dict[str, Any] = {}
        nothing: dict[str, Any] = {}
        pairs = zip(self.envs, iterate(self.action_space, actions), strict=True)
        for lane, (env, action) in enumerate(pairs):
            if ended[lane] and not at_once:
                waits = self.autoreset_mode is AutoresetMode.NEXT_STEP
                assert waits, f"lanes have ended and were not reset: {np.flatnonzero(ended).tolist()}"
                seen[lane], info = env.reset(seed=None, options=None)
                rewards[lane], terminated[lane], truncated[lane] = 0.0, False, False
            else:
                seen[lane], reward, over, cut, info = env.step(action)
                rewards[lane] = reward if type(reward) is float else number(reward)
                terminated[lane] = over if type(over) is bool else flag("terminated", over)
                truncated[lane] = cut if type(cut) is bool else flag("truncated", cut)
                if at_once and (terminated[lane] or truncated[lane]):
                    infos = self._add_info(infos, {"final_obs": seen[lane], "final_info": info}, lane)
                    seen[lane], info = env.reset(seed=None, options=None)
            if info != nothing:
                infos = self._add_info(infos, info, lane)
        self._ended = (terminated | truncated).tolist()
        return self._stack(), rewards, terminated, truncated, infos

    def _stack(self) -> Any:
        """What the lanes have seen, as one value of the space of them all."""
        seen = self._seen
        if self._rows is not None and set(map(type, seen)) == _ARRAY:
            try:
                if set(map(len, seen)) == self._length:
                    np.concatenate(seen, out=self._rows)  # looks at their other dimensions itself
                    return self._block
            except (TypeError, ValueError):
                pass  # of another shape, or of a dtype that does not fit: Gymnasium has an error for that
        self._block = concatenate(self.single_observation_space, seen, self._block)
        return self._block

    def render(self) -> tuple[Any, ...]:
        """A frame of each lane."""
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the envs."""
        for env in self.envs:
            env.close()
