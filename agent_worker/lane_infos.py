"""The info of a vector env, taken apart: one dict for each lane, as its own env gave it."""

from __future__ import annotations

from typing import Any

import numpy as np


def by_lane(infos: dict[Any, Any], num_envs: int) -> list[dict[Any, Any]]:
    """The inverse of what ``gymnasium.vector.VectorEnv`` makes of the infos of its lanes.

    ``{"k": array([1, 0]), "_k": array([True, False])}`` becomes ``[{"k": 1}, {}]``, through nested dicts. A key
    without its mask ``_k`` belongs to all lanes, as EnvPool has it. Numbers become Python's.
    """
    lanes: list[dict[Any, Any]] = [{} for _ in range(num_envs)]
    masks = {f"_{key}" for key in infos}
    for key, value in infos.items():
        if key in masks:
            continue
        values = by_lane(value, num_envs) if isinstance(value, dict) else value
        mask = infos.get(f"_{key}")
        for lane in range(num_envs) if mask is None else np.flatnonzero(mask):
            one = values[lane]
            lanes[lane][key] = one.item() if isinstance(one, np.generic) else one
    return lanes
