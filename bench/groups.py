"""All groups, and which rows of them a command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import frames, lanes, lockstep, slow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.rows import Group, Row

GROUPS: tuple[Group, ...] = (lockstep.GROUP, lanes.GROUP, frames.GROUP, slow.GROUP)


def choose(words: Sequence[str]) -> list[tuple[Group, list[Row]]]:
    """Rows by the words of ``--only``: a group, a row of any group, or ``group/row``. None: all.

    Raises ``ValueError`` for a word that means nothing.
    """
    wanted = {word for given in words for word in given.split(",") if word}
    known = {name for group in GROUPS for row in group.rows for name in _names(group, row)}
    if wanted - known:
        raise ValueError(f"--only: nothing is called {', '.join(sorted(wanted - known))}; see --list")
    chosen = []
    for group in GROUPS:
        rows = [row for row in group.rows if not wanted or wanted & _names(group, row)]
        if rows:
            chosen.append((group, rows))
    return chosen


def _names(group: Group, row: Row) -> set[str]:
    return {group.name, row.name, f"{group.name}/{row.name}"}
