"""All that is fuzzed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz import children, connections, decoders, dialogues, evaluations, frames

if TYPE_CHECKING:
    from fuzz.target import Target

TARGETS: tuple[Target, ...] = tuple(
    target
    for module in (decoders, dialogues, evaluations, children, frames, connections)
    for target in module.TARGETS
)


def by_name(name: str) -> Target:
    """The target of that name. Raises ``KeyError``."""
    return {target.name: target for target in TARGETS}[name]
