"""What issue 4 asks for, and whether it is met. Each is a ratio of two rows of a group, or one figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.figures import figures, paired, spread

if TYPE_CHECKING:
    from bench.figures import Spread
    from bench.rounds import Outcome


@dataclass(frozen=True)
class Target:
    """``row`` is to be ``sense`` ``bound`` times ``against``, by the median of the paired ratios.

    ``row`` is one of the group; of ``growth``, a number of episodes.

    ``against`` is None: the field itself, by the median of its turns.
    """

    point: str
    text: str
    group: str
    row: str
    against: str | None
    sense: Literal["at most", "at least"]
    bound: float
    field: str = "figure"


@dataclass(frozen=True)
class Verdict:
    """A target, what was found, and whether that meets it."""

    target: Target
    found: Spread

    @property
    def met(self) -> bool:
        """Whether it is met."""
        at_most = self.target.sense == "at most"
        return self.found.median <= self.target.bound if at_most else self.found.median >= self.target.bound


TARGETS = (
    Target("2", "a step against the raw limit", "lockstep", "ours", "raw", "at most", 1.35),
    Target("2", "a step against aiVLE Gym", "lockstep", "ours", "aivle", "at most", 1.0),
    Target("2", "a step against Gymie", "lockstep", "ours", "gymie", "at most", 1.25),
    Target("3", "lanes in lockstep, loop, one stepper", "lanes", "ours", "async", "at least", 5.0),
    Target("3", "two episodes in flight, one stepper", "lanes", "ours-flight-1", "sync", "at least", 0.9),
    Target("3", "two episodes in flight, two steppers", "lanes", "ours-flight-2", "sync", "at least", 1.2),
    Target("3", "lanes with the vector entry point", "lanes", "ours-entry-point", "async", "at least", 20.0),
    Target("3", "1,024 lanes, loop", "lanes", "ours-1024", "sync-1024", "at least", 0.5),
    Target("3", "1,024 lanes, entry point", "lanes", "ours-entry-point-1024", "entry-point-1024", "at least", 0.5),
    Target("4", "frames against the raw limit", "frames", "ours", "raw", "at least", 0.75),
    Target("5", "8 workers: 0.9 of 8 times one", "slow", "ours-8", "ours-1", "at least", 7.2),
    Target("5", "8 agents, 8 workers: fastest to slowest", "slow", "ours-8", None, "at most", 1.3, "unfairness"),
    Target("5", "8 agents, 2 workers: fastest to slowest", "slow", "ours-2-of-8", None, "at most", 1.3, "unfairness"),
    Target("7", "episodes opened a second, by one agent", "growth", "1000", None, "at least", 100.0, "opened_per_s"),
    Target("7", "the same, at once", "growth", "1000", None, "at least", 100.0, "opened_at_once_per_s"),
    Target("6", "memory:// against aiVLE Gym", "lockstep", "ours-memory", "aivle", "at most", 1 / 3),
)


def judge(group: str, outcomes: dict[str, Outcome]) -> list[Verdict]:
    """The targets of a group whose rows were played."""
    mine = [(target, _found(target, outcomes)) for target in TARGETS if target.group == group]
    return [Verdict(target, found) for target, found in mine if found is not None]


def _found(target: Target, outcomes: dict[str, Outcome]) -> Spread | None:
    row = outcomes.get(target.row)
    if row is None or not figures(row):
        return None
    if target.against is None:
        return spread(figures(row, target.field))
    against = outcomes.get(target.against)
    return paired(row, against, target.field) if against is not None else None
