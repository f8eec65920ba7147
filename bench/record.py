"""What a run leaves behind: one JSON object with every turn, and the tables on docs/performance.md."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from bench import table
from bench.machine import sentence
from bench.targets import judge

if TYPE_CHECKING:
    from pathlib import Path

    from bench.rounds import Outcome
    from bench.rows import Group

Played = list[tuple["Group", dict[str, "Outcome"]]]


def to_json(machine: dict[str, Any], played: Played) -> str:
    """Machine, every turn of every row, and the verdicts."""
    groups = {}
    for group, outcomes in played:
        rows = {name: dataclasses.asdict(outcome) for name, outcome in outcomes.items()}
        verdicts = [{**dataclasses.asdict(one), "met": one.met} for one in judge(group.name, outcomes)]
        groups[group.name] = {"title": group.title, "reference": group.reference, "rows": rows, "targets": verdicts}
    return json.dumps({"machine": machine, "groups": groups}, indent=1) + "\n"


def section(machine: dict[str, Any], group: Group, outcomes: dict[str, Outcome]) -> str:
    """What stands on the page for a group."""
    parts = [f"**{group.title}.** {sentence(machine)}.", table.markdown(table.cells(group, outcomes))]
    verdicts = judge(group.name, outcomes)
    if verdicts:
        parts.append(table.markdown(table.verdict_cells(verdicts)))
    return "\n\n".join(parts)


def write_section(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the markers of ``name`` on a page. Raises ``ValueError`` if it has none."""
    old = page.read_text()
    begin, end = f"<!-- bench: {name} -->", f"<!-- end of {name} -->"
    new, count = re.subn(f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", old)
    if count != 1:
        raise ValueError(f"{page} has no place for {name}: {begin} ... {end}")
    page.write_text(new)
