"""Values of a space <-> what a message carries of them, by walking the space: no tags, dtypes or shapes on the wire.

``coder(spec, bounds=...)`` compiles a spec once; its ``encode`` and ``decode`` are the hot path. Wire forms:

=============================  ========================================================================================
Box, MultiBinary,              bytes of all elements, little-endian, row-major; a numpy scalar of a Box of shape () in
MultiDiscrete                  a list of one
Discrete                       int
Text                           str
Tuple                          list of the parts
Dict                           list of the values, in the order of the space
OneOf                          list: index, value
Sequence                       list of the items
Sequence with stack            list: number of items, their stacked form
Graph                          list: number of nodes, stacked nodes, number of edges, stacked edges, bytes of the links
                               (two int32 for each edge); the last two None and no edges if it has none
=============================  ========================================================================================

The stacked form of n values: for Box, MultiBinary, MultiDiscrete and Discrete the bytes of all of them; for Tuple and
Dict the list of the stacked parts; for all others the list of the n values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from protocol.coders_arrays import ArrayBatch, ArrayNode, DiscreteNode, PointNode, TextNode
from protocol.coders_batches import Batch, DictBatch, ListBatch, Node, TupleBatch
from protocol.coders_composite import DictNode, GraphNode, OneOfNode, SequenceNode, StackNode, TupleNode
from protocol.coders_misfit import Misfit
from protocol.dtypes import SPACE_DTYPES, DType
from protocol.errors import DecodeError, OutsideSpace
from protocol.spec_types import (
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

    from protocol.spec_types import Bound


class Graph(NamedTuple):
    """A value of a graph space, as Gymnasium's ``GraphInstance``."""

    nodes: Any
    """Stacked nodes: for a Box of shape (a, b) an array of shape (n, a, b)."""
    edges: Any
    """Stacked edges, or None."""
    edge_links: Any
    """(number of edges, 2) int32: the nodes that each edge connects; or None."""


class Coder:
    """Codes the values of one space."""

    __slots__ = ("_node", "name", "spec")

    def __init__(self, spec: Spec, node: Node, name: str) -> None:
        self.spec, self._node, self.name = spec, node, name

    def encode(self, value: Any) -> Any:
        """What a message carries of ``value``: bytes, int, str, None, or lists of these.

        Numbers of the same kind are cast to the space's dtype, Python numbers and lists are converted. Raises
        ``OutsideSpace``, naming the place, what was expected and what came.
        """
        try:
            return self._node.encode(value)
        except Misfit as misfit:
            raise OutsideSpace(misfit.text(self.name)) from misfit.__cause__

    def decode(self, wire: Any) -> Any:
        """The value, of exactly the space's types, with writable arrays. Raises ``DecodeError`` and nothing else."""
        try:
            return self._node.decode(wire)
        except Misfit as misfit:
            raise DecodeError(misfit.text(self.name)) from None


def coder(
    spec: Spec,
    *,
    bounds: bool,
    graph: Callable[[Any, Any, Any], Any] = Graph,
    name: str | None = None,
    lend: bool = False,
) -> Coder:
    """Compile ``spec``.

    ``bounds``: True for actions, whose membership in the space is checked as Gymnasium's ``contains`` does, on both
    sides; False for observations, which stray in many envs, so that only structure, shape and type are checked.
    ``graph``: what to build graphs with, from nodes, edges and edge_links. ``name``: what errors call the value.
    ``lend``: long arrays are encoded as views of the value's own memory, for who puts them into a message at once.
    """
    return Coder(spec, _Build(bounds, graph, lend).node(spec), name or ("action" if bounds else "observation"))


class _Build:
    """From specs to nodes and batches."""

    def __init__(self, bounds: bool, graph: Callable[[Any, Any, Any], Any], lend: bool) -> None:
        self._bounds, self._graph, self._lend = bounds, graph, lend

    def node(self, spec: Spec) -> Node:
        match spec:
            case BoxSpec() | MultiBinarySpec() | MultiDiscreteSpec():
                kind = ArrayNode if spec.shape else PointNode
                return kind(SPACE_DTYPES[spec.dtype], spec.shape, self._bounds_of(spec), lend=self._lend)
            case DiscreteSpec():
                return DiscreteNode(SPACE_DTYPES[spec.dtype], *_range(spec, self._bounds))
            case TextSpec():
                return TextNode(spec, self._bounds)
            case TupleSpec():
                return TupleNode(tuple(map(self.node, spec.spaces)))
            case DictSpec():
                return DictNode({key: self.node(part) for key, part in spec.items})
            case OneOfSpec():
                return OneOfNode(tuple(map(self.node, spec.spaces)))
            case SequenceSpec():
                return StackNode(self.batch(spec.feature)) if spec.stack else SequenceNode(self.node(spec.feature))
            case GraphSpec():
                edges = None if spec.edge is None else self.batch(spec.edge)
                return GraphNode(self.batch(spec.node), edges, self._bounds, self._graph)

    def batch(self, spec: Spec) -> Batch:
        match spec:
            case BoxSpec() | MultiBinarySpec() | MultiDiscreteSpec():
                return ArrayBatch(SPACE_DTYPES[spec.dtype], spec.shape, self._bounds_of(spec), lend=self._lend)
            case DiscreteSpec():
                return ArrayBatch(SPACE_DTYPES[spec.dtype], (), _range(spec, True) if self._bounds else None)
            case TupleSpec():
                return TupleBatch(tuple(map(self.batch, spec.spaces)))
            case DictSpec():
                return DictBatch({key: self.batch(part) for key, part in spec.items})
            case _:
                return ListBatch(self.node(spec))

    def _bounds_of(self, spec: BoxSpec | MultiBinarySpec | MultiDiscreteSpec) -> tuple[Bound, Bound] | None:
        if not self._bounds:
            return None
        if isinstance(spec, BoxSpec):
            return spec.low, spec.high
        if isinstance(spec, MultiBinarySpec):
            return 0, 1
        return spec.start, _last(spec, SPACE_DTYPES[spec.dtype])


def _range(spec: DiscreteSpec, bounds: bool) -> tuple[int, int]:
    info = np.iinfo(SPACE_DTYPES[spec.dtype])
    return (spec.start, min(spec.start + spec.n - 1, info.max)) if bounds else (info.min, info.max)


def _last(spec: MultiDiscreteSpec, dtype: DType) -> Bound:
    """``start + nvec - 1``, or the largest number of the dtype where that is beyond it."""
    most, start, more = np.iinfo(dtype).max, spec.start, spec.nvec - 1
    return np.where(more > most - np.maximum(start, 0), most, start + more).astype(dtype)
