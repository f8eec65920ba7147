"""What a run leaves behind: one JSON object with every turn, and the tables on docs/performance.md."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bench import table
from bench.machine import sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.sections import Section


def to_json(machine: dict[str, Any], sections: Sequence[Section]) -> str:
    """Machine, every turn of every row, and the verdicts."""
    found = {
        section.name: {"title": section.title, "failures": section.failures, **section.numbers} for section in sections
    }
    return json.dumps({"machine": machine, "sections": found}, indent=1) + "\n"


def to_markdown(machine: dict[str, Any], section: Section) -> str:
    """What stands on the page for a part."""
    parts = [f"{sentence(machine)}."]
    parts += [f"**{title}**\n\n{table.markdown(cells).strip()}" for title, cells in section.tables.items()]
    parts += [f"{name} failed: {text.splitlines()[-1]}" for name, text in section.failures.items()]
    return "\n\n".join(parts)


def write_section(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of ``name`` on a page. Raises ``ValueError`` if it has none."""
    old = page.read_text()
    begin, end = f"<!-- bench: {name} -->", f"<!-- end of {name} -->"
    new, count = re.subn(f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", old)
    if count != 1:
        raise ValueError(f"{page} has no place for {name}: {begin} ... {end}")
    page.write_text(new)
