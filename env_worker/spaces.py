"""Spaces of gym and gymnasium to the protocol's specs (the other direction is ``protocol.spaces``)."""

from __future__ import annotations

import string
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
    Spec,
    TextSpec,
    TupleSpec,
)

if TYPE_CHECKING:
    from collections.abc import Callable


_CHARACTERS = f"{string.digits}{string.ascii_letters}{string.punctuation} \n"
ANY_TEXT = TextSpec(min_length=0, max_length=1024, characters=_CHARACTERS)
"""For a space of strings that an env brings itself, such as MiniGrid's missions: what is in it only its code knows."""


class UnsupportedSpace(TypeError):
    """A space that is none of the ten of Gymnasium, or uses a dtype that cannot travel."""


def to_spec(space: Any) -> Spec:
    """The spec of a gymnasium or gym 0.26 space. Raises ``UnsupportedSpace``.

    Goes by the names of the classes that a space descends from, because gym's spaces are not gymnasium's, and an env
    may bring a subclass of its own. Any other space of strings is told as ``ANY_TEXT``.
    """
    for kind in type(space).__mro__:
        convert = _CONVERT.get(kind.__name__)
        if convert is not None:
            return convert(space)
    if getattr(space, "dtype", None) == np.dtype(str):
        return ANY_TEXT
    raise UnsupportedSpace(f"{type(space).__name__} is none of the ten Gymnasium spaces: {', '.join(_CONVERT)}")


def _box(space: Any) -> Spec:
    return BoxSpec(
        shape=tuple(space.shape),
        dtype=space.dtype.name,
        low=space.low,
        high=space.high,
        bounded_below=space.bounded_below,
        bounded_above=space.bounded_above,
    )


def _discrete(space: Any) -> Spec:
    dtype = getattr(space, "dtype", None)
    return DiscreteSpec(n=int(space.n), start=int(space.start), dtype="int64" if dtype is None else dtype.name)


def _multi_binary(space: Any) -> Spec:
    return MultiBinarySpec(n=int(space.n) if isinstance(space.n, int) else tuple(int(size) for size in space.n))


def _multi_discrete(space: Any) -> Spec:
    start = getattr(space, "start", None)  # gym 0.26 has none
    return MultiDiscreteSpec(nvec=space.nvec, start=space.nvec * 0 if start is None else start, dtype=space.dtype.name)


def _text(space: Any) -> Spec:
    characters = getattr(space, "character_list", None) or sorted(space.character_set)
    return TextSpec(min_length=space.min_length, max_length=space.max_length, characters="".join(characters))


def _sequence(space: Any) -> Spec:
    return SequenceSpec(feature=to_spec(space.feature_space), stack=bool(getattr(space, "stack", False)))


def _graph(space: Any) -> Spec:
    edge = None if space.edge_space is None else to_spec(space.edge_space)
    return GraphSpec(node=to_spec(space.node_space), edge=edge)


_CONVERT: dict[str, Callable[[Any], Spec]] = {
    "Box": _box,
    "Discrete": _discrete,
    "MultiBinary": _multi_binary,
    "MultiDiscrete": _multi_discrete,
    "Text": _text,
    "Tuple": lambda space: TupleSpec(tuple(to_spec(part) for part in space.spaces)),
    "Dict": lambda space: DictSpec(tuple((key, to_spec(part)) for key, part in space.spaces.items())),
    "Sequence": _sequence,
    "Graph": _graph,
    "OneOf": lambda space: OneOfSpec(tuple(to_spec(part) for part in space.spaces)),
}
