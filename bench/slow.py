"""Group ``slow``: simulators that take 5 ms for a step, more and more of them, with as many agents or more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.rows import Group, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import Stage

ENV = "bench.programs.slow:Slow"
ORDER = {"seconds": 2.5}


def ours(processes: int, agents: int) -> Callable[[Stage], None]:
    """One env worker of some processes, and agents in a process each. Nothing is told of who takes whom."""

    def play(stage: Stage) -> None:
        stage.worker(ENV, processes=processes)
        for _ in range(agents):
            stage.agent("ours_agent", ENV, stage.broker.url("agent_worker"))

    return play


def local(stage: Stage) -> None:
    """One, in the agent's process."""
    stage.agent("local_agent", ENV)


GROUP = Group(
    name="slow",
    title="An env that sleeps 5 ms in each step: steps a second of all agents together",
    figure="rate",
    unit="steps/s",
    reference="local",
    rows=(
        Row("local", "one env in the agent's process: ideal is so much for each worker process", local, ORDER),
        Row("ours-1", "1 worker process, 1 agent", ours(1, 1), ORDER),
        Row("ours-2", "2 worker processes, 2 agents", ours(2, 2), ORDER),
        Row("ours-4", "4 worker processes, 4 agents", ours(4, 4), ORDER),
        Row("ours-8", "8 worker processes, 8 agents", ours(8, 8), ORDER),
        Row("ours-2-of-8", "2 worker processes shared by 8 agents", ours(2, 8), ORDER),
    ),
    turn_s=(3.5, 3.2),
)
