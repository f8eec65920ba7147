"""Rows about what the broker refuses: full queues, other arguments, deleted queues, limits, passwords."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.rig import TIMEOUTS, new_env_id
from tests.faults.rows import only_agent, only_worker, row
from tests.support.commands import eventually

if TYPE_CHECKING:
    from tests.faults.rig import Stage, Trial


@row(
    "F14",
    "the queue of requests is there with other arguments (406)",
    "the worker ends with the reason; no retry",
    2,
    only_agent,
)
def other_arguments(stage: Stage, trial: Trial) -> None:
    """Declared by the broker's operator."""
    env_id = new_env_id()
    name = f"requests.{env_id}"
    resource = f'rabbit_misc:r(<<"/">>, queue, <<"{name}">>)'
    stage.rabbit.ctl("eval", f'rabbit_amqqueue:declare({resource}, true, false, [], none, <<"guest">>).')
    started = time.monotonic()
    worker = stage.worker(env_id=env_id)
    code = worker.popen.wait(60)
    trial.detect_s = time.monotonic() - started
    trial.expect(code == 1, f"the worker ended with {code}")
    trial.expect("406" in worker.said and "Traceback" not in worker.said, f"it said {worker.said[-300:]}")
    stage.rabbit.ctl("delete_queue", name)


@row("F15", "an operator deletes the queue of requests", "the worker declares it again, and serves on", 4)
def requests_deleted(stage: Stage, trial: Trial) -> None:
    """The broker cancels its consumer."""
    agent, worker = stage.agents[0], stage.workers[0]
    running = trial.open(agent)
    stage.rabbit.ctl("delete_queue", f"requests.{worker.env_id}")
    deleted = time.monotonic()
    token = trial.open(agent)
    trial.recover_s = time.monotonic() - deleted
    for one in (token, running):
        trial.play(agent, one, 2)
        trial.close(agent, one)


@row("F24", "the queue of requests is full", "`Busy` at once; what was accepted is kept", 4)
def requests_full(stage: Stage, trial: Trial) -> None:
    """A policy allows one to wait."""
    agent = stage.agents[0]
    stage.rabbit.ctl("set_policy", "--apply-to", "queues", "full", f"^requests.{stage.env_id}$", '{"max-length": 1}')
    try:
        taken = [trial.open(agent) for _ in range(4)]
        waits, refused = trial.token(), trial.token()
        agent.begin(waits, "open", **TIMEOUTS)
        eventually(lambda: stage.count("messages", f"requests.{stage.env_id}") == 1, "one waits")
        trial.detect_s = trial.do(agent, refused, "open", error="Busy", **TIMEOUTS).took_s
        for token in taken:
            trial.close(agent, token)
        trial.await_(agent, waits)
        trial.close(agent, waits)
    finally:
        stage.rabbit.ctl("clear_policy", "full")


@row(
    "F33",
    "the broker allows no more connections",
    "`BrokerUnreachable` with the reason, in time; few attempts",
    2,
    only_worker,
)
def too_many_connections(stage: Stage, trial: Trial) -> None:
    """An agent tries for 4 seconds."""
    proxy = stage.proxy("agent")
    agent = stage.agent(url=stage.url(proxy)).ready()
    stage.rabbit.ctl("set_vhost_limits", "-p", "/", '{"max-connections": 1}')
    try:
        before, token = len(proxy.accepted), trial.token()
        outcome = trial.do(agent, token, "open", error="BrokerUnreachable", connect_timeout=4.0, **TIMEOUTS)
    finally:
        stage.rabbit.ctl("clear_vhost_limits", "-p", "/")
    attempts = len(proxy.accepted) - before
    trial.figures["attempts a second"] = attempts / outcome.took_s
    trial.expect(attempts / outcome.took_s < 10, f"{attempts} attempts in {outcome.took_s:.1f} s")
    trial.expect("limit" in outcome.text, outcome.text)
    trial.detect_s = outcome.took_s
    stage.finish(agent)


@row(
    "F34",
    "a password is changed in the middle of an episode",
    "it goes on until the connection breaks; then `AccessRefused` at once",
    2,
    only_worker,
)
def password_changed(stage: Stage, trial: Trial) -> None:
    """The agent has a user of its own."""
    user = f"agent{trial.number}"
    stage.rabbit.ctl("add_user", user, "first")
    stage.rabbit.ctl("set_permissions", user, ".*", ".*", ".*")
    agent = stage.agent(url=stage.url().replace("guest:guest", f"{user}:first")).ready()
    token = trial.open(agent)
    stage.rabbit.ctl("change_password", user, "second")
    trial.play(agent, token, 2)
    stage.rabbit.ctl("close_all_user_connections", user, "matrix F34")
    trial.detect_s = trial.do(agent, token, "step", error="AccessRefused").took_s
    trial.close(agent, token)
    stage.rabbit.ctl("delete_user", user)
    stage.finish(agent)
