"""What issue 4 asks for, and whether it is met. Each target is a ratio of two rows of a group, or one figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.figures import paired

if TYPE_CHECKING:
    from bench.figures import Spread
    from bench.rounds import Outcome


@dataclass(frozen=True)
class Target:
    """``row`` is to be ``sense`` ``bound`` times ``against``, by the median of the paired ratios."""

    point: str
    text: str
    group: str
    row: str
    against: str
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
    Target("6", "memory:// against aiVLE Gym", "lockstep", "ours-memory", "aivle", "at most", 1 / 3),
)


def judge(group: str, outcomes: dict[str, Outcome]) -> list[Verdict]:
    """The targets of a group whose rows were played."""
    verdicts = []
    for target in TARGETS:
        if target.group == group and target.row in outcomes and target.against in outcomes:
            found = paired(outcomes[target.row], outcomes[target.against], target.field)
            if found is not None:
                verdicts.append(Verdict(target, found))
    return verdicts
