"""Rows about the network between a side and the broker, made by the proxy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.faults import Fault
from tests.faults.rig import PATIENT_S
from tests.faults.rows import behind_proxies, row

if TYPE_CHECKING:
    from tests.faults.processes import Outcome
    from tests.faults.rig import Stage, Trial

GOES_ON = "the connection is made anew, the run goes on with the same `step_id`; nothing executed twice; no 405"


def patient(stage: Stage) -> None:
    """Behind proxies, with windows in which a side can find out that its connection is half open."""
    stage.worker(url=stage.url(stage.proxy("worker")), resume_window=PATIENT_S).ready()
    stage.agent(url=stage.url(stage.proxy("agent"))).ready()


def _struck(stage: Stage, trial: Trial, side: str, fault: Fault, size: int = 0) -> Outcome:
    """An episode on which ``fault`` strikes at the proxy of ``side`` while it steps."""
    agent = stage.agents[0]
    token = trial.open(agent, timeouts={"resume_window": PATIENT_S}, size=size)
    trial.play(agent, token, 1)
    proxy = stage.proxy(side)
    before = len(proxy.accepted)
    proxy.strike(fault)
    outcome = trial.do(agent, token, "steps", count=6)
    trial.expect(fault.fired.is_set(), f"the fault did not strike: {fault}")
    trial.recover_s = outcome.at - fault.fired_at
    if fault.deed not in ("duplicate", "delay", "replay"):
        made = [at for at in proxy.accepted[before:] if at > fault.fired_at]
        trial.detect_s = made[0] - fault.fired_at if made else None
    proxy.disarm()
    trial.play(agent, token, 2)
    trial.close(agent, token)
    for one in [*stage.workers, *stage.agents]:
        trial.expect("RESOURCE_LOCKED" not in one.said, f"405 in {one.log.name}")
    return outcome


def _request(deed: str, nth: int = 1, **fields: float) -> Fault:
    """At the agent: a request on its way to the broker."""
    return Fault("up", "basic.publish", deed, nth, exchange="gym.acts", **fields)


def _reply(deed: str, nth: int = 1, **fields: float) -> Fault:
    """At the worker: a reply on its way to the broker."""
    return Fault("up", "basic.publish", deed, nth, exchange="gym.percepts", **fields)


def _delivered(deed: str, exchange: str, nth: int = 1, **fields: float) -> Fault:
    """A message on its way from the broker."""
    return Fault("down", "basic.deliver", deed, nth, exchange=exchange, **fields)


@row("F16", "one way blackhole agent -> broker (heartbeat 1 s)", GOES_ON, 3, patient, heartbeat_s=1)
def agent_unheard(stage: Stage, trial: Trial) -> None:
    """The broker gives the agent up; the old connection is half open at the agent."""
    _struck(stage, trial, "agent", _request("blackhole", 2))


@row("F16b", "one way blackhole broker -> agent (heartbeat 1 s)", GOES_ON, 3, patient, heartbeat_s=1)
def agent_deaf(stage: Stage, trial: Trial) -> None:
    """The agent gives the broker up; the old connection is half open at the broker."""
    _struck(stage, trial, "agent", _delivered("blackhole", "gym.percepts", 2))


@row("F16c", "one way blackhole worker -> broker (heartbeat 1 s)", GOES_ON, 3, patient, heartbeat_s=1)
def worker_unheard(stage: Stage, trial: Trial) -> None:
    """The reply is lost, and its connection is found dead."""
    _struck(stage, trial, "worker", _reply("blackhole", 2))


@row("F16d", "one way blackhole broker -> worker (heartbeat 1 s)", GOES_ON, 3, patient, heartbeat_s=1)
def worker_deaf(stage: Stage, trial: Trial) -> None:
    """The old connection, and its exclusive queues, are still there at the broker when it comes back."""
    _struck(stage, trial, "worker", _delivered("blackhole", "gym.acts", 2))


@row("F17", "reset in the middle of a large reply (after 100,000 of 400,000 bytes)", GOES_ON, 8, behind_proxies)
def cut_reply(stage: Stage, trial: Trial) -> None:
    """Nothing of it is decoded."""
    _struck(stage, trial, "worker", _reply("cut", 1 + trial.number % 3, after=100_000), size=50_000)


@row("F17b", "reset in the middle of a large delivery to the agent", GOES_ON, 8, behind_proxies)
def cut_delivery(stage: Stage, trial: Trial) -> None:
    """Nothing of it is decoded."""
    _struck(stage, trial, "agent", _delivered("cut", "gym.percepts", 1 + trial.number % 3, after=70_000), size=50_000)


@row("F17c", "reset after the n-th byte of a request", GOES_ON, 12, behind_proxies)
def cut_request(stage: Stage, trial: Trial) -> None:
    """Also within the frames of method and header."""
    _struck(stage, trial, "agent", _request("cut", 1 + trial.number % 3, after=5 + 17 * trial.number))


@row("F17d", "reset when a request is delivered to the worker", GOES_ON, 8, behind_proxies)
def cut_at_worker(stage: Stage, trial: Trial) -> None:
    """The broker knows it as delivered, and not acked."""
    _struck(stage, trial, "worker", _delivered("reset", "gym.acts", 1 + trial.number % 3))


@row("F17e", "reset when the worker has executed a step, and its reply is at the proxy", GOES_ON, 8, behind_proxies)
def cut_at_reply(stage: Stage, trial: Trial) -> None:
    """It is answered from memory."""
    _struck(stage, trial, "worker", _reply("reset", 1 + trial.number % 3))


@row(
    "F29",
    "a request is delivered twice",
    "executed once; the second is answered from memory, and ignored",
    10,
    behind_proxies,
)
def twice_request(stage: Stage, trial: Trial) -> None:
    """The agent's publish goes to the broker twice."""
    _struck(stage, trial, "agent", _request("duplicate", 1 + trial.number % 3))


