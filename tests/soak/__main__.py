"""``python -m tests.soak MINUTES``: one soak; exit code 1 for any violation, or memory that is not flat."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.soak.page import page, record, write
from tests.soak.run import AGENTS, WORKERS, Soak
from tests.support.commands import ROOT
from tools.endings import ended_in_order
from tools.rabbit import Rabbit


def main() -> int:
    """Run, write the page, and print it."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("minutes", type=float, help="how long; 15 at least for slopes that say something")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--pace", type=float, default=0.05, metavar="S", help="mean pause between two steps")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where soak.md and soak.json go")
    asked = parser.parse_args()
    head = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=False)
    about = {
        "minutes": asked.minutes, "seed": asked.seed, "pace_s": asked.pace, "agents": AGENTS, "workers": WORKERS,
        "date": datetime.date.today().isoformat(), "commit": commit.stdout.strip() or "unknown",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="gymbroker-soak-") as folder, Rabbit() as rabbit:
        about["machine"] += f", RabbitMQ {rabbit.ctl('version').strip()}"
        soak = Soak(rabbit, Path(folder), asked.minutes, asked.seed, asked.pace)
        soak.run()
        found = record(soak, about)
    asked.out.mkdir(parents=True, exist_ok=True)
    write(found, asked.out)
    print(page(found))
    return 1 if found["violations"] or not found["flat"] else 0


if __name__ == "__main__":
    with ended_in_order():
        sys.exit(main())
