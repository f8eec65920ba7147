"""Who takes part in a soak: a private RabbitMQ, workers and agents, all as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.broker import IN_USE
from tests.soak.agent import ENV
from tests.support.commands import ROOT, Worker, environment
from tools.rabbit import RabbitFailed, end_with_parent

if TYPE_CHECKING:
    from pathlib import Path

    from tools.rabbit import Rabbit

CAPACITY = 8
"""Slots of a worker: fewer than all agents need are never there while one worker is away."""

TRIES = 5


@dataclass
class Agent:
    """An agent process. ``lasting``: it is never killed."""

    process: subprocess.Popen[bytes]
    report_file: Path
    lasting: bool

    @property
    def report(self) -> dict[str, Any]:
        """What it said last; empty before its first word."""
        return json.loads(self.report_file.read_text()) if self.report_file.exists() else {}


class Parties:
    """All processes of a soak. Lasting workers and agents are never killed: it is their memory that is measured."""

    def __init__(self, rabbit: Rabbit, folder: Path, pace_s: float) -> None:
        self.rabbit, self._folder, self._pace_s = rabbit, folder, pace_s
        self.agents: list[Agent] = []
        self.former: list[Agent] = []
        """Agents that were killed."""
        self.workers: list[tuple[Worker, bool]] = []
        """With whether it is lasting."""
        self.say("run")

    def say(self, phase: str) -> None:
        """Tell all agents what to do: ``run``, ``hold`` or ``end``."""
        new = self._folder / "phase.new"
        new.write_text(phase)
        new.replace(self._folder / "phase")

    def start_worker(self, *, lasting: bool) -> None:
        """One more worker, of one stepper."""
        log = self._folder / f"worker-{len(list(self._folder.glob('worker-*')))}"
        worker = Worker(self.rabbit.url, log, ENV, "--capacity", str(CAPACITY), "--connect-timeout", "120")
        self.workers.append((worker, lasting))

    def start_agent(self, *, lasting: bool) -> None:
        """One more agent."""
        number = len(self.agents) + len(self.former)
        name = f"agent-{number}"
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.agent", str(self._folder), name, str(number), str(self._pace_s)],
                env=environment(self.rabbit.url), cwd=ROOT, stdout=log, stderr=log, preexec_fn=end_with_parent,
            )  # fmt: skip
        self.agents.append(Agent(process, self._folder / name, lasting))

    def replace_agent(self, agent: Agent) -> None:
        """Kill it, and start another."""
        agent.process.kill()
        agent.process.wait()
        self.agents.remove(agent)
        self.former.append(agent)
        self.start_agent(lasting=False)

    def replace_worker(self, worker: Worker) -> None:
        """Kill a supervisor, whose stepper ends by itself then, and start another worker."""
        worker.process.kill()
        worker.process.wait()
        self.workers.remove((worker, False))
        self.start_worker(lasting=False)

    def groups(self) -> dict[str, list[int]]:
        """Process ids of those that last, by what they are."""
        lasting = [worker for worker, lasts in self.workers if lasts]
        return {
            "agents": [agent.process.pid for agent in self.agents if agent.lasting],
            "supervisors": [worker.process.pid for worker in lasting],
            "steppers": [pid for worker in lasting for pid in worker.steppers()],
            "broker": [self.rabbit.pid],
        }

    def queues(self) -> int:
        """Queues of episodes at the broker."""
        return sum(name.startswith("episode.") for name in self.ctl("list_queues", "name").split())

    def in_use(self) -> int:
        """Bytes that the broker has in use, after it has collected its garbage."""
        return int(self.ctl("eval", IN_USE))

    def ctl(self, *arguments: str) -> str:
        """What rabbitmqctl prints; asked again where a machine that others use has kept it from an answer."""
        for _ in range(TRIES):
            try:
                return self.rabbit.ctl(*arguments)
            except subprocess.TimeoutExpired:
                continue
        raise RabbitFailed(f"rabbitmqctl {arguments[0]} did not answer {TRIES} times")

    def open_episodes(self) -> int:
        """Episodes that agents have open, by their own word of the last second."""
        return sum(bool(agent.report.get("open")) for agent in self.agents)

    def close(self) -> None:
        """End what is left."""
        for agent in self.agents:
            agent.process.kill()
            agent.process.wait()
        for worker, _ in self.workers:
            if worker.process.poll() is None:
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
