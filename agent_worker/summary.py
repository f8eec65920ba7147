"""The figures that come of playing: ``Summary`` of what one process played, ``EvaluationSummary`` of what many did.

Next: ``to_json()``, ``report.summary_table``, ``plot.save_learning_curves``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

LAST = 500
"""How many steps the last part of a learning curve is."""


@dataclass(frozen=True, eq=False)
class Figures(ABC):
    """What is known of episodes that ended."""

    env_id: str
    returns: npt.NDArray[np.float64]
    """Sum of the rewards of each episode that ended, in the order of their numbers, float64, shape ``(episodes,)``."""
    lengths: npt.NDArray[np.int64]
    """Steps of each episode that ended, int64, shape ``(episodes,)``."""
    seconds: float
    """Wall-clock time of the whole: resets, policy and environment."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many steps were made."""

    @property
    def episodes(self) -> int:
        """How many episodes ended."""
        return len(self.returns)

    @property
    def return_mean(self) -> float | None:
        """Mean return of the episodes that ended."""
        return figure(self.returns, np.mean)

    @property
    def return_std(self) -> float | None:
        """Standard deviation (of the population, as ``numpy.std``) of these returns."""
        return figure(self.returns, np.std)

    @property
    def length_mean(self) -> float | None:
        """Mean number of steps of the episodes that ended."""
        return figure(self.lengths, np.mean)

    @property
    def steps_per_s(self) -> float | None:
        """Steps a second of wall-clock time, with everything that happens between them."""
        return self.steps / self.seconds if self.steps and self.seconds else None


@dataclass(frozen=True, eq=False)
class Summary(Figures):
    """What a rollout measured.

    An episode counts when it has ended by itself, terminated or truncated. One that was cut off, because the steps
    were used up or by Ctrl-C, is in ``steps``, ``rewards`` and ``reward_mean`` but not in the returns: a part of a
    return would say something false. So of an environment that never ends ``return_mean`` is None: look at
    ``reward_mean`` and ``reward_mean_last``. Figures of nothing are None, too.
    """

    rewards: npt.NDArray[np.float64]
    """Reward of each step, float64, shape ``(steps,)``: the learning curve. Steps of one message in order of lanes."""
    rtt_ns: npt.NDArray[np.int64]
    """Round trip of each ``env.step`` in nanoseconds, int64; one for all lanes that it steps."""
    interrupted: bool = False
    """True if Ctrl-C ended it early."""

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return len(self.rewards)

    @property
    def reward_mean(self) -> float | None:
        """Mean reward of all steps."""
        return figure(self.rewards, np.mean)

    @property
    def reward_mean_last(self) -> float | None:
        """Mean reward of the last 500 steps, or of all if there are fewer."""
        return figure(self.rewards[-LAST:], np.mean)

    @property
    def rtt_us_p50(self) -> float | None:
        """Median round trip of ``env.step`` in microseconds."""
        return self._rtt_us(50)

    @property
    def rtt_us_p99(self) -> float | None:
        """The round trip of ``env.step`` in microseconds that 99 of 100 steps stay below."""
        return self._rtt_us(99)

    def to_json(self) -> dict[str, Any]:
        """All figures as a dict that is JSON: numbers are finite, what is not is None."""
        names = (
            "env_id", "episodes", "steps", "return_mean", "return_std", "length_mean",
            "reward_mean", "reward_mean_last", "seconds", "steps_per_s", "rtt_us_p50", "rtt_us_p99", "interrupted",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def _rtt_us(self, percentile: int) -> float | None:
        return figure(self.rtt_ns, lambda rtt_ns: np.percentile(rtt_ns, percentile) / 1e3)


@dataclass(frozen=True, eq=False)
class EvaluationSummary(Figures):
    """What several agent workers found out together; of each episode, whoever played it."""

    evaluation: str
    """The name that they share it under."""
    played: int
    """Episodes that this process has played."""
    interrupted: bool = False
    """True if this process was ended early: then only the episodes that it knows of are here."""

    @property
    def steps(self) -> int:
        """Steps of all episodes."""
        return int(self.lengths.sum())

    @property
    def reward_mean(self) -> float | None:
        """Mean reward of all steps."""
        return figure(self.returns, lambda returns: returns.sum() / self.steps) if self.steps else None

    def to_json(self) -> dict[str, Any]:
        """All figures as a dict that is JSON; ``returns`` in the order of the episodes' numbers, from 0."""
        names = (
            "env_id", "evaluation", "episodes", "steps", "return_mean", "return_std", "length_mean", "reward_mean",
            "seconds", "steps_per_s", "played", "interrupted",
        )  # fmt: skip
        returns = [one if math.isfinite(one) else None for one in self.returns.tolist()]
        return {**{name: getattr(self, name) for name in names}, "returns": returns}


def figure(values: npt.NDArray[Any], of: Callable[[Any], Any]) -> float | None:
    """``of(values)``, or None where that is no number of JSON: of nothing, and where an env rewards with NaN or inf."""
    if not len(values):
        return None
    with np.errstate(all="ignore"):
        found = float(of(values))
    return found if math.isfinite(found) else None
