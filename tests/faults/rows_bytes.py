"""Rows about bytes that are changed on their way. TCP's checksum does not let that happen: the proxy is above it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgpack

from protocol.codec import encode
from protocol.messages import Percept
from tests.faults.faults import Fault
from tests.faults.rows import behind_proxies, row
from tools import certificates

if TYPE_CHECKING:
    from tests.faults.rig import Stage, Trial

FRAME_END, LAST = -1, -2
"""Places in a message: the end of its last frame, and the last byte of its body."""

PERCEPT = Percept("0" * 32, 1, "0" * 16, 1.0, False, False, {}, b"")
ENVELOPE = encode(PERCEPT).index(msgpack.packb(PERCEPT.reward))
"""So many bytes of a percept say what it is, of which episode and step, and from whom; numbers follow."""


def over_tls(stage: Stage) -> None:
    """The agent speaks TLS, through a proxy that understands nothing of it."""
    stage.worker().ready()
    port = stage.proxy("tls").port
    stage.agent(url=f"amqps://guest:guest@localhost:{port}/%2F?heartbeat=10&cacertfile={stage.rabbit.ca}").ready()


@row("F19", "a byte is changed on its way (TLS)", "the connection breaks and is made anew; no wrong value", 8, over_tls)
def corrupted(stage: Stage, trial: Trial) -> None:
    """Of a request or of a reply."""
    agent, proxy = stage.agents[0], stage.proxy("tls")
    token = trial.open(agent, size=1000)
    trial.play(agent, token, 1)
    way = "up" if trial.number % 2 else "down"
    fault = proxy.strike(Fault(way, "bytes", "corrupt", 1 + trial.number // 2))
    outcome = trial.do(agent, token, "steps", count=8)
    trial.expect(fault.fired.is_set(), "the fault did not strike")
    trial.recover_s = outcome.at - fault.fired_at
    trial.close(agent, token)


@row(
    "F19b",
    "a byte of a frame's end, or of what a reply says of itself, is changed (no TLS)",
    "an error that is named, or nothing: it is asked for again; no wrong value",
    12,
    behind_proxies,
)
def corrupted_form(stage: Stage, trial: Trial) -> None:
    """The last of the trials goes for the frame, the others for places all over the envelope."""
    agent, proxy = stage.agents[0], stage.proxy("worker")
    token = trial.open(agent, size=1000)
    trial.play(agent, token, 1)
    at = FRAME_END if trial.number % 6 == 0 else trial.number * 7 % ENVELOPE
    fault = proxy.strike(Fault("up", "basic.publish", "corrupt", 2, exchange="gym.percepts", at=at))
    agent.begin(token, "steps", count=4)
    outcome = agent.result(token, 120.0)
    trial.expect(fault.fired.is_set(), "the fault did not strike")
    trial.expect(outcome.error in ("", "ProtocolFailure"), f"byte {at}: {outcome}")
    trial.figures["ended by an error"] = bool(outcome.error)
    trial.recover_s = outcome.at - fault.fired_at
    trial.close(agent, token)


@row(
    "F19c",
    "a byte inside an array of a reply is changed (no TLS)",
    "**it is not detected**: the agent gets another number, as the messages have no checksum; use TLS",
    4,
    behind_proxies,
    known_limit=True,
)
def corrupted_number(stage: Stage, trial: Trial) -> None:
    """The checker of this rig finds it, as this env's payload follows from its digest. The next episode is sound."""
    agent, proxy = stage.agents[0], stage.proxy("worker")
    token = trial.open(agent, size=1000)
    trial.play(agent, token, 1)
    fault = proxy.strike(Fault("up", "basic.publish", "corrupt", 2, exchange="gym.percepts", at=LAST))
    trial.do(agent, token, "steps", count=4)
    trial.close(agent, token)
    trial.expect(fault.fired.is_set(), "the fault did not strike")
    wrong = [one for one in stage.judge(trial) if one.invariant == "order" and ", -1)" in one.text]
    trial.expect(bool(wrong), "a changed number was noticed by somebody: say so here")
    trial.tokens.remove(token)
    trial.close(agent, trial.open(agent))


@row(
    "F35",
    "the certificates of the broker are those of another authority, in the middle of an episode (TLS)",
    "it goes on until the connection breaks; then `BrokerUntrusted` at once",
    2,
    lambda stage: stage.worker().ready(),
)
def authority_changed(stage: Stage, trial: Trial) -> None:
    """The agent still trusts the former one."""
    trusted = stage.folder / f"ca-{trial.number}.pem"
    shutil.copy(stage.rabbit.ca, trusted)
    url = f"amqps://guest:guest@localhost:{stage.rabbit.tls_port}/%2F?heartbeat=10&cacertfile={trusted}"
    agent = stage.agent(url=url).ready()
    token = trial.open(agent)
    certificates.make(stage.rabbit.folder)
    stage.rabbit.ctl("eval", "ssl:clear_pem_cache().")
    trial.play(agent, token, 2)
    rows = [line.split() for line in stage.rabbit.ctl("list_connections", "pid", "ssl").splitlines()]
    for pid, encrypted in rows:
        if encrypted == "true":
            stage.rabbit.ctl("close_connection", pid, "matrix F35")
    outcome = trial.do(agent, token, "step", error="BrokerUntrusted")
    trial.detect_s = outcome.took_s
    trial.expect("certificate" in outcome.text, outcome.text)
    trial.close(agent, token)
    stage.finish(agent)
