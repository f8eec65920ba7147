"""Group ``lanes``: 64 and 1,024 lanes of CartPole-v1, in lane-steps a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.rows import Group, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import Stage

ENV = "CartPole-v1"
ORDER = {"seconds": 1.2}
LANES, MANY = 64, 1024


def local(kind: str, lanes: int) -> Callable[[Stage], None]:
    """Gymnasium's."""

    def play(stage: Stage) -> None:
        stage.agent("local_lanes", kind, ENV, str(lanes), str(lanes))

    return play


def ours(lanes: int, vector: str = "loop") -> Callable[[Stage], None]:
    """One episode, one stepper, in lockstep."""

    def play(stage: Stage) -> None:
        stage.worker(ENV, "--vector", vector)
        stage.agent("ours_lanes", ENV, stage.broker.url("agent_worker"), str(lanes), str(lanes))

    return play


def flight(processes: int) -> Callable[[Stage], None]:
    """Two episodes by ``send`` and ``recv``. One each for two steppers, or both for one."""

    def play(stage: Stage) -> None:
        stage.worker(ENV, "--capacity", str(2 // processes), processes=processes)
        stage.agent("ours_flight", ENV, stage.broker.url("agent_worker"), str(LANES), "2")

    return play


GROUP = Group(
    name="lanes",
    title="Lanes of CartPole-v1: lane-steps a second",
    figure="rate",
    unit="lane-steps/s",
    reference="async",
    rows=tuple(
        Row(name, about, play, ORDER)
        for name, about, play in (
            ("async", "gymnasium's AsyncVectorEnv(64): a process for each lane", local("async", LANES)),
            ("sync", "gymnasium's SyncVectorEnv(64), in the agent's process", local("sync", LANES)),
            ("entry-point", "gymnasium.make_vec's vector entry point, 64 lanes", local("entry-point", LANES)),
            ("ours", "64 lanes over RabbitMQ, loop back-end, one stepper, lockstep", ours(LANES)),
            ("ours-entry-point", "the same with --vector entry-point", ours(LANES, "entry-point")),
            ("ours-flight-1", "two episodes of 64 lanes in flight (send/recv), one stepper", flight(1)),
            ("ours-flight-2", "two episodes of 64 lanes in flight (send/recv), two steppers", flight(2)),
            ("sync-1024", "SyncVectorEnv(1024)", local("sync", MANY)),
            ("ours-1024", "1,024 lanes over RabbitMQ, loop back-end, lockstep", ours(MANY)),
            ("entry-point-1024", "the vector entry point, 1,024 lanes", local("entry-point", MANY)),
            ("ours-entry-point-1024", "1,024 lanes over RabbitMQ, --vector entry-point", ours(MANY, "entry-point")),
        )
    ),
    turn_s=(1.2, 1.5),
)
