"""The command line of the benchmark: ``python -m bench``, or ``make bench BENCH_ARGS="..."``."""

from __future__ import annotations

import contextlib
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from bench import growth as growth_part
from bench import profile as profile_part
from bench import table
from bench.groups import GROUPS
from bench.machine import describe, sentence
from bench.plot import draw_all
from bench.processes import stop_all
from bench.record import to_json, to_markdown, write_section
from bench.sections import Choice, Section, choose, run
from bench.stage import House

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)
QUICK_ROUNDS, QUICK_SCALE = 3, 0.2
PAGE_WIDTH = 150


@dataclass(frozen=True)
class Files:
    """Where what was found is written to; None: nowhere."""

    json: Path | None
    plot: Path | None
    page: Path | None

    def write(self, machine: dict[str, Any], sections: list[Section]) -> None:
        """Write the sections that are finished; growth has a picture of its own, FILE-growth.png."""
        if self.json is not None:
            self.json.write_text(to_json(machine, sections))
        if self.page is not None:
            write_section(self.page, sections[-1].name, to_markdown(machine, sections[-1]))
        if self.plot is not None:
            draw_all(self.plot, sections, sentence(machine))


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
    with _ended_by_signals():
        _run(choice, rounds, scale, Files(json_file, plot_file, page))


def _run(choice: Choice, rounds: int, scale: float, files: Files) -> None:
    console, machine = Console(width=None if sys.stdout.isatty() else PAGE_WIDTH), describe()
    if machine["loaded"]:
        console.print(f"[red]This machine is busy (load {machine['load_before']:.2f}): do not trust the figures.[/]")
    sections: list[Section] = []
    with House() as house, console.status("") as status:
        for section in run(house, choice, rounds, scale, status.update):
            sections.append(section)
            _show(console, section)
            if house.broker_pids and "broker" not in machine:
                machine["broker"] = house.broker.version()
            files.write(machine, sections)  # what there is by now: what comes may be interrupted
    console.print(sentence(machine), style="dim")


def _show(console: Console, section: Section) -> None:
    for title, cells in section.tables.items():
        console.print(table.terminal(title, cells))
    for name, text in section.failures.items():
        console.print(f"{name} failed: {text}", style="red", markup=False, highlight=False)


def _list() -> None:
    for group in GROUPS:
        typer.echo(f"{group.name}: {group.title}")
        for row in group.rows:
            typer.echo(f"  {row.name:<22} {row.about}")
    for part in (profile_part, growth_part):
        typer.echo(f"{part.NAME}: {part.TITLE}")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end the benchmark as Ctrl-C does: with all that it has started."""

    def end(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    finally:
        stop_all()
        for number, handler in former.items():
            signal.signal(number, handler)


def _fail(text: str, code: int) -> NoReturn:
    print(f"bench: {text}", file=sys.stderr)
    raise typer.Exit(code)
