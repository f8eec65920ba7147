"""What both transports check before one mailbox is joined to another."""

from __future__ import annotations

from typing import Protocol


class Joinable(Protocol):
    """A mailbox that knows what it is part of."""

    joined: bool
    """What comes into it comes into another one."""
    many: bool
    """Others are joined to it."""


def refuse_chains(one: Joinable, other: Joinable) -> None:
    """Raise ``ValueError`` unless ``one`` is on its own, and ``other`` is not joined to a third."""
    if one is other or one.joined or one.many or other.joined:
        raise ValueError("a mailbox is joined once, to one that is not joined itself: there are no chains")
