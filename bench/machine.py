"""On what it was measured: without this, a figure says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.processes import ROOT

PACKAGES = ("pika", "msgpack", "numpy", "gymnasium")
LOADED = 0.25
"""A load average of more than so much for each core, before anything has begun: the figures are not to be trusted."""


def describe() -> dict[str, Any]:
    """Machine, versions, commit, date, and how busy the machine was before."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
        "load_before": os.getloadavg()[0],
        "loaded": os.getloadavg()[0] > LOADED * (os.cpu_count() or 1),
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
    busy = "; THE MACHINE WAS BUSY, do not trust this" if machine["loaded"] else ""
    broker = f", RabbitMQ {machine['broker']}" if machine.get("broker") else ""
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, Python {machine['python']}, {packages}{broker}, commit {machine['commit']}, "
        f"load average before {machine['load_before']:.2f}{busy}"
    )
