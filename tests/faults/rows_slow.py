"""Rows about links that are slow, steps that are long, and agents that say nothing for long."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from broker import connect, topology
from protocol.codec import decode
from tests.faults.rows import behind_proxies, row, worker_and_agent

if TYPE_CHECKING:
    from broker.port import Connection
    from tests.faults.amqp_frames import Unit
    from tests.faults.proxy import Proxy
    from tests.faults.rig import Stage, Trial

LONG = "the connections live; the agent waits by probes, and sends its request once"


@row("F18", "50 ms and up to 20 more each way at both sides, 1 Mbit/s", "slower, and no failure", 3, behind_proxies)
def slow_link(stage: Stage, trial: Trial) -> None:
    """Some small steps, and some of 8 kB."""
    agent = stage.agents[0]
    for side in ("worker", "agent"):
        proxy = stage.proxy(side)
        proxy.latency_s, proxy.jitter_s, proxy.rate = 0.05, 0.02, 125_000
    for size, name in ((0, "s a step"), (1000, "s a step of 8 kB")):
        token = trial.open(agent, size=size)
        started = time.monotonic()
        trial.play(agent, token, 10)
        trial.figures[name] = (time.monotonic() - started) / 10
        trial.close(agent, token)


def _long_step(stage: Stage, trial: Trial, seconds: float, most_probes: int) -> None:
    agent, proxy = stage.agents[0], stage.proxy("agent")
    token = trial.open(agent, slow={"2": seconds}, timeouts={"step_timeout": 2 * seconds + 30})
    trial.play(agent, token, 1)
    connections = [len(stage.proxy(side).accepted) for side in ("worker", "agent")]
    proxy.messages, proxy.listening = [], True
    outcome = trial.do(agent, token, "step")
    proxy.listening = False
    said = [
        decode(unit.body).performative for way, unit in proxy.messages if (way, unit.exchange) == ("up", "gym.acts")
    ]
    trial.expect(said.count("act") == 1, f"the request was sent {said.count('act')} times")
    trial.expect(1 <= said.count("probe") <= most_probes, f"{said.count('probe')} probes in {seconds:g} s")
    after = [len(stage.proxy(side).accepted) for side in ("worker", "agent")]
    trial.expect(after == connections, f"connections were made anew: {connections} before, {after} after")
    trial.figures["probes"] = said.count("probe")
    trial.recover_s = outcome.took_s - seconds
    trial.play(agent, token, 2)
    trial.close(agent, token)


def patient_worker(stage: Stage) -> None:
    """Behind proxies, with a worker that lets a step take minutes."""
    stage.worker(url=stage.url(stage.proxy("worker")), step_timeout=300.0).ready()
    stage.agent(url=stage.url(stage.proxy("agent"))).ready()


@row("F26", "a step of 8 heartbeats (1 s)", LONG, 3, patient_worker, heartbeat_s=1)
def long_step(stage: Stage, trial: Trial) -> None:
    """Probes after 1, 3 and 7 seconds."""
    _long_step(stage, trial, 8.0, 4)


@row("F26r", "a step of 120 s at a heartbeat of 10 s", LONG, 1, patient_worker, by_hand=True)
def very_long_step(stage: Stage, trial: Trial) -> None:
    """In real time."""
    _long_step(stage, trial, 120.0, 9)


def _pause(stage: Stage, trial: Trial, seconds: float) -> None:
    agent = stage.agents[0]
    token = trial.open(agent)
    trial.play(agent, token, 2)
    time.sleep(seconds)
    trial.recover_s = trial.do(agent, token, "step").took_s
    trial.play(agent, token, 2)
    trial.close(agent, token)


PAUSE = "the next step is answered as if nothing had been"


@row("F26b", "an agent that asks nothing for 8 leases (1 s) and heartbeats (1 s)", PAUSE, 3, heartbeat_s=1)
def training(stage: Stage, trial: Trial) -> None:
    """The worker's probes find it alive."""
    _pause(stage, trial, 8.0)


def real_lease(stage: Stage) -> None:
    """A worker as it is shipped: lease 10 s, window 2 s."""
    stage.worker(lease=10.0, resume_window=2.0).ready()
    stage.agent().ready()


