"""Rows about the broker: it dies, stops, is not there, closes connections, and takes no messages."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from tests.faults.faults import Fault
from tests.faults.rig import TIMEOUTS
from tests.faults.rows import behind_proxies, row
from tests.support.commands import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.rig import Stage, Trial

LONG = {"step_timeout": 180.0, "reconnect_timeout": 180.0}
"""A broker takes half a minute to start on a machine that is busy."""

GOES_ON = "both sides come back, the run goes on with the same `step_id`; no 405"


def _through(stage: Stage, trial: Trial, fault: Callable[[], None], *, in_step: bool = False) -> None:
    """An episode that goes on after ``fault``, which returns when it is over. ``in_step``: it strikes during a step.

    A second one is idle meanwhile.
    """
    agent = stage.agents[0]
    token = trial.open(agent, timeouts=LONG, held="2" if in_step else "")
    idle = trial.open(agent, timeouts=LONG)
    trial.play(agent, token, 1)
    if in_step:
        agent.begin(token, "step")
        stage.wait_begun(token, 2)
    fault()
    over = time.monotonic()
    if in_step:
        stage.go(token)
    else:
        agent.begin(token, "step")
    trial.recover_s = trial.await_(agent, token).at - over
    trial.play(agent, token, 3)
    trial.play(agent, idle, 2)
    for one in (token, idle):
        trial.close(agent, one)
    _no_405(stage, trial)


def _no_405(stage: Stage, trial: Trial) -> None:
    """A queue that belongs to another connection: names carry the incarnation so that this cannot happen."""
    for one in [*stage.workers, *stage.agents]:
        trial.expect("RESOURCE_LOCKED" not in one.said, f"405 in {one.log.name}")


@row("F9", "kill -9 of the broker between two steps, and a new start", GOES_ON, 3)
def broker_killed(stage: Stage, trial: Trial) -> None:
    """Durable queues come back, exclusive ones do not."""

    def fault() -> None:
        stage.rabbit.kill()
        stage.rabbit.start()

    _through(stage, trial, fault)


@row("F9b", "kill -9 of the broker in the middle of a step, and a new start", GOES_ON, 3)
def broker_killed_in_step(stage: Stage, trial: Trial) -> None:
    """The reply is made while there is no broker, or lost with it."""

    def fault() -> None:
        stage.rabbit.kill()
        stage.rabbit.start()

    _through(stage, trial, fault, in_step=True)


def _first_back(stage: Stage, trial: Trial, late: str) -> None:
    """The broker dies, and ``late`` reaches it again 3 s after the other side."""

    def fault() -> None:
        proxy = stage.proxy(late)
        proxy.refuse()
        stage.rabbit.kill()
        stage.rabbit.start()
        other = stage.proxy("agent" if late == "worker" else "worker")
        started, seen = time.monotonic(), len(other.accepted)
        eventually(lambda: len(other.accepted) > seen or time.monotonic() > started + 1, "the other side is back")
        threading.Timer(3.0, proxy.accept).start()

    _through(stage, trial, fault, in_step=True)


@row("F9c", "the same; the agent is back 3 s before the worker", GOES_ON, 2, behind_proxies)
def agent_first(stage: Stage, trial: Trial) -> None:
    """Its `resume` finds nobody."""
    _first_back(stage, trial, "worker")


@row("F9d", "the same; the worker is back 3 s before the agent", GOES_ON, 2, behind_proxies)
def worker_first(stage: Stage, trial: Trial) -> None:
    """Its `resume` finds nobody."""
    _first_back(stage, trial, "agent")


@row("F10", "`rabbitmqctl stop_app`, then `start_app`", GOES_ON, 3)
def broker_stopped(stage: Stage, trial: Trial) -> None:
    """Connections are closed with 320."""

    def fault() -> None:
        stage.rabbit.ctl("stop_app")
        stage.rabbit.ctl("start_app")

    _through(stage, trial, fault)


@row("F11", "SIGSTOP of the broker for 4 heartbeats (1 s), then SIGCONT", GOES_ON, 3, heartbeat_s=1)
def broker_frozen(stage: Stage, trial: Trial) -> None:
    """Both sides give their connections up."""

    def fault() -> None:
        os.kill(stage.rabbit.pid, signal.SIGSTOP)
        time.sleep(4.0)
        os.kill(stage.rabbit.pid, signal.SIGCONT)

    _through(stage, trial, fault)


def nobody(stage: Stage) -> None:
    """The trial starts its own."""


@row(
    "F12",
    "no broker when worker and agent start; it appears 3 s later",
    "a wait that is shown, then the first step",
    2,
    nobody,
)
def broker_late(stage: Stage, trial: Trial) -> None:
    """Both tell that they wait."""
    with stage.rig.absent():
        worker, agent = stage.worker(), stage.agent().ready()
        token = trial.token()
        agent.begin(token, "open", connect_timeout=180.0, **TIMEOUTS)
        waiting = "waiting for the broker"
        eventually(lambda: waiting in agent.said and waiting in worker.said, "both say that they wait", 60.0)
    there = time.monotonic()
    trial.await_(agent, token)
    trial.do(agent, token, "reset")
    trial.recover_s = time.monotonic() - there
    trial.close(agent, token)
    stage.finish(worker, agent)


@row("F13", "`rabbitmqctl close_all_connections`", GOES_ON, 6)
def connections_closed(stage: Stage, trial: Trial) -> None:
    """In the middle of a step."""
    _through(stage, trial, lambda: stage.close_connections("matrix F13"), in_step=True)


@row("F13b", "`rabbitmqctl close_all_connections` between two steps", GOES_ON, 6)
def connections_closed_idle(stage: Stage, trial: Trial) -> None:
    """Nobody waits for anything."""
    _through(stage, trial, lambda: stage.close_connections("matrix F13b"))


@row(
    "F13c",
    "a broker that takes connections and breaks each at its first declare, for 4 s",
    f"{GOES_ON}; no spin",
    3,
    behind_proxies,
)
def flapping(stage: Stage, trial: Trial) -> None:
    """As it may while it comes up."""
    accepted = [stage.proxy(side).accepted for side in ("worker", "agent")]
    before = [len(one) for one in accepted]

    def fault() -> None:
        for side in ("worker", "agent"):
            stage.proxy(side).strike(Fault("up", "queue.declare", "reset", always=True))
            stage.proxy(side).reset_all()
        time.sleep(4.0)
        for side in ("worker", "agent"):
            stage.proxy(side).disarm()

    _through(stage, trial, fault, in_step=True)
    made = [(len(one) - had) / 4.0 for one, had in zip(accepted, before, strict=True)]
    trial.figures["connections a second"] = max(made)
    trial.expect(max(made) < 15, f"connections a second by worker and agent: {made}")


@row("F22", "a memory alarm for 2 s in the middle of an episode", "the step is late; nothing is lost", 3)
def memory_alarm(stage: Stage, trial: Trial) -> None:
    """Publishers are blocked."""

    def fault() -> None:
        stage.rabbit.ctl("set_vm_memory_high_watermark", "0.000001")
        threading.Timer(2.0, stage.rabbit.ctl, ["set_vm_memory_high_watermark", "absolute", "1GB"]).start()

    _through(stage, trial, fault)


@row("F23", "a disk alarm for 2 s in the middle of an episode", "the step is late; nothing is lost", 3)
def disk_alarm(stage: Stage, trial: Trial) -> None:
    """Publishers are blocked."""

    def fault() -> None:
        stage.rabbit.ctl("set_disk_free_limit", "9000GB")
        threading.Timer(2.0, stage.rabbit.ctl, ["set_disk_free_limit", "50MB"]).start()

    _through(stage, trial, fault)
