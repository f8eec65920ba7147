"""A run that ends because its worker is lost, as a percept: truncated, a reward of 0, the last observation once more.

``info["worker_lost"]`` says why; for lanes as ``VectorEnv`` gathers it, with its mask ``_worker_lost``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.spaces import GraphInstance
from gymnasium.vector.utils import batch_space, iterate

from protocol.coders import coder
from protocol.spaces import to_space
from protocol.specs import SequenceSpec

if TYPE_CHECKING:
    from protocol.description import Description
    from protocol.messages import Percept

WORKER_LOST = "worker_lost"
"""Key of the info."""


def is_over(percept: Percept) -> bool:
    """Whether the run has ended with it; of lanes: those of all of them."""
    if isinstance(percept.terminated, bytes) and isinstance(percept.truncated, bytes):
        return all(a or b for a, b in zip(percept.terminated, percept.truncated, strict=True))
    return bool(percept.terminated or percept.truncated)


def truncated(last: Percept, why: str, lanes: int | None) -> Percept:
    """What an act gives when its worker is lost. ``lanes``: of a vector env; all of them are truncated."""
    if lanes is None:
        return replace(last, reward=0.0, terminated=False, truncated=True, info={WORKER_LOST: why})
    return _ended(last, lanes, _each(why, lanes))


def truncated_and_begun(last: Percept, why: str, begun: Percept, description: Description) -> Percept:
    """The same where lanes are reset in the step in which they end: ``begun`` is what the reset gave."""
    lanes = description.num_envs
    assert lanes is not None
    all_of_them = np.ones(lanes, np.bool_)
    info = {
        "final_obs": _by_lane(last.observation, description, lanes),
        "_final_obs": all_of_them.copy(),
        "final_info": _each(why, lanes),
        "_final_info": all_of_them,
        **begun.info,
    }
    return _ended(begun, lanes, info)


def _ended(percept: Percept, lanes: int, info: dict[Any, Any]) -> Percept:
    return replace(percept, reward=bytes(8 * lanes), terminated=bytes(lanes), truncated=b"\1" * lanes, info=info)


def _each(why: str, lanes: int) -> dict[Any, Any]:
    return {WORKER_LOST: np.full(lanes, why, dtype=object), f"_{WORKER_LOST}": np.ones(lanes, np.bool_)}


def _by_lane(wire: Any, description: Description, lanes: int) -> Any:
    """What each lane observed, in an array of objects."""
    spec = description.observation_space
    space = batch_space(to_space(spec, gymnasium.spaces), lanes)
    stacked = coder(SequenceSpec(spec, stack=True), bounds=False, graph=GraphInstance, name="observations").decode(wire)
    each = np.full(lanes, None, dtype=object)
    for lane, one in enumerate(iterate(space, stacked)):
        each[lane] = one
    return each
