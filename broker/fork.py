"""A connection does not survive ``fork``: the child must neither use it nor keep its socket open.

A child that kept the socket would share its parent's byte stream, and would hide the parent's death from the broker.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

from broker.errors import ConnectionForked


class Forkable(Protocol):
    """What is told about a fork."""

    def forked(self) -> None:
        """Called in the child, on the only thread there. Must touch no lock of the parent and send nothing."""


_inherited: weakref.WeakSet[Forkable] = weakref.WeakSet()


def watch(connection: Forkable) -> None:
    """Call ``connection.forked()`` in every child that this process forks from now on."""
    _inherited.add(connection)


def refusal(label: str) -> ConnectionForked:
    """The error of a connection that a child inherited."""
    return ConnectionForked(
        f"the connection to {label} was opened by the parent of process {os.getpid()}; a forked child must open its "
        f"own: call broker.connect or broker.shared in the child"
    )


def _in_child() -> None:
    for connection in list(_inherited):
        connection.forked()


os.register_at_fork(after_in_child=_in_child)