@row("F29b", "a reply is delivered twice", "the second is ignored", 10, behind_proxies)
def twice_reply(stage: Stage, trial: Trial) -> None:
    """The worker's publish goes to the broker twice."""
    _struck(stage, trial, "worker", _reply("duplicate", 1 + trial.number % 3))


@row(
    "F30",
    "a request comes once more after the next one",
    "it is stale: not executed, and nobody is disturbed",
    10,
    behind_proxies,
)
def replayed_request(stage: Stage, trial: Trial) -> None:
    """What a broker or a thief of messages could do."""
    _struck(stage, trial, "agent", _request("replay", 1 + trial.number % 3))


@row("F30b", "a reply comes once more after the next one", "it is of the past, and ignored", 10, behind_proxies)
def replayed_reply(stage: Stage, trial: Trial) -> None:
    """The agent waits for another."""
    _struck(stage, trial, "worker", _reply("replay", 1 + trial.number % 3))


@row(
    "F31",
    "a reply is 1.5 s late, so that the agent has sent a probe",
    "the step is late; no request goes twice",
    5,
    behind_proxies,
)
def late_reply(stage: Stage, trial: Trial) -> None:
    """Probes rather than repeated requests."""
    _struck(stage, trial, "worker", _reply("delay", 2, seconds=1.5))


@row(
    "F20",
    "the agent is cut off for 3 s: nothing passes, and nothing is lost (heartbeat 10 s)",
    "the step is late; the episode goes on",
    4,
    behind_proxies,
)
def cut_off(stage: Stage, trial: Trial) -> None:
    """A partition that heals before anybody notices."""
    _held(stage, trial, "agent", 3.0)


@row(
    "F20b",
    "the agent is cut off for 4 heartbeats (1 s), then comes back",
    f"it comes back within the window ({PATIENT_S:g} s), and the episode goes on",
    3,
    patient,
    heartbeat_s=1,
)
def cut_off_long(stage: Stage, trial: Trial) -> None:
    """Both the broker and the agent give the connection up."""
    _held(stage, trial, "agent", 4.0)


@row(
    "F20c",
    "the worker is cut off for 4 heartbeats (1 s), then comes back",
    f"it comes back within the window ({PATIENT_S:g} s), and the episode goes on",
    3,
    patient,
    heartbeat_s=1,
)
def worker_cut_off_long(stage: Stage, trial: Trial) -> None:
    """Both the broker and the worker give the connection up."""
    _held(stage, trial, "worker", 4.0)


def _held(stage: Stage, trial: Trial, side: str, seconds: float) -> None:
    agent, proxy = stage.agents[0], stage.proxy(side)
    token = trial.open(agent, timeouts={"resume_window": PATIENT_S})
    trial.play(agent, token, 1)
    proxy.hold()
    agent.begin(token, "step")
    time.sleep(seconds)
    proxy.release()
    released = time.monotonic()
    trial.recover_s = trial.await_(agent, token).at - released
    trial.play(agent, token, 2)
    trial.close(agent, token)
