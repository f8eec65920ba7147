"""What is played for a seat whose agent is missing: the plainest action of its space, the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.dtypes import SPACE_DTYPES
from protocol.spec_types import (
    BoxSpec,
    DictSpec,
    DiscreteSpec,
    GraphSpec,
    MultiBinarySpec,
    MultiDiscreteSpec,
    OneOfSpec,
    SequenceSpec,
    TextSpec,
    TupleSpec,
)

if TYPE_CHECKING:
    from protocol.spec_types import Spec


def default_action(spec: Spec, mask: Any = None) -> Any:
    """The default action, as it travels (``protocol.coders``): decode it with the coder of the space.

    =================  ==============================================================================
    Discrete           the first that ``mask`` (an array of n, true for what is legal) allows; without a mask, or
                       if it allows none: ``start``
    Box                0, or the bound that is nearest to it
    MultiBinary        all 0
    MultiDiscrete      ``start``
    Text               the shortest, of the first character
    Tuple, Dict        the default of each part
    Sequence, Graph    empty
    OneOf              the default of the first space
    =================  ==============================================================================
    """
    match spec:
        case DiscreteSpec():
            return spec.start + _first_legal(mask, spec.n)
        case BoxSpec() | MultiBinarySpec() | MultiDiscreteSpec():
            return _plainest(spec).astype(SPACE_DTYPES[spec.dtype]).tobytes()
        case TextSpec():
            return spec.characters[:1] * spec.min_length
        case TupleSpec():
            return [default_action(part) for part in spec.spaces]
        case DictSpec():
            return [default_action(part) for _, part in spec.items]
        case OneOfSpec():
            return [0, default_action(spec.spaces[0])]
        case SequenceSpec():
            return [0, _nothing(spec.feature)] if spec.stack else []
        case GraphSpec():
            return [0, _nothing(spec.node), 0, None, None]


def _plainest(spec: BoxSpec | MultiBinarySpec | MultiDiscreteSpec) -> Any:
    if isinstance(spec, BoxSpec):
        return np.broadcast_to(np.clip(0, spec.low, spec.high), spec.shape)
    return np.zeros(spec.shape) if isinstance(spec, MultiBinarySpec) else np.asarray(spec.start)


def _first_legal(mask: Any, n: int) -> int:
    if mask is None:
        return 0
    legal = np.flatnonzero(np.asarray(mask).ravel()[:n])
    return int(legal[0]) if len(legal) else 0


def _nothing(spec: Spec) -> Any:
    """The stacked form of no values."""
    match spec:
        case TupleSpec():
            return [_nothing(part) for part in spec.spaces]
        case DictSpec():
            return [_nothing(part) for _, part in spec.items]
        case BoxSpec() | MultiBinarySpec() | MultiDiscreteSpec() | DiscreteSpec():
            return b""
        case _:
            return []
