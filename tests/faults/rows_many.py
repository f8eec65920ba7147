"""Rows about many at once: a herd that comes back, workers that come and go under load."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tests.faults.rig import TIMEOUTS
from tests.faults.rows import only_agent, row
from tests.support.commands import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.rig import Stage, Trial

HERD = 60


def herd(stage: Stage) -> None:
    """A worker with room for all, and an agent process behind a proxy that counts connections."""
    stage.worker(capacity=HERD).ready()
    stage.agent(url=stage.url(stage.proxy("agent"))).ready()


@row(
    "F37",
    f"kill -9 of the broker under {HERD} connections that all step, and a new start",
    "all come back and go on, at random times",
    1,
    herd,
)
def thundering_herd(stage: Stage, trial: Trial) -> None:
    """Each episode has a connection of its own, as each has another heartbeat in its URL."""
    agent, proxy = stage.agents[0], stage.proxy("agent")
    tokens = [trial.token() for _ in range(HERD)]
    for number, token in enumerate(tokens):
        agent.begin(token, "open", **TIMEOUTS, broker=stage.url(proxy, heartbeat=60 + number))
    for token in tokens:
        trial.await_(agent, token)
        trial.do(agent, token, "reset")
    stage.rabbit.kill()
    for token in tokens:
        agent.begin(token, "steps", count=3, pace_s=0.01)
    stage.rabbit.start()
    started = time.monotonic()
    back = sorted(trial.await_(agent, token).at - started for token in tokens)
    trial.recover_s = back[int(0.95 * HERD)]
    asked = [at for at in proxy.accepted if at >= started]
    busiest = max(sum(at <= one < at + 0.1 for one in asked) for at in asked)
    trial.figures["connections in the busiest 0.1 s"] = busiest
    trial.expect(busiest < HERD / 3, f"{busiest} of {HERD} connect within 0.1 s")
    for token in tokens:
        trial.close(agent, token)


@row(
    "F36",
    "from one worker to four and back to one, under load",
    "no episode lost, no error; all workers get some",
    1,
    only_agent,
)
def scaled(stage: Stage, trial: Trial) -> None:
    """Sixteen episodes at a time; workers that are told to end let theirs run out."""
    workers = [stage.worker(capacity=4).ready()]
    _ride(trial, 4)
    workers += [stage.worker(capacity=4) for _ in range(3)]
    for one in workers:
        one.ready()
    tokens = _ride(trial, 16)
    made = {entry.pid for entry in stage.entries(*tokens) if entry.event == "made"}
    trial.expect(len(made) == 4, f"{len(made)} of 4 workers had an episode")

    def end() -> None:
        for one in workers[1:]:
            one.send(signal.SIGTERM)

    _ride(trial, 16, meanwhile=end)
    for one in workers[1:]:
        trial.expect(one.popen.wait(60) == 0, f"a worker ended with {one.popen.returncode}")


def _ride(trial: Trial, count: int, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
    """So many episodes at a time. ``meanwhile`` is called when one of them steps."""
    stage, agent = trial.stage, trial.stage.agents[0]
    tokens = [trial.token() for _ in range(count)]
    for token in tokens:
        agent.begin(token, "whole", count=20, pace_s=0.05, **TIMEOUTS)
    eventually(lambda: any(one.event == "begin" for one in stage.entries(*tokens)), "an episode has begun")
    meanwhile()
    for token in tokens:
        trial.await_(agent, token)
    return tokens
