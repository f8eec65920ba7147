"""What a step costs a process that has slept before it: the same step of CartPole-v1 over memory://, after each rest.

Usage: rested_agent STEPS

It says the median of each in microseconds, and ends with its standard input.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

import gymbroker
from bench.programs import loop

if TYPE_CHECKING:
    from collections.abc import Callable

REST_S = 250e-6
"""About as long as one side of a lockstep step waits for the other."""


def spin() -> None:
    """Rest without giving the core away."""
    end = time.perf_counter() + REST_S
    while time.perf_counter() < end:
        pass


RESTS: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "spinning": spin,
    "sleeping": lambda: time.sleep(REST_S),
}

env = gymbroker.make("CartPole-v1", "memory://")
env.reset(seed=loop.SEED)
found: dict[str, list[float]] = {name: [] for name in RESTS}
for number in range(int(sys.argv[1])):
    for name, rest in RESTS.items():
        rest()
        start = time.perf_counter()
        _, _, terminated, truncated, _ = env.step(number % 2)
        found[name].append(time.perf_counter() - start)
        if terminated or truncated:
            env.reset()
env.close()
loop.say(**{name: 1e6 * statistics.median(taken) for name, taken in found.items()})
sys.stdin.read()
