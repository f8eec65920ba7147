"""Rows that need something of the machine: a network or a file system of their own, another clock. Else they say so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.clock import HOUR_S, Clock
from tests.faults.island import Island
from tests.faults.machine import filled, small_disk
from tests.faults.proxy import Proxy
from tests.faults.rig import LEASE_S, TIMEOUTS, WINDOW_S
from tests.faults.rows import row
from tests.support.commands import eventually

if TYPE_CHECKING:
    from tests.faults.rig import Stage, Trial

SLOWER = "slower, and no failure"
STEPS = 20
FULL_S = 2.0


def _on_an_island(stage: Stage, island: Island) -> None:
    """The first agent is beside the broker, the second on the island; a proxy stands on the shore."""
    stage.needed = stage.enter(island)
    shore = stage.enter(Proxy(stage.rabbit.port, host=island.host))
    stage.worker()
    stage.agent()
    stage.agent(url=stage.url(shore), prefix=island.prefix)
    stage.workers[0].ready()
    for agent in stage.agents:
        agent.ready()


def _large_steps(stage: Stage, trial: Trial) -> None:
    """Of both agents, one after the other."""
    took = []
    for agent in stage.agents:
        token = trial.open(agent, size=50_000)
        took.append(trial.do(agent, token, "steps", count=STEPS).took_s)
        trial.close(agent, token)
    trial.figures["s a step of 400 kB"] = took[1] / STEPS
    trial.figures["times as long as without"] = took[1] / took[0]


def small_packets(stage: Stage) -> None:
    """What comes and goes is cut small, and little of it is under way."""
    _on_an_island(stage, Island(mtu=600, window=2400))


@row("F21", "IP packets of 600 bytes at most, and 2,400 bytes under way at most", SLOWER, 3, small_packets)
def small_mtu(stage: Stage, trial: Trial) -> None:
    """TCP cuts, and waits."""
    island: Island = stage.needed
    before = island.packets
    _large_steps(stage, trial)
    least = STEPS * 400_000 // 600
    trial.expect(island.packets - before > least, f"{island.packets - before} packets for {STEPS} steps")


def lossy(stage: Stage) -> None:
    """What comes and goes has gaps."""
    _on_an_island(stage, Island(loss=0.02, swap=0.05))


@row("F21b", "of the IP packets 2 % are lost, and 5 % overtaken by the next", SLOWER, 3, lossy)
def packets_lost(stage: Stage, trial: Trial) -> None:
    """TCP sends again, and puts in order."""
    island: Island = stage.needed
    before = island.lost, island.swapped
    _large_steps(stage, trial)
    lost, swapped = island.lost - before[0], island.swapped - before[1]
    trial.figures |= {"packets lost": lost, "overtaken": swapped}
    trial.expect(bool(lost and swapped), f"{lost} packets were lost, and {swapped} overtaken")


def on_a_small_disk(stage: Stage) -> None:
    """A broker of its own, with room for little."""
    stage.rabbit, stage.needed = stage.enter(small_disk(96))
    stage.worker().ready()
    stage.agent().ready()


@row(
    "F42",
    f"no room on the broker's disk, for data and log, for {FULL_S:g} s in the middle of an episode",
    "the step is late, and so is an open; nothing is lost; the broker lives",
    3,
    on_a_small_disk,
)
def disk_full(stage: Stage, trial: Trial) -> None:
    """RabbitMQ raises an alarm when it sees that."""
    agent, pid = stage.agents[0], stage.rabbit.pid
    token = trial.open(agent)
    trial.play(agent, token, 1)
    late = trial.token()
    with filled(stage.needed):
        alarms = lambda: "disk" in stage.rabbit.ctl("eval", "rabbit_alarm:get_alarms().")
        eventually(alarms, "the broker sees that its disk is full", 60.0)
        agent.begin(token, "step")
        agent.begin(late, "open", **TIMEOUTS)
        time.sleep(FULL_S)
    there = time.monotonic()
    trial.recover_s = trial.await_(agent, token).at - there
    trial.await_(agent, late)
    trial.do(agent, late, "reset")
    for one in (token, late):
        trial.play(agent, one, 2)
        trial.close(agent, one)
    trial.expect("rabbit" in stage.rabbit.ctl("status") and stage.rabbit.pid == pid, "the broker is another one")


def own_clocks(stage: Stage) -> None:
    """Agent and worker have a clock each that can jump."""
    clocks = {side: Clock(stage.folder / f"clock-{side}") for side in ("agent", "worker")}
    stage.needed = clocks
    stage.worker(prefix=clocks["worker"].prefix)
    stage.agent(prefix=clocks["agent"].prefix)
    stage.workers[0].ready()
    stage.agents[0].ready()


@row("F32", "the clock of the agent or of the worker jumps by an hour, forth or back", "nothing happens", 4, own_clocks)
def clock_jumps(stage: Stage, trial: Trial) -> None:
    """In the middle of a step, and between two."""
    clock: Clock = stage.needed[("agent", "worker")[trial.number // 2 % 2]]
    agent = stage.agents[0]
    token = trial.open(agent, held="2")
    trial.play(agent, token, 1)
    agent.begin(token, "step")
    stage.wait_begun(token, 2)
    clock.jump(HOUR_S if trial.number % 2 else -HOUR_S)
    time.sleep(LEASE_S)
    stage.go(token)
    went = time.monotonic()
    trial.recover_s = trial.await_(agent, token).at - went
    time.sleep(2 * (LEASE_S + WINDOW_S))
    trial.play(agent, token, 2)
    clock.jump(0)
    trial.play(agent, token, 2)
    trial.close(agent, token)
