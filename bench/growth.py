"""Group ``growth``: one worker process, one agent process, and 1 to 1,000 open episodes between them on one broker."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.figures import short, spread
from bench.processes import BenchFailed, cpu_seconds, written_bytes
from bench.targets import TARGETS, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import House, Stage
    from bench.table import Cells

NAME = "growth"
TITLE = "Growth: open episodes of CartPole-v1 on one broker, one stepper and one agent process"
ENV = "CartPole-v1"
EPISODES = (1, 10, 100, 1000)
STEPS, SECONDS = 2000, 3.0
ROUND_S = (45.0, 22.0)
"""Seconds of a round on a quiet machine: to start, open and end; to step."""
READY_S = 300.0
"""Opening them all may take so long."""
ROLES = ("agent", "worker", "broker")

Point = dict[str, float]
"""What was measured with so many episodes. Names end in their unit."""


@dataclass
class Growth:
    """For each number of episodes the points of all rounds; one that failed in a part lacks what it would tell."""

    points: dict[int, list[Point]]
    failures: dict[str, str]
    """By number of episodes and part."""

    def values(self, episodes: int, name: str) -> list[float]:
        """Of all rounds that have it."""
        return [point[name] for point in self.points[episodes] if name in point]

    def median(self, episodes: int, name: str) -> float | None:
        """Of all rounds that have it."""
        values = self.values(episodes, name)
        return statistics.median(values) if values else None

    @property
    def sizes(self) -> list[int]:
        """Numbers of episodes that were measured."""
        return [episodes for episodes, points in self.points.items() if points]


def grow(house: House, rounds: int, scale: float, tell: Callable[[str], None]) -> Growth:
    """Measure every size in each of ``rounds``. A part that fails for a size is not tried again."""
    found = Growth({episodes: [] for episodes in EPISODES}, {})
    for number in range(rounds):
        for episodes in EPISODES:
            point: Point = {}
            for name, part in (("one by one", _one_by_one), ("at once", _at_once)):
                key = f"{episodes:,} {name}"
                if key not in found.failures:
                    tell(f"growth: round {number + 1} of {rounds}, {key}")
                    try:
                        point |= part(house, episodes, scale)
                    except BenchFailed as failure:
                        found.failures[key] = str(failure)
            if point:
                found.points[episodes].append(point)
    return found


def _one_by_one(house: House, episodes: int, scale: float) -> Point:
    """Opened one after the other; then one steps while the others are idle; then all step in turn."""
    with house.stage() as stage:
        stage.worker(ENV, "--capacity", str(episodes))
        agent = stage.agent("crowd", ENV, stage.broker.url("agent_worker"), str(episodes))
        opened = agent.hear(READY_S)
        found = {"opened_per_s": opened["opened"], "opening_p50_ms": opened["p50_us"] / 1000}
        pids = _pids(stage)
        found |= {f"{role}_mb": written_bytes(pids[role]) / 1e6 for role in ("agent", "worker")}
        found["broker_mb"] = stage.broker.memory_bytes() / 1e6
        steps = max(1, int(STEPS * scale))
        _ask(agent, steps=steps // 4, turn=True)
        with house.others.watch():
            one = _ask(agent, steps=steps)
            before = {role: cpu_seconds(pids[role]) for role in ROLES}
            turn = _ask(agent, steps=steps, turn=True)
        found |= {"one_p50_us": one["p50_us"], "one_p99_us": one["p99_us"]}
        found |= {f"{role}_cpu_us": 1e6 * (cpu_seconds(pids[role]) - before[role]) / steps for role in ROLES}
        return {**found, "turn_p50_us": turn["p50_us"], "turn_p99_us": turn["p99_us"]}


def _at_once(house: House, episodes: int, scale: float) -> Point:
    """Opened all at once; then all in flight."""
    with house.stage() as stage:
        stage.worker(ENV, "--capacity", str(episodes))
        agent = stage.agent("crowd_at_once", ENV, stage.broker.url("agent_worker"), str(episodes))
        found = {"opened_at_once_per_s": agent.hear(READY_S)["opened"]}
        pids = _pids(stage)
        _ask(agent, seconds=SECONDS * scale / 4)
        before = {role: cpu_seconds(pids[role]) for role in ROLES}
        with house.others.watch():
            flight = _ask(agent, seconds=SECONDS * scale)
        for role in ROLES:
            found[f"{role}_busy_percent"] = 100 * (cpu_seconds(pids[role]) - before[role]) / flight["seconds"]
        return {**found, "flight_per_s": flight["steps"] / flight["seconds"]}


def _pids(stage: Stage) -> dict[str, list[int]]:
    agents, servers = ([one.pid for one in programs] for programs in (stage.agents, stage.servers))
    return {"agent": agents, "worker": servers, "broker": stage.broker_pids}


def _ask(agent: Any, **order: Any) -> dict[str, Any]:
    agent.tell(**order)
    found: dict[str, Any] = agent.hear(READY_S)
    return found


COLUMNS = {
    "episodes": "",
    "one steps, others idle: p50 us": "one_p50_us",
    "p99 us": "one_p99_us",
    "all in turn: p50 us": "turn_p50_us",
    "p99 us ": "turn_p99_us",
    "all in flight: steps/s": "flight_per_s",
    "cores busy then, %: agent": "agent_busy_percent",
    "worker": "worker_busy_percent",
    "broker": "broker_busy_percent",
}
COSTS = {
    "episodes": "",
    "opened one by one, /s": "opened_per_s",
    "p50 ms": "opening_p50_ms",
    "opened at once, /s": "opened_at_once_per_s",
    "CPU us a step: agent": "agent_cpu_us",
    "worker": "worker_cpu_us",
    "broker": "broker_cpu_us",
    "memory MB: agent": "agent_mb",
    "worker ": "worker_mb",
    "broker, in use": "broker_mb",
}


def cells(growth: Growth) -> dict[str, Cells]:
    """How fast; at what cost; and what one more idle episode costs in memory."""
    return {
        TITLE: _lines(growth, COLUMNS),
        "Opening, and what a step costs": _lines(growth, COSTS),
        "Memory of a mostly idle episode": _memory(growth),
    }


def judge(growth: Growth) -> list[Verdict]:
    """The targets of the sizes that were measured."""
    mine = [target for target in TARGETS if target.group == NAME and int(target.row) in growth.sizes]
    found = [(target, growth.values(int(target.row), target.field)) for target in mine]
    return [Verdict(target, spread(values)) for target, values in found if values]


def _lines(growth: Growth, columns: dict[str, str]) -> Cells:
    names = list(columns.values())[1:]
    found = [[f"{size:,}", *(_shown(growth.median(size, name)) for name in names)] for size in growth.sizes]
    return [list(columns), *found]


def _shown(value: float | None) -> str:
    return "" if value is None else short(value)


def idle_cost_kb(growth: Growth, role: str) -> float | None:
    """Kilobytes for each further open episode, between the least and the most episodes."""
    found = [(size, growth.median(size, f"{role}_mb")) for size in growth.sizes]
    known = [(size, memory) for size, memory in found if memory is not None]
    if len(known) < 2:
        return None
    (least, before), (most, after) = known[0], known[-1]
    return 1000 * (after - before) / (most - least)


def _memory(growth: Growth) -> Cells:
    costs = [idle_cost_kb(growth, role) for role in ROLES]
    return [["kB for each open episode", *ROLES], ["", *map(_shown, costs)]]
