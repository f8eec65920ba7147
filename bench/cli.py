"""The command line of the benchmark: ``python -m bench``, or ``make bench BENCH_ARGS="..."``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from bench import growth as growth_part
from bench import profile as profile_part
from bench import table
from bench.groups import GROUPS
from bench.machine import describe, sentence
from bench.plot import draw_all, growth_picture
from bench.processes import stop_all
from bench.record import check_places, note, to_json, to_markdown, write_section
from bench.sections import Choice, Section, choose, plan, run
from bench.stage import House
from tools.endings import ended_in_order

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)
QUICK_ROUNDS, QUICK_SCALE = 3, 0.2
PAGE_WIDTH = 150


@dataclass(frozen=True)
class Files:
    """Where what was found is written to; None: nowhere. Written after each part: what follows may be interrupted."""

    json: Path | None
    plot: Path | None
    page: Path | None

    def write(self, machine: dict[str, Any], sections: list[Section]) -> None:
        """Write the sections that are finished; growth has a picture of its own, growth.png beside that of the rows."""
        if self.json is not None:
            self.json.write_text(to_json(machine, sections))
        if self.plot is not None:
            draw_all(self.plot, sections, sentence(machine))
        if self.page is not None:
            write_section(self.page, sections[-1].name, to_markdown(machine, sections[-1], self._picture(sections)))

    def _picture(self, sections: list[Section]) -> str | None:
        """Where, seen from the page, the picture is that belongs to the last section: that of all rows to the first."""
        drawn = [section.name for section in sections if isinstance(section.found, tuple)]
        growth = sections[-1].name == growth_part.NAME
        if self.plot is None or self.page is None or not (growth or drawn == [sections[-1].name]):
            return None
        path = growth_picture(self.plot) if growth else self.plot
        return Path(os.path.relpath(path, self.page.parent)).as_posix() if path.exists() else None


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each, every row has one turn.")] = 9,
    only: Annotated[list[str] | None, typer.Option(help="Groups or rows, comma-separated.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List groups and rows, and run nothing.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="3 short rounds: shows that it runs.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="As --only profile.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every turn to this file.")] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", help="Draw the figures into this PNG.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the tables into this page (docs/performance.md).")] = None,
) -> None:  # fmt: skip
    """Run gymbroker, the limit and its peers side by side on this machine, and compare them."""
    try:
        choice = choose([*(only or []), *["profile"] * profile])
    except ValueError as error:
        _fail(str(error), 2)
    if show:
        _list()
        return
    rounds, scale = (min(rounds, QUICK_ROUNDS), QUICK_SCALE) if quick else (rounds, 1.0)
    with ended_in_order():
        try:
            _run(choice, rounds, scale, Files(json_file, plot_file, page))
        finally:
            stop_all()


def _run(choice: Choice, rounds: int, scale: float, files: Files) -> None:
    console, machine = Console(width=None if sys.stdout.isatty() else PAGE_WIDTH), describe()
    sections: list[Section] = []
    with House() as house, console.status("") as status:
        parts = plan(house, choice, rounds, scale, status.update)
        if files.page is not None:
            try:
                check_places(files.page, [part.name for part in parts])
            except ValueError as error:
                _fail(f"--page: {error}", 2)
        for part in parts:
            console.print(f"{part.name}: {part.what}, about {_minutes(part.seconds)}", style="dim")
        if len(parts) > 1:
            console.print(f"together about {_minutes(sum(part.seconds for part in parts))}", style="dim")
        for section in run(house, parts):
            sections.append(section)
            _show(console, section)
            if house.brokers and "broker" not in machine:
                machine["broker"] = house.brokers[0].version()
            files.write(machine, sections)
    console.print(sentence(machine), style="dim")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min on a quiet machine"


def _show(console: Console, section: Section) -> None:
    for title, cells in section.tables.items():
        console.print(table.terminal(title, cells))
    for name, text in section.failures.items():
        console.print(f"{name} failed: {text}", style="red", markup=False, highlight=False)
    if section.words:
        console.print(section.words, markup=False, highlight=False)
    told = note(section)
    console.print(f"{section.name}: {told}", style="red" if "BUSY" in told else "dim", highlight=False)


def _list() -> None:
    for group in GROUPS:
        typer.echo(f"{group.name}: {group.title}")
        for row in group.rows:
            typer.echo(f"  {row.name:<22} {row.about}")
    for part in (profile_part, growth_part):
        typer.echo(f"{part.NAME}: {part.TITLE}")


def _fail(text: str, code: int) -> NoReturn:
    print(f"bench: {text}", file=sys.stderr)
    raise typer.Exit(code)
