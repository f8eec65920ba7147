"""All that is fuzzed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz import decoders, dialogues, frames

if TYPE_CHECKING:
    from fuzz.target import Target

TARGETS: tuple[Target, ...] = (*decoders.TARGETS, *dialogues.TARGETS, *frames.TARGETS)


def by_name(name: str) -> Target:
    """The target of that name. Raises ``KeyError``."""
    return {target.name: target for target in TARGETS}[name]
