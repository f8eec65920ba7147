"""Part ``profile``: where the time of a lockstep step goes, on both sides and at the broker."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import short, spread
from bench.lockstep import ENV, echo, ours
from bench.processes import family
from bench.programs.boundaries import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import House, Stage
    from bench.table import Cells

NAME = "profile"
TITLE = "Where the time of a lockstep step goes"
WARM_UP, STEPS = 1000, 5000
ROUND_S = (9.0, 18.0)
"""Seconds of a round on a quiet machine: to start and end; to measure."""
ROLES = ("agent", "worker", "broker")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Profile:
    """What was measured in each round, by name."""

    cpu: dict[str, list[dict[str, float]]]
    """Of ``ours`` and ``raw``: microseconds a step, user and system, of each process."""
    layers: dict[str, list[dict[str, float]]]
    """Of ``agent``, ``worker``, and both in one process over ``memory``: microseconds a step in each layer."""
    rests: list[dict[str, float]]
    """Microseconds of a step over ``memory``, by what the process did before it."""


def cells(found: Profile) -> dict[str, Cells]:
    """Three tables."""
    return {
        "CPU of a lockstep step": _cpu_cells(found.cpu),
        "Time by layer": _layer_cells(found.layers),
        "One step over memory://, after a rest of 250 us": _rest_cells(found.rests),
    }


def profile(house: House, rounds: int, scale: float, tell: Callable[[str], None]) -> Profile:
    """Measure so many rounds. Raises ``BenchFailed``."""
    steps = int(STEPS * scale)
    found = Profile({"ours": [], "raw": []}, {"agent": [], "worker": [], "memory": []}, [])
    for number in range(rounds):
        tell(f"profile: round {number + 1} of {rounds}")
        for name, play in (("ours", ours()), ("raw", echo("raw_echo"))):
            found.cpu[name].append(_cpu(house, play, 2 * steps))
        agent, worker = _layers(house, steps)
        found.layers["agent"].append(agent)
        found.layers["worker"].append(worker)
        found.layers["memory"].append(_layers_in_memory(house, steps))
        found.rests.append(_rested(house, steps))
    return found


def _cpu(house: House, play: Callable[[Stage], None], steps: int) -> dict[str, float]:
    """User and system microseconds of a core for each step, of each process; nothing is wrapped."""
    with house.stage() as stage:
        play(stage)
        (agent,) = stage.agents
        agent.hear()
        _ask(agent, steps // 4)
        pids = {"agent": [agent.pid], "worker": [one.pid for one in stage.servers], "broker": stage.broker_pids}
        before = {role: _times(pids[role]) for role in ROLES}
        with house.others.watch():
            found = _ask(agent, steps)
        after = {role: _times(pids[role]) for role in ROLES}
    result = {"p50_us": found["p50_us"]}
    for role in ROLES:
        for place, mode in enumerate(("user", "system")):
            result[f"{role} {mode}"] = 1e6 * (after[role][place] - before[role][place]) / steps
    return result


def _ask(agent: Any, steps: int) -> dict[str, Any]:
    agent.tell(steps=steps)
    found: dict[str, Any] = agent.hear()
    return found


def _times(pids: list[int]) -> tuple[float, float]:
    """User and system seconds so far, of processes and their descendants."""
    user = system = 0
    for pid in family(pids):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, system = user + int(fields[11]), system + int(fields[12])
    return user * TICK_S, system * TICK_S


def _layers(house: House, steps: int) -> tuple[dict[str, float], dict[str, float]]:
    """Agent and worker, both wrapped."""
    file = house.logs / "profile.json"
    file.unlink(missing_ok=True)
    with house.stage() as stage:
        place = f"{file}:{WARM_UP}:{steps}"
        stage.worker(ENV, "--import", "bench.programs.profiled_worker", GYMBROKER_BENCH_PROFILE=place)
        url = stage.broker.url("agent_worker")
        # the worker has seen as many steps as it waits for when the agent has finished
        found = stage.agent("profiled_agent", ENV, url, str(WARM_UP), str(steps)).hear()
    return {**found["layers"], "p50_us": found["p50_us"]}, json.loads(file.read_text())


def _layers_in_memory(house: House, steps: int) -> dict[str, float]:
    with house.stage() as stage:
        found = stage.agent("profiled_agent", ENV, "memory://", str(WARM_UP), str(steps)).hear()
    return {**found["layers"], "p50_us": found["p50_us"]}


def _rested(house: House, steps: int) -> dict[str, float]:
    with house.stage() as stage:
        return stage.ask("rested_agent", str(steps // 2))


def _cpu_cells(cpu: dict[str, list[dict[str, float]]]) -> Cells:
    names = [f"{role} {mode}" for role in ROLES for mode in ("user", "system")]
    lines = [["CPU us a step", "p50 us", *names, "together"]]
    for name, turns in cpu.items():
        values = [spread([turn[key] for turn in turns]).median for key in ("p50_us", *names)]
        lines.append([name, *map(short, values), short(sum(values[1:]))])
    return lines


def _layer_cells(layers: dict[str, list[dict[str, float]]]) -> Cells:
    heads = {"agent": "agent, amqp", "worker": "worker, amqp", "memory": "both in one process, memory"}
    lines = [["us a step", *heads.values()]]
    for layer in (*LAYERS, "p50_us"):
        line = [layer if layer in LAYERS else "p50 of a step, with the wrapping"]
        for place in heads:
            found = [turn[layer] for turn in layers[place] if layer in turn]
            line.append(short(spread(found).median) if found and any(found) else "")
        lines.append(line)
    return lines


def _rest_cells(rests: list[dict[str, float]]) -> Cells:
    medians = {name: spread([turn[name] for turn in rests]).median for name in ("none", "spinning", "sleeping")}
    lines = [["what came before the step", "us", "x none"]]
    return [*lines, *([name, short(one), f"{one / medians['none']:.2f}"] for name, one in medians.items())]
