"""What the figures of growth say, in words: they are made from the figures, and change with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench.figures import short
from bench.growth import ROLES, idle_cost_kb

if TYPE_CHECKING:
    from bench.growth import Growth

FLAT = 0.9
"""The knee: the least number of episodes in flight that gives so much of the highest rate."""
FULL = 0.85
"""A machine, or a process of one busy thread, has no more to give when it is so busy."""


def words(growth: Growth) -> str:
    """The knee and why it is there; what idle episodes cost the others; and what they cost in memory."""
    return "\n\n".join(filter(None, [_knee(growth), _latency(growth), _memory(growth)]))


def _knee(growth: Growth) -> str:
    found = [(size, growth.median(size, "flight_per_s")) for size in growth.sizes]
    rates = {size: rate for size, rate in found if rate is not None}
    if len(rates) < 2:
        return ""
    top = max(rates, key=lambda size: rates[size])
    knee, most = min(size for size, rate in rates.items() if rate >= FLAT * rates[top]), max(rates)
    return (
        f"**The knee** is at {knee:,} episodes in flight: {short(rates[knee])} steps/s, where one alone makes "
        f"{short(rates[min(rates)])}, and {most:,} make {short(rates[most])}. The highest rate is {short(rates[top])}, "
        f"at {top:,}. {_why(growth, knee)}"
    )


def _why(growth: Growth, size: int) -> str:
    found = {role: growth.median(size, f"{role}_busy_percent") for role in ROLES}
    busy = {role: share for role, share in found.items() if share is not None}
    if not busy:
        return ""
    cores = os.cpu_count() or 1
    shares = ", ".join(f"the {role} {share:.0f} %" for role, share in busy.items())
    together, most = sum(busy.values()), max(busy, key=lambda role: busy[role])
    there = f"There the processes take of a core: {shares}; {together:.0f} of the {100 * cores} % that there are"
    if together >= FULL * 100 * cores:
        return f"{there}. The cores are full, and more episodes bring no more."
    if busy[most] >= FULL * 100 and most != "broker":
        return f"{there}. The {most} has one thread for it, and that is full."
    return f"{there}. No core is full: it is not the processors that bound it."


def _latency(growth: Growth) -> str:
    least, most = growth.sizes[0], growth.sizes[-1]
    alone, beside = (growth.median(size, "one_p50_us") for size in (least, most))
    turn = growth.median(most, "turn_p50_us")
    if alone is None or beside is None or turn is None or least == most:
        return ""
    before, after = (sum(growth.median(size, f"{role}_cpu_us") or 0.0 for role in ROLES) for size in (least, most))
    return (
        f"**A step** takes {short(alone)} us (p50) with {least:,} open, {short(beside)} beside {most - 1:,} idle ones "
        f"({beside / alone:.2f} times), and {short(turn)} where {most:,} take turns ({turn / alone:.2f} times). "
        f"In turn, agent, worker and broker together use {short(before)} us of a core for a step with {least:,} open, "
        f"and {short(after)} with {most:,}."
    )


def _memory(growth: Growth) -> str:
    costs = {role: idle_cost_kb(growth, role) for role in ROLES}
    known = [f"{short(cost)} kB at the {role}" for role, cost in costs.items() if cost is not None]
    return f"**An idle episode** costs {', '.join(known)}." if known else ""
