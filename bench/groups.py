"""All groups of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import bounds, compression, frames, lanes, lockstep, settings, slow

if TYPE_CHECKING:
    from bench.rows import Group

GROUPS: tuple[Group, ...] = (
    lockstep.GROUP, lanes.GROUP, frames.GROUP, compression.GROUP, slow.GROUP, settings.GROUP, bounds.GROUP,
)  # fmt: skip
