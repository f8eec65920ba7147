"""What lanes observed last in a run, in ``infos["final_obs"]``: values of the space again, as ``VectorEnv`` has them.

Infos travel without a space, and a graph is a tuple there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import GraphInstance

from protocol.specs import DictSpec, GraphSpec, OneOfSpec, SequenceSpec, TupleSpec

if TYPE_CHECKING:
    from protocol.specs import Spec


def has_graphs(spec: Spec) -> bool:
    """Whether there is a Graph in the space."""
    if isinstance(spec, (TupleSpec, OneOfSpec)):
        return any(map(has_graphs, spec.spaces))
    if isinstance(spec, DictSpec):
        return any(has_graphs(part) for _, part in spec.items)
    return isinstance(spec, GraphSpec) or (isinstance(spec, SequenceSpec) and has_graphs(spec.feature))


def with_graphs(spec: Spec, infos: dict[Any, Any]) -> dict[Any, Any]:
    """``infos`` with Gymnasium's graphs in ``final_obs``, which is an entry for each lane, None where none ended."""
    found = infos.get("final_obs")
    if not isinstance(found, np.ndarray) or found.dtype != np.object_ or found.ndim != 1:
        return infos
    each = np.full(len(found), None, dtype=object)
    for lane, value in enumerate(found):
        each[lane] = None if value is None else _of_space(spec, value)
    return {**infos, "final_obs": each}


def _of_space(spec: Spec, value: Any) -> Any:
    """``value`` with its graphs; what is not of the space stays as it came: the env's own fault, as it is locally."""
    match spec:
        case GraphSpec() if isinstance(value, tuple) and len(value) == 3:
            return GraphInstance(*value)
        case TupleSpec() if isinstance(value, tuple) and len(value) == len(spec.spaces):
            return tuple(_of_space(part, one) for part, one in zip(spec.spaces, value, strict=True))
        case DictSpec() if isinstance(value, dict):
            parts = dict(spec.items)
            return {key: _of_space(parts[key], one) if key in parts else one for key, one in value.items()}
        case SequenceSpec() if isinstance(value, tuple):
            return tuple(_of_space(spec.feature, one) for one in value)
        case OneOfSpec() if isinstance(value, tuple) and len(value) == 2 and _is_choice(spec, value[0]):
            return value[0], _of_space(spec.spaces[value[0]], value[1])
    return value


def _is_choice(spec: OneOfSpec, number: Any) -> bool:
    return isinstance(number, (int, np.integer)) and int(number) in range(len(spec.spaces))
