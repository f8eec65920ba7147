"""One vector env over several episodes: what is for all lanes split into parts, and the parts joined again.

All parts have the same number of lanes. Values are split and joined in their wire forms (``protocol.coders``), where
the lanes of an array lie one behind the other; so what is checked and built for the whole is as for a single episode.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from protocol.errors import DecodeError
from protocol.specs import BoxSpec, DictSpec, DiscreteSpec, MultiBinarySpec, MultiDiscreteSpec, TupleSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from protocol.messages import Percept
    from protocol.specs import Spec

_NUMBERS = (BoxSpec, DiscreteSpec, MultiBinarySpec, MultiDiscreteSpec)

_MISSING = object()

Infos = dict[Any, Any]


class Whole(NamedTuple):
    """The percepts of all parts as one; the fields are those of ``Percept``."""

    reward: bytes
    terminated: bytes
    truncated: bytes
    info: Infos
    observation: Any


def split(spec: Spec, wire: Any, parts: int) -> list[Any]:
    """The stacked form of the values of all lanes -> those of the parts. ``wire`` is of our own coder."""
    if isinstance(spec, (TupleSpec, DictSpec)):
        within = [split(part, one, parts) for part, one in zip(_subspaces(spec), wire, strict=True)]
        return [list(of_part) for of_part in zip(*within, strict=True)] if within else [[] for _ in range(parts)]
    size = len(wire) // parts
    return [wire[size * part : size * (part + 1)] for part in range(parts)]


def join(spec: Spec, wires: Sequence[Any]) -> Any:
    """The stacked forms of the parts -> that of all lanes, in memory of its own.

    Raises ``DecodeError`` unless they are equally long.
    """
    if isinstance(spec, (TupleSpec, DictSpec)):
        spaces = list(_subspaces(spec))
        _expect(wires, (list,), len(spaces))
        return [join(space, within) for space, within in zip(spaces, zip(*wires, strict=True), strict=True)]
    if isinstance(spec, _NUMBERS):
        _expect(wires, (bytes, memoryview), None)
        return memoryview(bytearray().join(wires))
    _expect(wires, (list,), None)
    return list(chain.from_iterable(wires))


def _subspaces(spec: TupleSpec | DictSpec) -> Iterator[Spec]:
    return iter(spec.spaces) if isinstance(spec, TupleSpec) else (part for _, part in spec.items)


def _expect(wires: Sequence[Any], kinds: tuple[type, ...], length: int | None) -> None:
    sizes = {len(wire) if type(wire) in kinds else None for wire in wires}
    if None in sizes or len(sizes) > 1 or length not in (None, *sizes):
        raise DecodeError(f"the parts of the observation do not have the same form and length ({kinds[0].__name__})")


def join_percepts(spec: Spec, percepts: Sequence[Percept], lanes: int) -> Whole:
    """The percepts of parts of ``lanes`` lanes each, as one. Raises ``DecodeError``; ``ValueError`` for odd infos."""
    wires = []
    for percept in percepts:
        for part, size in ((percept.reward, 8 * lanes), (percept.terminated, lanes), (percept.truncated, lanes)):
            if not isinstance(part, bytes) or len(part) != size:
                raise DecodeError(f"a percept is not of {lanes} lanes")
        wire = percept.observation
        if type(wire) is not list or len(wire) != 2 or wire[0] != lanes:
            raise DecodeError(f"an observation is not of {lanes} lanes")
        wires.append(wire[1])
    names = ("reward", "terminated", "truncated")
    rewards, terminated, truncated = (b"".join([getattr(percept, name) for percept in percepts]) for name in names)
    infos = join_infos([percept.info for percept in percepts], lanes)
    return Whole(rewards, terminated, truncated, infos, [lanes * len(percepts), join(spec, wires)])


def join_infos(infos: Sequence[Infos], lanes: int) -> Infos:
    """Infos of parts of ``lanes`` lanes each, as ``VectorEnv`` would have gathered them lane by lane.

    The first part that has a key decides on its dtype, as the first lane does there. What is no array of lanes, as a
    foreign vector env may give it, is given to each lane of its part. Raises ``ValueError`` if the values of a key do
    not fit together.
    """
    whole: Infos = {}
    for key in dict.fromkeys(chain.from_iterable(infos)):
        values = [info.get(key, _MISSING) for info in infos]
        masks = [info.get(f"_{key}") for info in infos]
        try:
            if any(isinstance(value, dict) for value in values):
                whole[key] = _join_dicts(values, masks, lanes)
                continue
            whole[key] = _join_arrays([_per_lane(value, lanes) for value in values], masks, lanes)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the infos {key!r} of the lanes do not fit together: {error}") from error
    return whole


def _join_dicts(values: Sequence[Any], masks: Sequence[Any], lanes: int) -> Infos:
    """Of lanes that gave a dict. What others gave stands under the lane's number, as ``VectorEnv`` has it."""
    if not isinstance(next(value for value in values if value is not _MISSING), dict):
        raise ValueError("some gave a dict, but not the first")
    whole = join_infos([value if isinstance(value, dict) else {} for value in values], lanes)
    for part, (value, mask) in enumerate(zip(values, masks, strict=True)):
        if value is not _MISSING and not isinstance(value, dict):
            each = _per_lane(value, lanes)
            whole |= {lanes * part + lane: _alone(each[lane]) for lane in _lanes_of(mask, lanes)}
    return whole


def _lanes_of(mask: Any, lanes: int) -> list[int]:
    """Who gave a value: all, if the vector env does not say."""
    told = isinstance(mask, np.ndarray) and mask.shape == (lanes,)
    return [int(lane) for lane in np.flatnonzero(mask)] if told else list(range(lanes))


def _alone(value: Any) -> Any:
    """An item of an array as the lane gave it: what an array holds by default are Python's own numbers."""
    return value.item() if isinstance(value, (np.int64, np.float64, np.bool_)) else value


def _per_lane(value: Any, lanes: int) -> Any:
    if value is _MISSING or (isinstance(value, np.ndarray) and value.ndim and len(value) == lanes):
        return value
    array = np.full(lanes, None, dtype=object)
    several = isinstance(value, (list, tuple)) and len(value) == lanes
    for lane in range(lanes):
        array[lane] = value[lane] if several else value
    return array


def _join_arrays(values: Sequence[Any], masks: Sequence[Any], lanes: int) -> Any:
    first = next(value for value in values if value is not _MISSING)
    shape = (lanes * len(values), *first.shape[1:])
    whole = np.full(shape, None, dtype=object) if first.dtype == object else np.zeros(shape, first.dtype)
    for part, (value, mask) in enumerate(zip(values, masks, strict=True)):
        if value is _MISSING:
            continue
        own = whole[lanes * part : lanes * (part + 1)]
        if value.dtype == first.dtype and value.shape == own.shape:
            own[:] = value
            continue
        for lane in _lanes_of(mask, lanes):
            own[lane] = _alone(value[lane])
    return whole


def split_seeds(seed: Any, parts: int, lanes: int) -> list[Any]:
    """Seeds of the parts: an int ``s`` means that lane ``i`` of all has ``s + i``; a list has one for each lane."""
    if seed is None:
        return [None] * parts
    if isinstance(seed, list):
        return [seed[lanes * part : lanes * (part + 1)] for part in range(parts)]
    return [seed + lanes * part for part in range(parts)]
