"""On what it was measured: without this, a figure says nothing."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.processes import ROOT, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGES = ("pika", "msgpack", "numpy", "gymnasium")
BUSY = 0.1
"""Where others take more than so much of the processors while we measure, the figures are not to be trusted."""


class Others:
    """What all others than the benchmark take of the processors, in shares of all cores, while something is measured.

    Of the time that the kernel counts as not idle, what our processes have used is taken off. What the hypervisor
    gave to other machines counts as theirs.
    """

    def __init__(self) -> None:
        self.shares: list[float] = []

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Note what others take meanwhile. No process of ours may end in it: its time would be taken for theirs."""
        start, busy, own = time.monotonic(), _busy_seconds(), cpu_seconds([os.getpid()])
        yield
        took = (time.monotonic() - start) * (os.cpu_count() or 1)
        theirs = _busy_seconds() - busy - (cpu_seconds([os.getpid()]) - own)
        self.shares.append(min(1.0, max(0.0, theirs / took)))

    def take(self) -> list[float]:
        """What was noted since the last ``take``."""
        found, self.shares = self.shares, []
        return found


def _busy_seconds() -> float:
    """Of all cores together, since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # but for idle and waiting for disks


def quietness(shares: Sequence[float]) -> str:
    """How much others took, for the page and the terminal; in capitals if that was too much."""
    if not shares:
        return ""
    middle, most = statistics.median(shares), max(shares)
    busy = ". THE MACHINE WAS BUSY, do not trust this" if middle > BUSY else ""
    return f"others took {100 * middle:.1f} % of the cores (median of the turns; {100 * most:.0f} % at most){busy}"


def describe() -> dict[str, Any]:
    """Machine, versions, commit, date."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() or "unknown"


def sentence(machine: dict[str, Any]) -> str:
    """For the page and the terminal."""
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    broker = f", RabbitMQ {machine['broker']}" if machine.get("broker") else ""
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, Python {machine['python']}, {packages}{broker}, commit {machine['commit']}"
    )
