"""The command line: which rows, how many trials, and whether the page is written."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from tests.faults import matrix, record, rows
from tests.faults.elsewhere import ELSEWHERE
from tests.faults.page import summary
from tests.faults.rig import Rig
from tools.endings import ended_in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.rows import Result, Row

SHOWN = 10
"""Violations of a row that are printed; the page has all."""

CANNOT = 69
"""Exit code where nothing was violated, and a row could not run: nobody has seen what it promises."""


def main() -> None:
    """Run rows one after the other; exit code 1 if a promise was broken, else 69 if a row could not run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Inject faults: see docs/faults.md.")
    parser.add_argument("--list", action="store_true", help="list the rows and do nothing")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows only: F9, or F9* for all that begin so")
    parser.add_argument("--trials", type=int, help="so many trials of each row")
    parser.add_argument("--no-page", action="store_true", help="leave docs/faults.md and docs/faults.json as they are")
    given = parser.parse_args()
    wanted = sorted((one for one in matrix.ROWS.values() if _wanted(one, given.only)), key=_place)
    if given.list:
        for one in wanted:
            print(f"{one.name:6} {one.trials:4} {one.fault}")
        return
    with ended_in_order():
        results = _run(wanted, given.trials, [] if given.no_page else sorted(matrix.ROWS.values(), key=_place))
    print(summary([asdict(one) for one in results]))
    sys.exit(_exit_code(results))


def _run(wanted: Sequence[Row], trials: int | None, on_page: Sequence[Row]) -> list[Result]:
    """Run rows, and write the page after each: a run that is broken off leaves what it has seen."""
    results: list[Result] = []
    commit = record.commit()
    with Rig() as rig:
        for one in wanted:
            result = rows.run(rig, one, trials)
            result.ran = f"{record.now()} {commit}"
            results.append(result)
            told = f"{result.violated} of {result.trials} violated, {result.took_s:.0f} s"
            told += ", a known limit" if result.known_limit else ""
            told = f"cannot run here: {result.cannot}" if result.cannot else told
            print(f"{one.name:6} {told}: {one.fault}", flush=True)
            for name, found in result.figures.items():
                print(f"       {name}: {', '.join(f'{one:.3g}' for one in found)}", flush=True)
            for text in result.violations[:SHOWN]:
                print(f"       {text}", flush=True)
            if on_page:
                record.write(results, [row.name for row in on_page], ELSEWHERE)
    return results


def _exit_code(results: Sequence[Result]) -> int:
    if any(one.violated for one in results):
        return 1
    return CANNOT if any(one.cannot for one in results) else 0


def _place(one: Row) -> tuple[int, str]:
    """F9b stands between F9 and F10."""
    number = "".join(sign for sign in one.name if sign.isdigit())
    return int(number), one.name


def _wanted(one: Row, only: Sequence[str] | None) -> bool:
    return not one.by_hand if only is None else _matches(one.name, only)


def _matches(name: str, only: Sequence[str]) -> bool:
    return any(name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in only)
