"""What a row of the table is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import Stage


@dataclass(frozen=True)
class Row:
    """One contender of one group. Rows of a group take turns in every round."""

    name: str
    about: str
    """For ``--list`` and the page: what runs, in how many processes."""
    play: Callable[[Stage], None]
    """Starts its servers and its agents on a stage."""
    order: dict[str, Any]
    """How much is measured in one turn: ``{"steps": n}`` or ``{"seconds": s}``."""
    reference: str = ""
    """Name of the row that its ratio is shown to, if that is another than its group's."""


@dataclass(frozen=True)
class Group:
    """Rows that are compared with each other."""

    name: str
    title: str
    figure: Literal["p50_us", "rate"]
    """What is compared: the median latency of a step, or units in a second of all agents together."""
    unit: str
    reference: str
    """Name of the row that ratios are shown to."""
    rows: tuple[Row, ...]
    turn_s: tuple[float, float]
    """Seconds that a turn takes on a quiet machine of two cores, the mean of all rows: to start and end what it needs;
    to warm up and measure."""
    most_rounds: int = 9
    """More rounds than these are not played, whatever was asked for."""

    def against(self, row: str) -> str:
        """Name of the row that the ratio of ``row`` is shown to."""
        own = {one.name: one.reference for one in self.rows}
        return own.get(row) or self.reference


@dataclass
class Turn:
    """What was measured of a row in one round."""

    figure: float
    """``Group.figure``."""
    p50_us: float
    p99_us: float
    rate: float
    """Units in a second, of all agents together, resets included."""
    steps: int
    resets: int
    cpu_us: dict[str, float] = field(default_factory=dict)
    """Microseconds of a core for each step, of agent, server and broker."""
    rates: list[float] = field(default_factory=list)
    """Units in a second of each agent."""

    @property
    def unfairness(self) -> float:
        """How many times as fast as the slowest agent the fastest was."""
        return max(self.rates) / min(self.rates)
