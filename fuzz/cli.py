"""The command line of the fuzzer: ``python -m fuzz``, or ``make fuzz FUZZ_ARGS="..."``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from fuzz import page
from fuzz.family import ROOT, Family
from fuzz.target import Target
from fuzz.targets import TARGETS
from tools.endings import ended_in_order

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)

HOME = ROOT / ".fuzz"
SAVED = ROOT / "tests" / "fuzz" / "found"
PAGE = ROOT / "docs" / "fuzzing.md"
LINES_S = 600.0

_STATUS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/")
_UNITS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


@dataclass(frozen=True)
class Outcome:
    """What came of one target."""

    target: Target
    inputs: int
    edges: int
    features: int
    corpus: int
    lines: tuple[int, int]
    """Of the target's modules: reached, and there."""
    watched: int
    """Inputs whose memory was watched."""
    slowest_ms: float
    findings: list[dict[str, Any]]


@app.command()
def main(
    only: Annotated[list[str] | None, typer.Option(help="Targets, comma-separated.")] = None,
    inputs: Annotated[int | None, typer.Option(min=1, help="Inputs of each target; else those of a whole run.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Targets at once.")] = 1,
    record: Annotated[bool, typer.Option("--record", help="Write the table of docs/fuzzing.md.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List the targets, and run nothing.")] = False,
) -> None:
    """Send a million wrong inputs to all that reads what strangers send. Exit code 1 if there is a finding."""
    chosen = choose(only)
    if show:
        for target in chosen:
            print(f"{target.name:15} {target.inputs:9,} inputs  {target.about}")
        return
    with ended_in_order():
        outcomes = fuzz_all(chosen, inputs, jobs)
    total = sum(outcome.inputs for outcome in outcomes)
    findings = sum(len(outcome.findings) for outcome in outcomes)
    print(f"{total:,} inputs, {findings} findings")
    if record:
        page.write(PAGE, outcomes)
    if findings:
        raise typer.Exit(1)


def choose(only: list[str] | None) -> list[Target]:
    """The targets of these names; all, without any."""
    names = [name.strip() for one in only or () for name in one.split(",")]
    known = {target.name: target for target in TARGETS}
    if strange := [name for name in names if name not in known]:
        raise typer.BadParameter(f"expected some of {', '.join(known)}; got {strange[0]!r}")
    return [known[name] for name in names] or list(TARGETS)


def fuzz_all(targets: list[Target], inputs: int | None, jobs: int) -> list[Outcome]:
    """Fuzz so many at once. Whatever breaks it off, no process of it runs on."""
    family = Family()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(lambda target: fuzz(target, inputs or target.inputs, family), targets))
        except BaseException:
            family.end()
            raise


def fuzz(target: Target, inputs: int, family: Family) -> Outcome:
    """Fuzz one target in a process of its own."""
    home = HOME / target.name.replace(" ", "-")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    say(f"{target.name}: {inputs:,} inputs")
    log = home / "log"
    with log.open("w") as sink:
        command = [sys.executable, "-m", "fuzz.run", target.name, str(inputs), str(home), str(SAVED)]
        code, _ = family.run(command, sink)
    outcome = outcome_of(target, home, family)
    if code and not outcome.findings:
        outcome.findings.append({"key": "ended early", "text": f"exit code {code}, see {log}", "file": ""})
    reached, there = outcome.lines
    say(f"{target.name}: {outcome.inputs:,} inputs, {outcome.edges} edges, {reached} of {there} lines")
    for finding in outcome.findings:
        say(f"{target.name}: FINDING {finding['key']} {finding['file']}\n{finding['text']}")
    return outcome


def outcome_of(target: Target, home: Path, family: Family) -> Outcome:
    """What came of a target, or has come of it so far: by what lies in its folder."""
    said = (home / "log").read_text(errors="replace")
    known = json.loads((home / "findings.json").read_text())
    count, edges, features, corpus = map(int, (_STATUS.findall(said) or [(0, 0, 0, 0)])[-1])
    units = _UNITS.search(said)
    return Outcome(
        target, int(units[1]) if units else count, edges, features, corpus, lines(target, home / "corpus", family),
        known["watched"], known["slowest_ms"], known["findings"],
    )  # fmt: skip


def lines(target: Target, corpus: Path, family: Family) -> tuple[int, int]:
    """Lines of the target's modules that what was kept reaches, and all lines."""
    command = [sys.executable, "-m", "fuzz.lines", target.name, str(corpus)]
    code, said = family.run(command, subprocess.PIPE, LINES_S)
    if code:
        raise subprocess.CalledProcessError(code, command, stderr=said)
    reached, there = json.loads(said)
    return reached, there


_turn = threading.Lock()


def say(text: str) -> None:
    """A line of progress."""
    with _turn:
        print(text, flush=True)
