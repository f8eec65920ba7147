"""``python -m tests.ctrl_c TRIALS``: strikes each command so many times, at random moments.

Wrong are a traceback, an exit code but 0 and 130, an end after more than two seconds, a run that has played and shows
no summary, and anything that is left at the broker; the exit code is 1 then. What strikes the interpreter before the
first line of ours is counted by itself.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.commands import worker
from tests.support.ctrl_c import Command, left_behind
from tools.endings import ended_in_order
from tools.rabbit import Rabbit

if TYPE_CHECKING:
    from tests.support.ctrl_c import Ended

COUNTING = "tests.support.envs:Counting"

LONGEST_S = 2.0
GONE_S = 20.0
"""A slot whose agent is gone is free after a lease of 10 s and a window of 2 s, and a look of the worker."""

BEGUN_S = 0.05
"""The interpreter's own start, in which no program can say what a Ctrl-C does."""

LIFE_S = 4.0
"""Moments are drawn from the first so many seconds."""

COMMANDS = {
    "env-worker serve": ("env_worker", "serve", COUNTING),
    "agent-worker run": ("agent_worker", "run", COUNTING, "--steps", "100000000", "--json"),
    "agent-worker ping": ("agent_worker", "ping", COUNTING, "--count", "1000000"),
    "gymbroker demo": ("gymbroker", "demo", "--steps", "100000"),
    "gymbroker status": ("gymbroker", "status"),
    "gymbroker doctor": ("gymbroker", "doctor"),
}


def strike(name: str, rabbit: Rabbit, chance: random.Random) -> tuple[Ended, str]:
    """Start it, strike it at a random moment; how it ended, and what was wrong."""
    after_s = chance.uniform(BEGUN_S, LIFE_S)
    command = Command(rabbit.url, "gymbroker_start", *COMMANDS[name])
    try:
        time.sleep(after_s)
        playing = name == "agent-worker run" and "steps/s" in command.err
        ended = command.strike(group=chance.random() < 0.5)
    finally:
        command.end()
    wrong = [ended.wrong] if ended.wrong else []
    if ended.took_s > LONGEST_S:
        wrong.append(f"it ended after {ended.took_s:.2f} s")
    if playing and '"interrupted": true' not in ended.out:
        wrong.append(f"no summary of what was played:\n{ended.err}")
    return ended, "; ".join(f"struck after {after_s:.2f} s: {text}" for text in wrong)


def settled(rabbit: Rabbit) -> str:
    """What is left at the broker although all had time to go."""
    until = time.monotonic() + GONE_S
    while (left := left_behind(rabbit.ctl, served=True)) and time.monotonic() < until:
        time.sleep(0.5)
    return left


def main() -> int:
    """Strike all, and print a table."""
    parser = argparse.ArgumentParser(prog="make test-ctrl-c", description=__doc__)
    parser.add_argument("trials", type=int)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance, found = random.Random(asked.seed), 0
    with (
        tempfile.TemporaryDirectory() as folder, Rabbit() as rabbit,
        worker(rabbit.url, Path(folder) / "log", COUNTING, "--capacity", "2"),
    ):  # fmt: skip
        for name in COMMANDS:
            ends, wrongs = zip(*(strike(name, rabbit, chance) for _ in range(asked.trials)), strict=True)
            wrong = [text for text in (*wrongs, settled(rabbit)) if text]
            codes = sorted({ended.code for ended in ends})
            took = sorted(ended.took_s for ended in ends)
            early = sum(ended.too_early for ended in ends)
            print(f"{name:18} {asked.trials} strikes, {len(wrong)} wrong, {early} before our first line; exit codes "
                  f"{codes}; ended after {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s (longest)",
                  flush=True)  # fmt: skip
            print("".join(f"  {text}\n" for text in wrong), end="", flush=True)
            found += len(wrong)
    return 1 if found else 0


if __name__ == "__main__":
    with ended_in_order():
        sys.exit(main())
