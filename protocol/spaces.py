"""The protocol's specs to spaces of gymnasium or gym, whichever module is given: nothing of theirs is imported here.

The other direction is ``env_worker.spaces``: it needs no library, for it goes by names.
"""

from __future__ import annotations

from collections import OrderedDict
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.specs import (
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
    from collections.abc import Callable
    from types import ModuleType

    from protocol.specs import Spec


def to_space(spec: Spec, spaces: ModuleType) -> Any:
    """The space of ``spec``, of the library whose module ``spaces`` is (``gymnasium.spaces`` or ``gym.spaces``).

    Raises ``TypeError`` for what gym 0.26 does not have: OneOf, stacked Sequence, a start of MultiDiscrete, dtypes of
    Discrete. Use ``api="gymnasium"`` for such envs. Gymnasium has the last since 1.2.3.
    """
    return _BUILD[type(spec)](spec, spaces)


def _box(spec: BoxSpec, spaces: ModuleType) -> Any:
    """An integer box without a bound was made from an infinity, and samples otherwise than one bounded at the end."""
    low, high = (np.broadcast_to(bound, spec.shape).astype(spec.dtype) for bound in (spec.low, spec.high))
    if np.issubdtype(low.dtype, np.integer):
        low = np.where(spec.bounded_below, low, -np.inf) if not np.all(spec.bounded_below) else low
        high = np.where(spec.bounded_above, high, np.inf) if not np.all(spec.bounded_above) else high
    return spaces.Box(low=low, high=high, shape=spec.shape, dtype=np.dtype(spec.dtype))


def _discrete(spec: DiscreteSpec, spaces: ModuleType) -> Any:
    if spec.dtype == "int64":
        return spaces.Discrete(spec.n, start=spec.start)
    if not _is_modern(spaces):
        raise _not_in_gym(f"a Discrete space of {spec.dtype}")
    if "dtype" not in signature(spaces.Discrete).parameters:
        raise TypeError(f"a Discrete space of {spec.dtype} needs Gymnasium 1.2.3 or newer here")
    return spaces.Discrete(spec.n, start=spec.start, dtype=np.dtype(spec.dtype))


def _multi_discrete(spec: MultiDiscreteSpec, spaces: ModuleType) -> Any:
    nvec, dtype = np.asarray(spec.nvec), np.dtype(spec.dtype)
    if _is_modern(spaces):
        return spaces.MultiDiscrete(nvec, dtype=dtype, start=np.asarray(spec.start))
    if np.any(np.asarray(spec.start)):
        raise _not_in_gym("a MultiDiscrete space with a start")
    return spaces.MultiDiscrete(nvec, dtype=dtype)


def _sequence(spec: SequenceSpec, spaces: ModuleType) -> Any:
    feature = to_space(spec.feature, spaces)
    if _is_modern(spaces):
        return spaces.Sequence(feature, stack=spec.stack)
    if spec.stack:
        raise _not_in_gym("a stacked Sequence space")
    return spaces.Sequence(feature)


def _dict(spec: DictSpec, spaces: ModuleType) -> Any:
    # An OrderedDict keeps its order; a plain dict would be sorted by its keys.
    return spaces.Dict(OrderedDict((key, to_space(part, spaces)) for key, part in spec.items))


def _graph(spec: GraphSpec, spaces: ModuleType) -> Any:
    edge = None if spec.edge is None else to_space(spec.edge, spaces)
    return spaces.Graph(node_space=to_space(spec.node, spaces), edge_space=edge)


def _one_of(spec: OneOfSpec, spaces: ModuleType) -> Any:
    if not _is_modern(spaces):
        raise _not_in_gym("the OneOf space")
    return spaces.OneOf([to_space(part, spaces) for part in spec.spaces])


def _text(spec: TextSpec, spaces: ModuleType) -> Any:
    return spaces.Text(spec.max_length, min_length=spec.min_length, charset=spec.characters)


_BUILD: dict[type, Callable[[Any, ModuleType], Any]] = {
    BoxSpec: _box,
    DiscreteSpec: _discrete,
    MultiBinarySpec: lambda spec, spaces: spaces.MultiBinary(spec.n),
    MultiDiscreteSpec: _multi_discrete,
    TextSpec: _text,
    TupleSpec: lambda spec, spaces: spaces.Tuple([to_space(part, spaces) for part in spec.spaces]),
    DictSpec: _dict,
    SequenceSpec: _sequence,
    GraphSpec: _graph,
    OneOfSpec: _one_of,
}


def _is_modern(spaces: ModuleType) -> bool:
    """Whether it is gymnasium's module."""
    return hasattr(spaces, "OneOf")


def _not_in_gym(what: str) -> TypeError:
    return TypeError(f'gym 0.26 has not {what}; use api="gymnasium" for this env')
