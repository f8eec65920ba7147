"""Group ``frames``: 16 lanes of 84 x 84 x 4 uint8, in megabytes of observations a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.lockstep import echo
from bench.programs.frames import BYTES
from bench.rows import Group, Row

if TYPE_CHECKING:
    from bench.stage import Stage

ENV = "bench.programs.frames:Frames"
LANES = "16"
MEGABYTES = 16 * BYTES / 1e6
ORDER = {"seconds": 1.5}


def ours(stage: Stage) -> None:
    """One episode, one stepper, in lockstep."""
    stage.worker(ENV)
    stage.agent("ours_lanes", ENV, stage.broker.url("agent_worker"), LANES, str(MEGABYTES))


def ours_in_memory(stage: Stage) -> None:
    """The same in one process."""
    stage.agent("ours_lanes", ENV, "memory://", LANES, str(MEGABYTES))


def local(stage: Stage) -> None:
    """What it costs to step these lanes and stack their frames."""
    stage.agent("local_lanes", "sync", ENV, LANES, str(MEGABYTES))


GROUP = Group(
    name="frames",
    title="16 lanes of 84 x 84 x 4 uint8 in lockstep: megabytes of observations a second",
    figure="rate",
    unit="MB/s",
    reference="raw",
    rows=(
        Row("raw", "the limit: a body of that size in frames", echo("raw_echo", ENV, LANES, units=MEGABYTES), ORDER),
        Row("ours", "over RabbitMQ, loop back-end, one stepper; the env and its stacking included", ours, ORDER),
        Row("ours-memory", "the same in one process (memory://)", ours_in_memory, ORDER),
        Row("sync", "gymnasium's SyncVectorEnv(16) in the agent's process", local, ORDER),
    ),
    turn_s=(1.8, 1.9),
)  # fmt: skip
