"""Coders of the spaces that are made of others. Use them through ``protocol.coders``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.coders_arrays import Numbers
from protocol.coders_misfit import Misfit, describe, each, expect_items, expect_keys, expect_list, inside
from protocol.dtypes import SPACE_DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.coders_batches import Batch, Node

_MOST_ITEMS = 2**24
"""Of a batch whose items take no bytes, so that the length of what came says nothing."""


class TupleNode:
    """Wire: list of the parts."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self._nodes = nodes

    def encode(self, value: Any) -> Any:
        expect_items(value, len(self._nodes))
        wire: list[Any] = []
        try:
            for node, item in zip(self._nodes, value, strict=True):
                wire.append(node.encode(item))
        except Misfit as misfit:
            misfit.under(f"[{len(wire)}]")
            raise
        return wire

    def decode(self, wire: Any) -> Any:
        expect_list(wire, len(self._nodes))
        items: list[Any] = []
        try:
            for node, item in zip(self._nodes, wire, strict=True):
                items.append(node.decode(item))
        except Misfit as misfit:
            misfit.under(f"[{len(items)}]")
            raise
        return tuple(items)


class DictNode:
    """Wire: list of the values, in the order of the space."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: dict[Any, Node]) -> None:
        self._nodes = nodes

    def encode(self, value: Any) -> Any:
        expect_keys(value, self._nodes)
        wire = []
        for key, node in self._nodes.items():
            try:
                wire.append(node.encode(value[key]))
            except Misfit as misfit:
                misfit.under(f"[{key!r}]")
                raise
        return wire

    def decode(self, wire: Any) -> Any:
        expect_list(wire, len(self._nodes))
        value = {}
        for (key, node), item in zip(self._nodes.items(), wire, strict=True):
            try:
                value[key] = node.decode(item)
            except Misfit as misfit:
                misfit.under(f"[{key!r}]")
                raise
        return value


class OneOfNode:
    """Wire: list of the index and the value of that space."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self._nodes = nodes

    def encode(self, value: Any) -> Any:
        if not isinstance(value, (tuple, list)) or len(value) != 2 or not isinstance(value[0], (int, np.integer)):
            raise Misfit("a pair of an index and a value", describe(value))
        index = int(value[0])
        node = self._chosen(index)
        try:
            return [index, node.encode(value[1])]
        except Misfit as misfit:
            misfit.under("[1]")
            raise

    def decode(self, wire: Any) -> Any:
        expect_list(wire, 2)
        node = self._chosen(wire[0])
        try:
            return np.int64(wire[0]), node.decode(wire[1])
        except Misfit as misfit:
            misfit.under("[1]")
            raise

    def _chosen(self, index: Any) -> Node:
        if type(index) is not int or not 0 <= index < len(self._nodes):
            raise Misfit(f"an index from 0 to {len(self._nodes) - 1}", describe(index), "[0]")
        return self._nodes[index]


class SequenceNode:
    """Wire: list of the items."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def encode(self, value: Any) -> Any:
        expect_items(value)
        return each(self._node.encode, value)

    def decode(self, wire: Any) -> Any:
        if type(wire) is not list:
            raise Misfit("a list", describe(wire))
        return tuple(each(self._node.decode, wire))


class StackNode:
    """A stacked sequence. Wire: list of how many items there are, and the stacked value."""

    __slots__ = ("_batch",)

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def encode(self, value: Any) -> Any:
        count = self._batch.count(value)
        return [count, self._batch.encode(value, count)]

    def decode(self, wire: Any) -> Any:
        if type(wire) is not list or len(wire) != 2:
            expect_list(wire, 2)
        count = wire[0]
        if type(count) is not int or not 0 <= count <= _MOST_ITEMS:
            _length(count)
        return self._batch.decode(wire[1], count)


def _length(wire: Any) -> int:
    if type(wire) is not int or not 0 <= wire <= _MOST_ITEMS:
        raise Misfit(f"a length from 0 to {_MOST_ITEMS}", describe(wire))
    return wire


class GraphNode:
    """Wire: list of number of nodes, stacked nodes, number of edges, stacked edges, bytes of the links (int32 pairs).

    The last two are None for a graph without edges.
    """

    __slots__ = ("_bounds", "_edges", "_graph", "_links", "_nodes")

    def __init__(self, nodes: Batch, edges: Batch | None, bounds: bool, graph: Callable[[Any, Any, Any], Any]) -> None:
        self._nodes, self._edges, self._bounds, self._graph = nodes, edges, bounds, graph
        self._links = Numbers(SPACE_DTYPES["int32"], (2,), None)

    def encode(self, value: Any) -> Any:
        if not isinstance(value, (tuple, list)) or len(value) != 3:
            raise Misfit("nodes, edges and edge_links", describe(value))
        nodes, edges, links = value
        count = inside(".nodes", self._nodes.count, nodes)
        wire = [count, inside(".nodes", self._nodes.encode, nodes, count)]
        if edges is None and links is None:
            return [*wire, 0, None, None]
        if self._edges is None or edges is None or links is None:
            expected = "None for edges and edge_links" if self._edges is None else "edges with edge_links, or neither"
            raise Misfit(expected, f"{describe(edges)} and {describe(links)}")
        size = inside(".edges", self._edges.count, edges)
        array = self._checked(inside(".edge_links", self._links.take, links, (size, 2)), count)
        return [*wire, size, inside(".edges", self._edges.encode, edges, size), array.tobytes()]

    def decode(self, wire: Any) -> Any:
        expect_list(wire, 5)
        count, size = _length(wire[0]), _length(wire[2])
        nodes = inside(".nodes", self._nodes.decode, wire[1], count)
        if wire[3] is None and wire[4] is None and size == 0:
            return self._graph(nodes, None, None)
        if self._edges is None:
            raise Misfit("no edges", describe(wire[3]))
        edges = inside(".edges", self._edges.decode, wire[3], size)
        links = inside(".edge_links", self._links.give, wire[4], (size, 2), size * 8)
        return self._graph(nodes, edges, self._checked(links, count))

    def _checked(self, links: Any, count: int) -> Any:
        if self._bounds and links.size and not (links.min() >= 0 and links.max() < count):
            raise Misfit(f"links between {count} nodes", f"{links.min()} to {links.max()}", ".edge_links")
        return links
