"""Which versions of the wire protocol this side speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
"""Version of every message that this side writes."""

SPOKEN: tuple[int, ...] = (1,)
"""All versions that this side understands, best last."""


def choose(offered: Iterable[int]) -> int | None:
    """Highest version that both sides speak, or None if there is none."""
    return max(set(offered) & set(SPOKEN), default=None)
