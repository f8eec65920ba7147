"""The table of ``docs/fuzzing.md``: what a run did, between two marks; what stands around them is written by hand."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from typing import TYPE_CHECKING

from fuzz.target import SECONDS, SPARE, TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.cli import Outcome

BEGIN, END = "<!-- a run: make fuzz -->", "<!-- end of the run -->"


def write(file: Path, outcomes: Sequence[Outcome]) -> None:
    """Put the table of a run into the page."""
    before, _, rest = file.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    file.write_text(f"{before}{BEGIN}\n{table(outcomes)}\n{END}{after}")


def table(outcomes: Sequence[Outcome]) -> str:
    """A run in markdown."""
    total = sum(outcome.inputs for outcome in outcomes)
    found = [(outcome.target.name, finding) for outcome in outcomes for finding in outcome.findings]
    watched = sum(outcome.watched for outcome in outcomes)
    rows = [
        f"| {one.target.name} | {one.target.about} | {one.inputs:,} | {one.edges:,} | {one.corpus:,} "
        f"| {one.lines[0]} of {one.lines[1]} | {one.slowest_ms:.1f} | {len(one.findings)} |"
        for one in outcomes
    ]
    listed = [f"* {name}: {finding['key']} (`tests/fuzz/found/{finding['file']}`)" for name, finding in found]
    now = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"
    by = f"Python {platform.python_version()}, atheris {importlib.metadata.version('atheris')}"
    where = f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}"
    return "\n".join([
        f"**{total:,} inputs, {len(found)} findings**, {now}, commit {_commit()}, {by}, {where}.",
        "A finding is any exception but the named ones, something untrue of what was let in, more than",
        f"{SECONDS * 1000:.0f} ms of processor for one input, or more than {TIMES} times its size and",
        f"{SPARE // 2**20} MiB of memory (watched for {watched:,} of the inputs).",
        "",
        "| target | what is sent | inputs | edges | kept inputs | lines of its modules | slowest, ms | findings |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        *(["", *listed] if listed else []),
    ])  # fmt: skip


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
