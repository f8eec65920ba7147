"""Rows about env workers that die, stand still, or are told to end."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.faults import failpoints
from tests.faults.processes import wait_gone
from tests.faults.rig import TIMEOUTS, WINDOW_S
from tests.faults.rows import only_agent, row
from tests.support.commands import eventually

if TYPE_CHECKING:
    from tests.faults.rig import Stage, Trial

LOST = f"`WorkerLost` within 1 s of the next probe and the window ({WINDOW_S:g} s), no step twice; the worker lives on"


def _stepper_of(stage: Stage, token: str) -> int:
    """The process that has made the env of an episode."""
    return next(entry.pid for entry in stage.entries(token) if entry.event == "made")


@row("F1", "kill -9 of a stepper between two steps", LOST, 20, only_agent)
def killed_idle(stage: Stage, trial: Trial) -> None:
    """The agent finds it at its next request."""
    agent, worker = stage.agents[0], stage.fresh()
    token = trial.open(agent, worker)
    trial.play(agent, token, 3)
    pid = _stepper_of(stage, token)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    outcome = trial.do(agent, token, "step", error="WorkerLost")
    trial.detect_s = outcome.took_s
    trial.close(agent, token)


@row("F1b", "kill -9 of a stepper in the middle of a step", LOST, 10, only_agent)
def killed_in_step(stage: Stage, trial: Trial) -> None:
    """The env sleeps when its process is killed."""
    agent, worker = stage.agents[0], stage.fresh()
    token = trial.open(agent, worker, slow={"1": 60.0})
    agent.begin(token, "step")
    stage.wait_begun(token, 1)
    killed = time.monotonic()
    os.kill(_stepper_of(stage, token), signal.SIGKILL)
    outcome = trial.await_(agent, token, error="WorkerLost")
    trial.detect_s = outcome.at - killed
    trial.close(agent, token)


@row("F2", "kill -9 of a stepper between step and reply", LOST, 40, only_agent)
def killed_before_reply(stage: Stage, trial: Trial) -> None:
    """The env kills its process when the step is done."""
    agent, worker = stage.agents[0], stage.fresh()
    token = trial.open(agent, worker, die={"2": "after"})
    trial.play(agent, token, 1)
    outcome = trial.do(agent, token, "step", error="WorkerLost")
    trial.detect_s = outcome.took_s
    trial.close(agent, token)


@row(
    "F1r",
    'kill -9 of a stepper in the middle of a step, `on_worker_loss="replay"`',
    "the run goes on at another stepper, to the same digest; nothing done twice by one env",
    8,
    only_agent,
)
def replayed(stage: Stage, trial: Trial) -> None:
    """The agent asks all again since its seeded reset."""
    agent, worker = stage.agents[0], stage.fresh(processes=2)
    trial.replays = True
    token = trial.open(agent, worker, timeouts={"on_worker_loss": "replay"}, held="6")
    trial.play(agent, token, 5)
    agent.begin(token, "step")
    stage.wait_begun(token, 6)
    killed = time.monotonic()
    os.kill(_stepper_of(stage, token), signal.SIGKILL)
    stage.go(token)
    trial.recover_s = trial.await_(agent, token).at - killed
    trial.play(agent, token, 3)
    trial.close(agent, token)


@row("F1c", "kill -9 of the supervisor of a worker", f"its steppers end at once; {LOST}", 8, only_agent)
def supervisor_killed(stage: Stage, trial: Trial) -> None:
    """Nobody would watch over them any more."""
    agent, worker = stage.agents[0], stage.fresh()
    token = trial.open(agent, worker)
    stepper = _stepper_of(stage, token)
    killed = time.monotonic()
    worker.send(signal.SIGKILL)
    trial.detect_s = wait_gone(stepper) - killed
    trial.do(agent, token, "step", error="WorkerLost")
    trial.close(agent, token)


def _dies_at(place: str, stage: Stage, trial: Trial) -> None:
    agent, worker = stage.agents[0], stage.fresh(processes=2)
    failpoints.arm(stage.folder, place)
    token = trial.token()
    outcome = trial.do(agent, token, "open", env_id=worker.env_id, **TIMEOUTS)
    trial.recover_s = outcome.took_s
    trial.expect(not failpoints.armed(stage.folder, place), f"nobody came to {place}")
    trial.do(agent, token, "reset")
    trial.play(agent, token, 2)
    trial.close(agent, token)


OPENED = "the open succeeds at another stepper; one env for the agent, no orphan"


@row("F3", "kill -9 of a stepper after `accepted`, before the ack of the `make`", OPENED, 10, only_agent)
def killed_before_ack(stage: Stage, trial: Trial) -> None:
    """The broker gives the make to somebody else."""
    _dies_at(failpoints.UNACKED, stage, trial)


@row("F3b", "kill -9 of a stepper that took the `make`, before `accepted`", OPENED, 5, only_agent)
def killed_before_accepted(stage: Stage, trial: Trial) -> None:
    """The broker gives the make to somebody else."""
    _dies_at(failpoints.BEFORE_ACCEPTED, stage, trial)


@row("F3c", "kill -9 of a stepper after the ack, before the env is made", OPENED, 5, only_agent)
def killed_before_build(stage: Stage, trial: Trial) -> None:
    """The agent asks again."""
    _dies_at(failpoints.BEFORE_BUILD, stage, trial)


@row(
    "F28",
    "an env that kills each process that makes it",
    "`WorkerLost` after three attempts; the worker lives on",
    2,
    only_agent,
)
def poison(stage: Stage, trial: Trial) -> None:
    """The next open of a healthy env succeeds."""
    agent, worker = stage.agents[0], stage.fresh(processes=2)
    token, kwargs = trial.token(), {"die": {"make": "now"}}
    fields = {"env_id": worker.env_id, "kwargs": kwargs, **TIMEOUTS}
    outcome = trial.do(agent, token, "open", error="WorkerLost", **fields)
    trial.detect_s = outcome.took_s
    made = [one for one in stage.entries(token) if one.event == "made"]
    trial.expect(len(made) == 3, f"{len(made)} processes made the env, expected 3")
    healthy = trial.open(agent, worker)
    trial.play(agent, healthy, 1)
    trial.close(agent, healthy)


def impatient(stage: Stage) -> None:
    """When the worker's own connection broke, agents have 3 s to come back instead of 60."""
    stage.patience_s = 3.0
    stage.worker(return_s=stage.patience_s)
    stage.agent().ready()
    stage.workers[0].ready()


