"""What a run leaves behind: one JSON object with every turn, and the tables on docs/performance.md."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bench import table
from bench.machine import quietness, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.sections import Section


def to_json(machine: dict[str, Any], sections: Sequence[Section]) -> str:
    """Machine, every turn of every row, and the verdicts."""
    found = {
        section.name: {
            "title": section.title,
            "failures": section.failures,
            "others": section.others,
            "took_s": section.took_s,
            **section.numbers,
        }
        for section in sections
    }
    return json.dumps({"machine": machine, "sections": found}, indent=1) + "\n"


def to_markdown(machine: dict[str, Any], section: Section, picture: str | None = None) -> str:
    """What stands on the page for a part."""
    parts = [f"{sentence(machine)}. {note(section)}"]
    parts += [f"**{title}**\n\n{table.markdown(cells).strip()}" for title, cells in section.tables.items()]
    parts += [section.words] * bool(section.words)
    parts += [f"![{section.title}]({picture})"] * (picture is not None)
    parts += [f"{name} failed: {text.splitlines()[-1]}" for name, text in section.failures.items()]
    return "\n\n".join(parts)


def note(section: Section) -> str:
    """How long a part took, and how quiet the machine was."""
    minutes, seconds = divmod(round(section.took_s), 60)
    return "; ".join(filter(None, [f"Took {minutes} min {seconds} s", quietness(section.others)])) + "."


def check_places(page: Path, names: Sequence[str]) -> None:
    """Raise ``ValueError`` if a page has no place for one of these parts, before anything is measured."""
    text = page.read_text() if page.exists() else ""
    missing = [name for name in names if f"<!-- bench: {name} -->" not in text or f"<!-- end of {name} -->" not in text]
    if missing:
        raise ValueError(f"{page} has no place for {', '.join(missing)}: <!-- bench: NAME --> ... <!-- end of NAME -->")


def write_section(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks of ``name`` on a page. Raises ``ValueError`` if it has none."""
    old = page.read_text()
    begin, end = f"<!-- bench: {name} -->", f"<!-- end of {name} -->"
    new, count = re.subn(f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", old)
    if count != 1:
        raise ValueError(f"{page} has no place for {name}: {begin} ... {end}")
    page.write_text(new)
