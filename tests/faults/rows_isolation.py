"""Rows about envs that take their process with them, under ``--isolation process``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.rows import row

if TYPE_CHECKING:
    from tests.faults.processes import Outcome
    from tests.faults.rig import Stage, Trial

STEP_TIMEOUT_S = 3.0
ONE = "an error of that episode; its neighbour does not notice; the worker lives on"


def isolated(stage: Stage) -> None:
    """A worker whose envs have processes of their own."""
    stage.worker(isolation="process", step_timeout=STEP_TIMEOUT_S).ready()
    stage.agent().ready()


def limited(stage: Stage) -> None:
    """The same with a limit of memory, and the time to reach it on a busy machine."""
    stage.worker(isolation="process", memory_limit=2**30, step_timeout=60.0).ready()
    stage.agent().ready()


def _perishes(stage: Stage, trial: Trial, how: str, error: str) -> Outcome:
    """Request 2 of an episode does it; its neighbour steps meanwhile, and another one is opened after it."""
    agent = stage.agents[0]
    stepper = stage.workers[0].steppers()
    neighbour, token = trial.open(agent), trial.open(agent, die={"2": how})
    trial.play(agent, token, 1)
    agent.begin(token, "step")
    trial.play(agent, neighbour, 5)
    outcome = trial.await_(agent, token, error=error)
    trial.detect_s = outcome.took_s
    for one in (neighbour, trial.open(agent)):
        trial.play(agent, one, 2)
        trial.close(agent, one)
    trial.close(agent, token)
    trial.expect(stage.workers[0].steppers() == stepper, "the stepper was replaced")
    return outcome


@row("F41", "an env that segfaults, or calls `os._exit`, in a step", ONE, 8, isolated)
def dies(stage: Stage, trial: Trial) -> None:
    """In turn."""
    _perishes(stage, trial, "segfault" if trial.number % 2 else "exit", "EnvError")


@row("F41b", "an env that takes all the memory that it can get (limit 1 GiB)", ONE, 4, limited)
def takes_all_memory(stage: Stage, trial: Trial) -> None:
    """``MemoryError``, or the end of its process."""
    _perishes(stage, trial, "memory", "EnvError")


@row("F41c", f"an env in an endless loop (`--step-timeout` {STEP_TIMEOUT_S:g})", ONE, 4, isolated)
def loops(stage: Stage, trial: Trial) -> None:
    """Its process is ended."""
    outcome = _perishes(stage, trial, "loop", "EpisodeEnded")
    trial.figures["s after the step timeout"] = max(0.0, outcome.took_s - STEP_TIMEOUT_S)


@row("F41d", "an env that segfaults in a step, `--isolation none`", "`WorkerLost`; the stepper is replaced", 4)
def dies_with_its_stepper(stage: Stage, trial: Trial) -> None:
    """What isolation is for."""
    agent, worker = stage.agents[0], stage.workers[0]
    served, token = worker.served(), trial.open(agent, die={"1": "segfault"})
    outcome = trial.do(agent, token, "step", error="WorkerLost")
    trial.detect_s = outcome.took_s
    trial.close(agent, token)
    worker.ready(served + 1)
    trial.recover_s = time.monotonic() - (outcome.at - outcome.took_s)
