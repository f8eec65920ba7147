"""The demo: agents learn in envs that live behind the protocol, in this process or in workers of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from agent_worker.plot import PlotError, require_plotting, save_learning_curves
from agent_worker.policies import load_policy
from agent_worker.report import progress, summary_table
from agent_worker.rollout import rollout
from gymbroker import make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent_worker.report import Unit
    from agent_worker.rollout import Summary

SEED = 42
STOP_S = 15.0
RUN_S = 600.0


class DemoFailed(Exception):
    """A worker of the demo ended badly; what it said is on stderr."""


@dataclass(frozen=True)
class Act:
    """One run of the demo."""

    label: str
    env_id: str
    policy: str
    steps: int | None = None
    episodes: int | None = None


def acts(steps: int) -> list[Act]:
    """What is played: the AEA seed's price bandit as it was and as it should be, and CartPole."""
    return [
        Act("price bandit of AEA", "PriceBandit-v0", "bandit-faithful", steps=steps),
        Act("price bandit, Thompson", "PriceBandit-v0", "bandit", steps=steps),
        Act("CartPole, random", "CartPole-v1", "random", episodes=200),
    ]


def run_demo(broker: str, steps: int, out: Path) -> None:
    """Play all acts over ``broker`` and show table and picture. Raises ``DemoFailed``, remote and broker errors."""
    picture: Path | None = out / "gymbroker-demo.png"
    try:
        require_plotting(out / "gymbroker-demo.png")
    except PlotError as error:
        print(f"gymbroker: no picture: {error}", file=sys.stderr)
        picture = None
    inside = broker.startswith("memory:")
    found: dict[str, Any] = _play_here(broker, steps) if inside else _play_in_processes(broker, steps, picture)
    Console().print(summary_table(found))
    if inside and picture is not None:
        print(f"learning curves: {save_learning_curves(found, picture)}")


def _play_here(broker: str, steps: int) -> dict[str, Summary]:
    found: dict[str, Summary] = {}
    for act in acts(steps):
        env = make(act.env_id, broker)
        try:
            policy = load_policy(
                act.policy, observation_space=env.observation_space, action_space=env.action_space, seed=SEED
            )
            unit: Unit = "steps" if act.steps else "episodes"
            with progress(act.steps or act.episodes or 1, unit, label=act.label) as tally:
                summary = rollout(
                    env, policy, steps=act.steps, episodes=act.episodes, seed=SEED,
                    on_step=tally.on_step, on_run=tally.on_run,
                )  # fmt: skip
        finally:
            env.close()
        if summary.interrupted:
            raise KeyboardInterrupt
        found[act.label] = summary
    return found


def _play_in_processes(broker: str, steps: int, picture: Path | None) -> dict[str, Any]:
    """An env worker and agent workers as processes of their own; the URL goes by the environment, not by ``ps``."""
    environment = os.environ | {"GYMBROKER_URL": broker}
    found: dict[str, Any] = {}
    ids = list(dict.fromkeys(act.env_id for act in acts(steps)))
    with _env_worker(ids, environment):
        for act in acts(steps):
            amount = ["--steps", str(act.steps)] if act.steps else ["--episodes", str(act.episodes)]
            command = [sys.executable, "-m", "agent_worker", "run", act.env_id, "--policy", act.policy, *amount]
            command += ["--seed", str(SEED), "--json"]
            if picture is not None:
                own = picture.with_name(f"{picture.stem}-{act.env_id}-{act.policy}.png")
                command += ["--plot", str(own)]
            print(f"$ {' '.join(['agent-worker', *command[3:]])}", file=sys.stderr)
            try:
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=RUN_S)
            except subprocess.TimeoutExpired as late:
                raise DemoFailed(f"agent-worker did not end within {RUN_S:g} s") from late
            if done.returncode:
                raise DemoFailed(f"agent-worker ended with exit code {done.returncode}")
            figures = json.loads(done.stdout)
            found[act.label] = SimpleNamespace(**figures)
            if "plot" in figures:
                print(f"learning curve: {figures['plot']}")
    return found


@contextmanager
def _env_worker(ids: list[str], environment: dict[str, str]) -> Iterator[None]:
    print(f"$ env-worker serve {' '.join(ids)}", file=sys.stderr)
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "env_worker", "serve", *ids, "--drain-timeout", "5"]
        worker = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
        how = signal.SIGTERM
        try:
            yield
        except KeyboardInterrupt:
            how = signal.SIGINT
            raise
        except DemoFailed as error:
            log.seek(0)
            raise DemoFailed(f"{error}; the env worker said:\n{log.read()}") from error
        finally:
            worker.send_signal(how)
            try:
                worker.wait(STOP_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
