"""Whether a memory is flat: a straight line fitted through its samples, and how sure its slope is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

BIN_S = 60.0
"""Samples are averaged over so many seconds before the fit."""


@dataclass(frozen=True)
class Slope:
    """A slope in MB (1e6 bytes) an hour, with the ends of its 95 % confidence interval."""

    mb_an_hour: float
    low: float
    high: float
    first_mb: float
    """On the fitted line, at the first and at the last sample."""
    last_mb: float
    points: int

    def flat(self, limit: float) -> bool:
        """Growth of ``limit`` MB an hour is ruled out, and none of more than a fifth of that is shown."""
        return self.low <= limit / 5 and self.high < limit

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


def fit(seconds: Sequence[float], size: Sequence[float]) -> Slope:
    """Fit ``size`` (bytes) over ``seconds``, both of the same length, through means of ``BIN_S`` each.

    The interval is widened by what successive residuals have in common: memory that went up a moment ago is still up.
    Raises ``ValueError`` for fewer than five bins.
    """
    bins: dict[int, list[tuple[float, float]]] = {}
    for second, value in zip(seconds, size, strict=True):
        bins.setdefault(int((second - seconds[0]) // BIN_S), []).append((second / 3600.0, value / 1e6))
    hours, mb = np.array([np.mean(found, axis=0) for found in bins.values()]).T if bins else (np.array([]),) * 2
    count = len(hours)
    if count < 5:
        raise ValueError(f"a slope needs samples of 5 minutes at least, got {count} bins of {BIN_S:g} s")
    slope, start = np.polyfit(hours, mb, 1)
    residuals = mb - (slope * hours + start)
    spread = float(np.sum((hours - hours.mean()) ** 2))
    error = float(np.sqrt(np.sum(residuals**2) / (count - 2) / spread))
    power = float(np.sum(residuals**2))
    common = float(np.sum(residuals[1:] * residuals[:-1])) / power if power > 0.0 else 0.0
    common = min(max(common, 0.0), 0.9)
    reach = student(count - 2) * error * ((1 + common) / (1 - common)) ** 0.5
    at = [float(slope * hour + start) for hour in (hours[0], hours[-1])]
    return Slope(float(slope), float(slope - reach), float(slope + reach), at[0], at[1], count)


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t, to 1 % from 3 degrees of freedom on."""
    return 1.96 + 2.372 / freedom + 2.822 / freedom**2 + 2.556 / freedom**3
