"""Rows about agents that die."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.rig import LEASE_S, TIMEOUTS, WINDOW_S
from tests.faults.rows import only_worker, row
from tests.support.commands import eventually

if TYPE_CHECKING:
    from tests.faults.rig import Stage, Trial


@row(
    "F6",
    "kill -9 of an agent in the middle of an episode",
    f"its env is closed within lease and window ({LEASE_S:g} + {WINDOW_S:g} s)",
    8,
    only_worker,
)
def agent_killed(stage: Stage, trial: Trial) -> None:
    """The slot is free again."""
    agent = stage.agent().ready()
    token = trial.open(agent)
    trial.play(agent, token, 2)
    killed = time.monotonic()
    agent.end()
    closed = eventually(
        lambda: next((one.t for one in stage.entries(token) if one.event == "closed"), None), "the env is closed"
    )
    assert isinstance(closed, float)
    trial.recover_s = closed - killed


def full(stage: Stage) -> None:
    """A worker with one slot."""
    stage.worker(capacity=1).ready()
    stage.agent().ready()


@row(
    "F6c",
    "kill -9 of an agent that stands in line for a slot",
    "its `make` comes to nothing: no env is built for it, and the next in line has the slot",
    4,
    full,
)
def agent_killed_in_line(stage: Stage, trial: Trial) -> None:
    """What lies in the queue outlives who sent it."""
    first, second = stage.agents[0], stage.agent().ready()
    taken, dead = trial.open(first), trial.token()
    second.begin(dead, "open", **TIMEOUTS)
    eventually(lambda: stage.count("messages", f"requests.{stage.env_id}") == 1, "it stands in line")
    second.end()
    trial.close(first, taken)
    freed = time.monotonic()
    token = trial.open(first)
    trial.recover_s = time.monotonic() - freed
    trial.expect(not any(one.event == "made" for one in stage.entries(dead)), "an env was made for the dead agent")
    trial.close(first, token)


def breaking(stage: Stage) -> None:
    """A worker behind a proxy, whose agents have 3 s to come back when its own connection broke."""
    stage.patience_s = 3.0
    stage.worker(url=stage.url(stage.proxy("worker")), return_s=stage.patience_s).ready()


@row(
    "F6b",
    "kill -9 of an agent, and the worker's own connection breaks every 2 s",
    "its env is closed within the time that agents have to come back (60 s; here 3 s), which they get once",
    3,
    breaking,
)
def agent_killed_while_breaking(stage: Stage, trial: Trial) -> None:
    """The time must not begin anew at each break."""
    agent = stage.agent().ready()
    token = trial.open(agent)
    killed = time.monotonic()
    agent.end()
    closed = None
    while closed is None and time.monotonic() < killed + 30.0:
        stage.proxy("worker").reset_all()
        time.sleep(2.0)
        closed = next((one.t for one in stage.entries(token) if one.event == "closed"), None)
    trial.expect(closed is not None, "the env is not closed in 30 s")
    if closed is not None:
        trial.recover_s = closed - killed
