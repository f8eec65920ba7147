"""Rounds: in each, every row has one turn, in an order that rotates; a turn starts its processes anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.processes import BenchFailed
from bench.rows import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.rows import Group, Row
    from bench.stage import House, Stage

WARM_UP = 0.25
"""Before it is measured, each agent runs for this part of what is measured."""

ORDER_S = 120.0
"""A turn that takes longer has failed."""


@dataclass
class Outcome:
    """What became of a row: a turn for each round, or why there is none."""

    turns: list[Turn | None] = field(default_factory=list)
    failure: str = ""


def play(
    house: House, group: Group, rows: list[Row], rounds: int, scale: float, tell: Callable[[str], None]
) -> dict[str, Outcome]:
    """Play ``rows`` of ``group``. A row that fails has no more turns. ``tell`` hears of each turn."""
    outcomes, rounds = {row.name: Outcome() for row in rows}, min(rounds, group.most_rounds)
    for number in range(rounds):
        for row in rows[number % len(rows) :] + rows[: number % len(rows)]:
            outcome = outcomes[row.name]
            tell(f"{group.name}: round {number + 1} of {rounds}, {row.name}")
            outcome.turns.append(None if outcome.failure else _turn(house, group, row, scale, outcome))
    return outcomes


def _turn(house: House, group: Group, row: Row, scale: float, outcome: Outcome) -> Turn | None:
    try:
        with house.stage() as stage:
            row.play(stage)
            return measure(stage, group, _scaled(row.order, scale))
    except BenchFailed as failure:
        outcome.failure = str(failure)
        return None


def _scaled(order: dict[str, Any], scale: float) -> dict[str, Any]:
    return {name: type(value)(value * scale) or 1 for name, value in order.items()}


def measure(stage: Stage, group: Group, order: dict[str, Any]) -> Turn:
    """All agents of a stage at once: warm up, then measure. Raises ``BenchFailed``."""
    for agent in stage.agents:
        agent.hear()
    _ask_all(stage, _scaled(order, WARM_UP))
    with stage.house.others.watch():
        before = stage.cpu_seconds()
        found = _ask_all(stage, order)
        after = stage.cpu_seconds()
    steps = sum(one["steps"] for one in found)
    rates = [one["units"] * one["steps"] / one["seconds"] for one in found]
    p50 = sum(one["p50_us"] for one in found) / len(found)
    return Turn(
        figure=p50 if group.figure == "p50_us" else sum(rates),
        p50_us=p50,
        p99_us=max(one["p99_us"] for one in found),
        rate=sum(rates),
        steps=steps,
        resets=sum(one["resets"] for one in found),
        cpu_us={role: 1e6 * (after[role] - before[role]) / steps for role in after},
        rates=rates,
    )


def _ask_all(stage: Stage, order: dict[str, Any]) -> list[dict[str, Any]]:
    for agent in stage.agents:
        agent.tell(**order)
    return [agent.hear(ORDER_S) for agent in stage.agents]
