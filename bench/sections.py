"""The parts of a run, one after the other, each with what it found: tables, numbers and a picture."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench import growth, growth_words, profile, table
from bench.groups import GROUPS
from bench.processes import BenchFailed
from bench.rounds import play
from bench.targets import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.rounds import Outcome
    from bench.rows import Group, Row
    from bench.stage import House
    from bench.table import Cells

PROFILE_ROUNDS, GROWTH_ROUNDS = 5, 3
"""Their rounds are long, and their figures are no ratios of rivals."""


@dataclass
class Section:
    """What one part found."""

    name: str
    title: str
    tables: dict[str, Cells]
    """By their titles."""
    numbers: Any
    """All that was measured, for JSON."""
    failures: dict[str, str] = field(default_factory=dict)
    found: Any = None
    """For the picture: the outcomes of a group's rows, or a ``Growth``."""
    words: str = ""
    """What the figures say, for the page."""
    others: list[float] = field(default_factory=list)
    """Shares of all cores that others than the benchmark took, in each measurement."""
    took_s: float = 0.0


@dataclass(frozen=True)
class Choice:
    """What of the benchmark is run."""

    groups: tuple[tuple[Group, tuple[Row, ...]], ...]
    growth: bool
    profile: bool


def choose(words: Sequence[str]) -> Choice:
    """By the words of ``--only``: a group, ``growth``, ``profile``, a row of any group, or ``group/row``. None: all.

    Raises ``ValueError`` for a word that means nothing.
    """
    wanted = {word for given in words for word in given.split(",") if word}
    known = {name for group in GROUPS for row in group.rows for name in _names(group, row)}
    known |= {growth.NAME, profile.NAME}
    if wanted - known:
        raise ValueError(f"--only: nothing is called {', '.join(sorted(wanted - known))}; see --list")
    rows = [(one, tuple(row for row in one.rows if not wanted or wanted & _names(one, row))) for one in GROUPS]
    groups = tuple((group, found) for group, found in rows if found)
    return Choice(groups, not wanted or growth.NAME in wanted, not wanted or profile.NAME in wanted)


def _names(group: Group, row: Row) -> set[str]:
    return {group.name, row.name, f"{group.name}/{row.name}"}


@dataclass(frozen=True)
class Part:
    """A part of a run: what it is called, how long it takes at about, and how to run it."""

    name: str
    what: str
    seconds: float
    run: Callable[[], Section]


def plan(house: House, choice: Choice, rounds: int, scale: float, tell: Callable[[str], None]) -> list[Part]:
    """The parts, in the order in which they are run. ``scale``: how much is measured, as part of the usual."""
    parts = [_group_part(house, group, list(rows), rounds, scale, tell) for group, rows in choice.groups]
    if choice.profile:
        profiled = min(rounds, PROFILE_ROUNDS)
        seconds = profiled * (profile.ROUND_S[0] + scale * profile.ROUND_S[1])
        run = functools.partial(_of_profile, house, profiled, scale, tell)
        parts.append(Part(profile.NAME, f"{profiled} rounds", seconds, run))
    if choice.growth:
        grown = min(rounds, GROWTH_ROUNDS)
        seconds = grown * (growth.ROUND_S[0] + scale * growth.ROUND_S[1])
        parts.append(
            Part(growth.NAME, f"{grown} rounds", seconds, lambda: of_growth(growth.grow(house, grown, scale, tell)))
        )
    return parts


def _group_part(
    house: House, group: Group, rows: list[Row], rounds: int, scale: float, tell: Callable[[str], None]
) -> Part:
    turns = min(rounds, group.most_rounds)
    start_s, measured_s = group.turn_s
    seconds = turns * len(rows) * (start_s + scale * measured_s)
    what = f"{len(rows)} rows, {turns} rounds"
    return Part(group.name, what, seconds, lambda: of_group(group, play(house, group, rows, rounds, scale, tell)))


def run(house: House, parts: Sequence[Part]) -> Iterator[Section]:
    """Each part when it is finished. One that cannot be measured at all says why, and the next begins."""
    for part in parts:
        began = time.monotonic()
        try:
            section = part.run()
        except (BenchFailed, OSError, subprocess.SubprocessError) as failure:
            section = Section(part.name, part.name, {}, {}, {part.name: f"{type(failure).__name__}: {failure}"})
        section.took_s, section.others = time.monotonic() - began, house.others.take()
        yield section


def of_group(group: Group, outcomes: dict[str, Outcome]) -> Section:
    """Rows beside each other, and the targets that they have."""
    verdicts = judge(group.name, outcomes)
    tables = {group.title: table.cells(group, outcomes)}
    if verdicts:
        tables[f"Targets of issue 4: {group.name}"] = table.verdict_cells(verdicts)
    numbers = {
        "reference": group.reference,
        "rows": {name: dataclasses.asdict(outcome) for name, outcome in outcomes.items()},
        "targets": [{**dataclasses.asdict(one), "met": one.met} for one in verdicts],
    }
    failures = {name: outcome.failure for name, outcome in outcomes.items() if outcome.failure}
    return Section(group.name, group.title, tables, numbers, failures, found=(group, outcomes))


def of_growth(found: growth.Growth) -> Section:
    """Speed, cost and memory over the number of episodes."""
    verdicts = growth.judge(found)
    tables = growth.cells(found)
    if verdicts:
        tables[f"Targets of issue 4: {growth.NAME}"] = table.verdict_cells(verdicts)
    numbers = {"points": found.points, "targets": [{**dataclasses.asdict(one), "met": one.met} for one in verdicts]}
    return Section(growth.NAME, growth.TITLE, tables, numbers, found.failures, found, growth_words.words(found))


def _of_profile(house: House, rounds: int, scale: float, tell: Callable[[str], None]) -> Section:
    found = profile.profile(house, rounds, scale, tell)
    return Section(profile.NAME, profile.TITLE, profile.cells(found), dataclasses.asdict(found))