@row(
    "F4",
    "SIGSTOP of a stepper for 1.5 s in the middle of an episode (heartbeat 4 s)",
    "the step is late; nothing else",
    5,
    heartbeat_s=4,
)
def stands_still(stage: Stage, trial: Trial) -> None:
    """Shorter than the heartbeat."""
    agent = stage.agents[0]
    token = trial.open(agent)
    pid = _stepper_of(stage, token)
    os.kill(pid, signal.SIGSTOP)
    try:
        agent.begin(token, "step")
        time.sleep(1.5)
    finally:
        os.kill(pid, signal.SIGCONT)
    resumed = time.monotonic()
    trial.recover_s = trial.await_(agent, token).at - resumed
    trial.play(agent, token, 2)
    trial.close(agent, token)


@row(
    "F5",
    "SIGSTOP of a stepper for 2.5 heartbeats and more (heartbeat 1 s), then SIGCONT",
    "`WorkerLost`; it comes back, says nothing that counts, closes the env, serves again",
    3,
    heartbeat_s=1,
    setup=impatient,
)
def zombie(stage: Stage, trial: Trial) -> None:
    """The broker gives its connection up."""
    agent = stage.agents[0]
    token = trial.open(agent)
    pid = _stepper_of(stage, token)
    os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        outcome = trial.do(agent, token, "step", error="WorkerLost")
        trial.detect_s = outcome.at - stopped
    finally:
        os.kill(pid, signal.SIGCONT)
    again = trial.open(agent)
    trial.recover_s = time.monotonic() - outcome.at
    trial.play(agent, again, 2)
    trial.close(agent, again)
    trial.close(agent, token)


@row(
    "F8",
    "SIGTERM to a worker while an episode runs",
    "the episode goes on to its end, no new one begins; exit code 0",
    4,
    only_agent,
)
def drained(stage: Stage, trial: Trial) -> None:
    """A worker of this trial's own."""
    agent, worker = stage.agents[0], stage.fresh(drain_timeout=30.0)
    token = trial.open(agent, worker)
    told = time.monotonic()
    worker.send(signal.SIGTERM)
    eventually(lambda: not stage.count("consumers", f"requests.{worker.env_id}"), "it takes no more requests")
    trial.detect_s = time.monotonic() - told
    trial.play(agent, token, 20)
    late = trial.token()
    trial.do(agent, late, "open", error="NoFreeWorker", env_id=worker.env_id, **{**TIMEOUTS, "make_timeout": 1.0})
    trial.close(agent, token)
    code = worker.popen.wait(60)
    trial.expect(code == 0, f"the worker ended with {code}")


@row(
    "F8b",
    "SIGTERM to a worker whose episode does not end within `--drain-timeout` (1 s)",
    "the agent is told why; exit code 0",
    4,
    only_agent,
)
def drain_timeout(stage: Stage, trial: Trial) -> None:
    """Its agent pauses."""
    agent, worker = stage.agents[0], stage.fresh(drain_timeout=1.0)
    token = trial.open(agent, worker)
    told = time.monotonic()
    worker.send(signal.SIGTERM)
    code = worker.popen.wait(60)
    trial.detect_s = time.monotonic() - told
    trial.expect(code == 0, f"the worker ended with {code}")
    outcome = trial.do(agent, token, "step", error="EpisodeEnded")
    trial.expect("shut down" in outcome.text, outcome.text)
    trial.close(agent, token)
