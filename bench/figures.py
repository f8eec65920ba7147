"""From turns to figures. Contenders are compared within a round, where the machine was the same for both."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.rounds import Outcome


@dataclass(frozen=True)
class Spread:
    """The median of some values, and how far they lie apart."""

    median: float
    low: float
    """The least."""
    high: float
    """The greatest."""
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def figures(outcome: Outcome, name: str = "figure") -> list[float]:
    """A field of all turns that there were."""
    return [getattr(turn, name) for turn in outcome.turns if turn is not None]


def paired(outcome: Outcome, reference: Outcome, name: str = "figure") -> Spread | None:
    """The ratio to the reference in each round, the two measured within the same minute. None: no common round."""
    ratios = [
        getattr(turn, name) / getattr(other, name)
        for turn, other in zip(outcome.turns, reference.turns, strict=False)
        if turn is not None and other is not None
    ]
    return spread(ratios) if ratios else None


def short(value: float) -> str:
    """Three digits that mean something, and no exponent."""
    if not math.isfinite(value) or value == 0:
        return str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
