"""The loop that measures, the same for every contender. Only the standard library: it runs in the peers' environments.

A program builds its ``reset`` and ``step`` and calls ``answer``. Then it talks with the harness in JSON lines: it says
``{"ready": ...}`` once, and for each order ``{"steps": n}`` or ``{"seconds": s}`` it measures and says what it found.
It ends when its standard input does.

What a latency is: from before ``step(action)`` to after it, as the code of a user sees it. Resets lie between the
latencies, and count in ``seconds``.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PERIOD = 4096
"""Actions are drawn before the clock starts, and used again after so many."""

SEED = 7


def coin_flips() -> list[int]:
    """Actions for CartPole: the same for every contender, so that all play the same runs."""
    source = random.Random(SEED)
    return [source.getrandbits(1) for _ in range(PERIOD)]


def say(**fields: Any) -> None:
    """One line to the harness."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def answer(
    step: Callable[[Any], bool], reset: Callable[[], object], actions: Sequence[Any], units: float = 1, **facts: Any
) -> None:
    """Reset, say ready with ``facts``, and carry out orders until standard input ends.

    ``step(action)`` returns whether the run has ended, and then ``reset()`` is called. ``units``: what one step is
    worth, for example its lanes, or its megabytes.
    """
    reset()
    say(ready=True, **facts)
    for line in sys.stdin:
        order = json.loads(line)
        say(**measure(step, reset, actions, order.get("steps"), order.get("seconds")), units=units)


def measure(
    step: Callable[[Any], bool],
    reset: Callable[[], object],
    actions: Sequence[Any],
    steps: int | None,
    seconds: float | None,
) -> dict[str, Any]:
    """Take ``steps`` steps, or as many as begin within ``seconds``."""
    clock = time.perf_counter
    latencies: list[float] = []
    resets, period, most = 0, len(actions), sys.maxsize if steps is None else steps
    before = resource.getrusage(resource.RUSAGE_SELF)
    begin = clock()
    end = float("inf") if seconds is None else begin + seconds
    now = begin
    while len(latencies) < most and now < end:
        action = actions[len(latencies) % period]
        start = clock()
        ended = step(action)
        now = clock()
        latencies.append(now - start)
        if ended:
            reset()
            resets += 1
    taken = clock() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "steps": len(latencies),
        "resets": resets,
        "seconds": taken,
        "user_s": after.ru_utime - before.ru_utime,
        "system_s": after.ru_stime - before.ru_stime,
        **quantiles(latencies),
    }


def quantiles(latencies: list[float]) -> dict[str, float]:
    """In microseconds: the mean, and what 50, 90, 99 and 100 percent of the latencies do not exceed."""
    ordered = sorted(latencies)
    last = len(ordered) - 1
    found = {f"p{percent}_us": 1e6 * ordered[round(last * percent / 100)] for percent in (50, 90, 99, 100)}
    return {"mean_us": 1e6 * sum(ordered) / len(ordered), **found}
