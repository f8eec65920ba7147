"""Coders of any number of values that Gymnasium keeps stacked: of graphs, and of sequences with ``stack=True``.

``protocol.coders_arrays.ArrayBatch`` is the one for numbers. Use them through ``protocol.coders``.
"""

from __future__ import annotations

from typing import Any, Protocol

from protocol.coders_misfit import each, expect_items, expect_keys, expect_list, inside


class Node(Protocol):
    """One value <-> wire. Both methods raise ``Misfit``."""

    def encode(self, value: Any) -> Any: ...

    def decode(self, wire: Any) -> Any: ...


class Batch(Protocol):
    """A stacked value <-> wire; ``count`` tells how many are in a stacked value. All methods raise ``Misfit``."""

    def count(self, value: Any) -> int: ...

    def encode(self, value: Any, count: int) -> Any: ...

    def decode(self, wire: Any, count: int) -> Any: ...


class TupleBatch:
    """A tuple of stacked values. Wire: list of these."""

    __slots__ = ("_batches",)

    def __init__(self, batches: tuple[Batch, ...]) -> None:
        self._batches = batches

    def count(self, value: Any) -> int:
        expect_items(value, len(self._batches))
        count: int = inside("[0]", self._batches[0].count, value[0]) if self._batches else 0
        return count

    def encode(self, value: Any, count: int) -> Any:
        expect_items(value, len(self._batches))
        return [inside(f"[{at}]", batch.encode, value[at], count) for at, batch in enumerate(self._batches)]

    def decode(self, wire: Any, count: int) -> Any:
        expect_list(wire, len(self._batches))
        return tuple([inside(f"[{at}]", batch.decode, wire[at], count) for at, batch in enumerate(self._batches)])


class DictBatch:
    """A dict of stacked values. Wire: list of these, in the order of the space."""

    __slots__ = ("_batches",)

    def __init__(self, batches: dict[Any, Batch]) -> None:
        self._batches = batches

    def count(self, value: Any) -> int:
        expect_keys(value, self._batches)
        count: int = 0
        for key, batch in self._batches.items():
            count = inside(f"[{key!r}]", batch.count, value[key])
            break
        return count

    def encode(self, value: Any, count: int) -> Any:
        expect_keys(value, self._batches)
        return [inside(f"[{key!r}]", batch.encode, value[key], count) for key, batch in self._batches.items()]

    def decode(self, wire: Any, count: int) -> Any:
        expect_list(wire, len(self._batches))
        pairs = zip(self._batches.items(), wire, strict=True)
        return {key: inside(f"[{key!r}]", batch.decode, part, count) for (key, batch), part in pairs}


class ListBatch:
    """Values that do not stack (text, sequences, graphs, choices): a tuple. Wire: list."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def count(self, value: Any) -> int:
        expect_items(value)
        return len(value)

    def encode(self, value: Any, count: int) -> Any:
        expect_items(value, count)
        return each(self._node.encode, value)

    def decode(self, wire: Any, count: int) -> Any:
        expect_list(wire, count)
        return tuple(each(self._node.decode, wire))