@row(
    "F26s",
    "a training pause of 300 s between two steps (lease 10 s, heartbeat 10 s)",
    PAUSE,
    1,
    real_lease,
    by_hand=True,
)
def long_training(stage: Stage, trial: Trial) -> None:
    """In real time."""
    _pause(stage, trial, 300.0)


@row(
    "F27", "`consumer_timeout` of 2 s, and an episode of 6 s", "the `make` was acked on acceptance: nothing happens", 2
)
def consumer_timeout(stage: Stage, trial: Trial) -> None:
    """Connections that are made from now on have it."""
    setting = "application:set_env(rabbit, {}, {})."
    for name, value in (("consumer_timeout", 2000), ("channel_tick_interval", 500)):
        stage.rabbit.ctl("eval", setting.format(name, value))
    try:
        stage.close_connections("with the new time-out")
        _pause(stage, trial, 6.0)
    finally:
        for name, value in (("consumer_timeout", 1_800_000), ("channel_tick_interval", 60_000)):
            stage.rabbit.ctl("eval", setting.format(name, value))


FLOOD = 700
"""Copies of an old reply, of 80 kB each: more than its queue holds, and what is on its way to an agent that does not
read: 200 messages at the broker, and what fits into the sockets."""


def overheard(stage: Stage) -> None:
    """The worker is behind a proxy, the agent is not: that would read for it."""
    stage.worker(url=stage.url(stage.proxy("worker"))).ready()
    stage.agent().ready()


@row(
    "F25",
    "the queue of replies overflows while the agent is stopped, and its reply is lost",
    "the queue is bounded; the agent asks again, and is answered from memory: nothing is executed twice",
    4,
    overheard,
)
def replies_lost(stage: Stage, trial: Trial) -> None:
    """Somebody floods it, before the reply and after it."""
    agent, seen = stage.agents[0], stage.proxy("worker")
    token = trial.open(agent, size=10_000, held="2")
    seen.messages, seen.listening = [], True
    trial.play(agent, token, 1)
    old = _percepts(seen)[0]
    seen.messages = []
    agent.begin(token, "step")
    stage.wait_begun(token, 2)
    flooder = connect(stage.url(), timeout_s=30.0, name="flooder")
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        for _ in range(8):  # what is on the way to a stopped agent takes some, and how much is up to it
            _flood(flooder, old)
            if stage.count("messages", ".percept.") == topology.INBOX_LENGTH:
                break
        stage.go(token)
        stage.wait_done(token, 2)
        _flood(flooder, old)
        depth = stage.count("messages", ".percept.")
    finally:
        os.kill(agent.pid, signal.SIGCONT)
        flooder.close()
    resumed = time.monotonic()
    trial.expect(200 <= depth <= topology.INBOX_LENGTH, f"{depth} messages wait in its queue")
    trial.figures["messages waiting"] = depth
    trial.recover_s = trial.await_(agent, token).at - resumed
    seen.listening = False
    trial.expect(len(_percepts(seen)) > 1, "the reply was not lost")
    trial.play(agent, token, 2)
    trial.close(agent, token)


def _percepts(proxy: Proxy) -> list[Unit]:
    """The large ones that the worker has sent."""
    return [unit for _, unit in proxy.messages if unit.exchange == topology.PERCEPTS and len(unit.body) > 80_000]


def _flood(connection: Connection, unit: Unit) -> None:
    for _ in range(FLOOD):
        connection.publish(unit.exchange, unit.key, unit.body, deadline=time.monotonic() + 60.0)


@row(
    "F7",
    "SIGSTOP of an agent for 3 s while its reply comes",
    "its queue holds a few messages; the step is late",
    4,
    worker_and_agent,
)
def agent_stopped(stage: Stage, trial: Trial) -> None:
    """A reply, and the worker's probes."""
    agent = stage.agents[0]
    token = trial.open(agent, held="1")
    agent.begin(token, "step")
    stage.wait_begun(token, 1)
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        stage.go(token)
        stage.wait_done(token, 1)
        time.sleep(3.0)
        depth = stage.count("messages", ".percept.")
    finally:
        resumed = time.monotonic()
        os.kill(agent.pid, signal.SIGCONT)
    trial.expect(depth <= 10, f"{depth} messages wait in its queue")
    trial.figures["messages waiting"] = depth
    trial.recover_s = trial.await_(agent, token).at - resumed
    trial.play(agent, token, 2)
    trial.close(agent, token)
