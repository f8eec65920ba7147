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

from bench import table
from bench.groups import GROUPS, choose
from bench.machine import describe, sentence
from bench.processes import stop_all
from bench.profile import profile as find_profile
from bench.record import section, to_json, write_section
from bench.rounds import play
from bench.stage import House
from bench.targets import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.record import Played
    from bench.rows import Group, Row

    Chosen = list[tuple[Group, list[Row]]]

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)
QUICK_ROUNDS, QUICK_SCALE = 3, 0.2
PAGE_WIDTH = 150


@dataclass(frozen=True)
class Files:
    """Where what was found is written to; None: nowhere."""

    json: Path | None
    plot: Path | None
    page: Path | None


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each, every row has one turn.")] = 9,
    only: Annotated[list[str] | None, typer.Option(help="Groups or rows, comma-separated.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List groups and rows, and run nothing.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="3 short rounds: shows that it runs.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time of a lockstep step goes.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every turn to this file.")] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", help="Draw the figures into this PNG.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the tables into this page (docs/performance.md).")] = None,
) -> None:  # fmt: skip
    """Run gymbroker, the limit and its peers side by side on this machine, and compare them."""
    try:
        chosen = choose(only or [])
    except ValueError as error:
        _fail(str(error), 2)
    if show:
        _list()
        return
    files = Files(json_file, plot_file, page)
    rounds, scale = (min(rounds, QUICK_ROUNDS), QUICK_SCALE) if quick else (rounds, 1.0)
    with _ended_by_signals():
        if profile:
            _profile(rounds, scale, page)
        else:
            _run(chosen, rounds, scale, files)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PAGE_WIDTH)


def _profile(rounds: int, scale: float, page: Path | None) -> None:
    console, machine = _console(), describe()
    with House() as house, console.status("") as status:
        cpu, layers = find_profile(house, rounds, scale, status.update)
        machine["broker"] = house.broker.version()
    console.print(table.terminal("CPU of a lockstep step", cpu), table.terminal("Time by layer", layers))
    console.print(sentence(machine), style="dim")
    if page is not None:
        text = f"{sentence(machine)}.\n\n{table.markdown(cpu)}\n{table.markdown(layers)}"
        write_section(page, "profile", text)


def _run(chosen: Chosen, rounds: int, scale: float, files: Files) -> None:
    console, machine = _console(), describe()
    if machine["loaded"]:
        console.print(f"[red]This machine is busy (load {machine['load_before']:.2f}): do not trust the figures.[/]")
    played = _play(console, machine, chosen, rounds, scale)
    if files.json is not None:
        files.json.write_text(to_json(machine, played))
    if files.page is not None:
        for group, outcomes in played:
            write_section(files.page, group.name, section(machine, group, outcomes))
    if files.plot is not None:
        from bench.plot import draw

        draw(files.plot, played, sentence(machine))


def _play(console: Console, machine: dict[str, Any], chosen: Chosen, rounds: int, scale: float) -> Played:
    played: Played = []
    with House() as house, console.status("") as status:
        for group, rows in chosen:
            outcomes = play(house, group, rows, rounds, scale, status.update)
            played.append((group, outcomes))
            console.print(table.terminal(group.title, table.cells(group, outcomes)))
            for name, outcome in outcomes.items():
                if outcome.failure:
                    console.print(f"[red]{name}:[/] {outcome.failure}", markup=True, highlight=False)
            verdicts = judge(group.name, outcomes)
            if verdicts:
                console.print(table.terminal("Targets of issue 4", table.verdict_cells(verdicts)))
        machine["broker"] = house.broker.version() if house.broker_pids else ""
    console.print(sentence(machine), style="dim")
    return played


def _list() -> None:
    for group in GROUPS:
        typer.echo(f"{group.name}: {group.title}")
        for row in group.rows:
            typer.echo(f"  {row.name:<16} {row.about}")


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
