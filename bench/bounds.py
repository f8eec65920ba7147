"""Group ``bounds``: why ours is slower than the limit. The ends of ``raw`` compute as long as those of ours use a core.

``raw+70`` is ``raw`` whose two ends compute for 70 us each before they send. Where that takes as long as ours, it is
the processor's time that bounds ours; where ``raw`` alone takes as long as a target allows, it is the broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import frames, lanes, lockstep
from bench.broker import Tuning
from bench.lanes import LANES, MANY
from bench.lockstep import ENV, echo
from bench.rows import Group, Row
from bench.stage import tuned

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import Stage

STEPS = {"steps": 1500}
AWAKE, ASLEEP = Tuning(copy="one"), Tuning("+sbwt none")


@dataclass(frozen=True)
class Case:
    """One way to step, beside what limits it."""

    about: str
    env: tuple[str, ...]
    """Id, and how many lanes."""
    ours: Callable[[Stage], None]
    busy_us: tuple[int, ...]
    """How long the ends of ``raw`` compute before they send: a row each."""
    tuning: Tuning = AWAKE

    def rows(self, name: str) -> list[Row]:
        """Each beside ``raw``."""
        limit = f"{name} raw"
        plays = {limit: ("the limit", echo("raw_echo", *self.env))}
        for us in self.busy_us:
            about = f"both ends of the limit compute for {us} us before they send"
            plays[f"{limit}+{us}"] = about, echo("raw_echo", *self.env, ways=[f"busy={us}"])
        plays[f"{name} ours"] = "over RabbitMQ, in lockstep", self.ours
        return [
            Row(row, f"{about}; {self.about}", tuned(self.tuning, play), STEPS, limit)
            for row, (about, play) in plays.items()
        ]


CASES = {
    "step": Case("one CartPole", (ENV,), lockstep.ours(), (35, 70, 105)),
    "asleep": Case("the same, schedulers sleep at once (+sbwt none)", (ENV,), lockstep.ours(), (70,), ASLEEP),
    "64": Case("64 lanes, --vector entry-point", (ENV, str(LANES)), lanes.ours(LANES, "entry-point"), (120,)),
    "1024": Case("1,024 lanes, --vector entry-point", (ENV, str(MANY)), lanes.ours(MANY, "entry-point"), (160,)),
    "frames": Case("16 lanes of 84 x 84 x 4", (frames.ENV, frames.LANES), frames.ours, (150,)),
}

GROUP = Group(
    name="bounds",
    title="What bounds a step: raw, raw whose ends compute, and ours: p50 of a step",
    figure="p50_us",
    unit="us",
    reference="raw",
    rows=tuple(row for name, case in CASES.items() for row in case.rows(name)),
    turn_s=(1.1, 0.7),
    most_rounds=5,
)
