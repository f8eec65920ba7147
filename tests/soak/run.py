"""The course of a soak: run under faults, hold now and then and count queues, end, and say what was found."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.soak.faults import Faults
from tests.soak.parties import Parties
from tests.soak.sampling import EVERY_S, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.soak.parties import Agent
    from tools.rabbit import Rabbit

AGENTS, LASTING_AGENTS = 20, 6
WORKERS, LASTING_WORKERS = 4, 2

HOLDS = 3
"""So often all agents hold what they have open, while queues are counted; and once more at the end."""

SETTLE_S = 150.0
"""So long after the last fault as many queues may be left as there were: the bounds of leases and of coming back."""

STOP_S = 45.0
"""So long a worker may take to end: what it has to drain, and its grace."""

LOOK_S = 0.1
COUNT_S = 3.0


class Soak:
    """One run. ``violations`` is empty at its end, or says what was wrong."""

    def __init__(self, rabbit: Rabbit, folder: Path, minutes: float, seed: int, pace_s: float) -> None:
        self.violations: list[str] = []
        self.holds: list[dict[str, Any]] = []
        self.samples = Samples()
        self.parties = Parties(rabbit, folder, pace_s)
        chance = random.Random(seed)
        self.faults = Faults(self.parties, chance)
        self._length_s, self._ending = 60 * minutes, False
        self._began = self._sampled = time.monotonic()

    def run(self) -> None:
        """From the first process to the last."""
        with self._parties():
            self._began = time.monotonic()
            marks = self._marks()
            while (second := self._second()) < self._length_s:
                self._look(second)
                self.faults.look()
                if marks and second >= marks[0][0]:
                    marks.pop(0)[1]()
                time.sleep(LOOK_S)
            self._end()

    def _second(self) -> float:
        return time.monotonic() - self._began

    def _marks(self) -> list[tuple[float, Callable[[], None]]]:
        """When what is done that is not left to chance: the broker is killed before memory counts, then restarted."""
        whole = self._length_s
        kill = [(whole * 0.06, lambda: self.faults.restart_broker(kill=True))]
        restarts = [(whole * part, lambda: self.faults.restart_broker(kill=False)) for part in (0.2, 0.4, 0.6, 0.8)]
        holds = [(whole * (number + 1) / (HOLDS + 1), self._hold) for number in range(HOLDS)]
        return sorted([*kill, *restarts, *holds], key=lambda mark: mark[0])

    def _look(self, second: float) -> None:
        if self._ending or time.monotonic() - self._sampled < EVERY_S:
            return
        self._sampled = time.monotonic()
        groups, age = self.parties.groups(), self.faults.broker_age_s
        self.violations += self.samples.look(second, groups, self.parties.in_use, age)
        for agent in self.parties.agents:
            if agent.process.poll() is not None:
                self.violations.append(f"{agent.report_file.name} ended by itself ({agent.process.returncode})")
                self.parties.replace_agent(agent)

    def _hold(self) -> None:
        """No fault, no opening, no closing: soon there are two queues for each open episode, and no other."""
        self.parties.say("hold")
        self.holds.append(self._settle("hold", self.parties.open_episodes))
        self.parties.say("run")

    def _settle(self, what: str, expected: Callable[[], int]) -> dict[str, Any]:
        self.faults.rest()
        since, right, counted = time.monotonic(), 0, (0, -1)
        while right < 2 and time.monotonic() - since < SETTLE_S:
            self.faults.look_at_stopped()
            self._look(self._second())
            counted = expected(), self.parties.queues()
            right = right + 1 if counted[1] == 2 * counted[0] else 0
            time.sleep(COUNT_S)
        took = time.monotonic() - since
        if right < 2:
            self.violations.append(f"{what}: {counted[0]} open episodes and {counted[1]} queues after {took:.0f} s")
        self.faults.rest()
        return {"second": round(self._second()), "episodes": counted[0], "queues": counted[1], "took_s": round(took)}

    def _end(self) -> None:
        """All agents close and end; nothing is left at the broker; all workers end."""
        self._ending = True
        self.faults.rest()
        self.faults.look_at_stopped()
        self.parties.say("end")
        until = time.monotonic() + SETTLE_S
        for agent in self.parties.agents:
            try:
                code = agent.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                code = None
            if code != 0 or not agent.report.get("ended"):
                self.violations.append(f"{agent.report_file.name} did not end in order ({code})")
        self.holds.append(self._settle_empty())
        for worker, _ in self.parties.workers:
            code = worker.stop(timeout=STOP_S)
            if code != 0:
                self.violations.append(f"a worker ended with {code}:\n{worker.said[-2000:]}")

    def _settle_empty(self) -> dict[str, Any]:
        return self._settle("end", lambda: 0)

    @contextmanager
    def _parties(self) -> Iterator[None]:
        try:
            for number in range(WORKERS):
                self.parties.start_worker(lasting=number < LASTING_WORKERS)
            for worker, _ in self.parties.workers:
                worker.wait_for("serving")
            for number in range(AGENTS):
                self.parties.start_agent(lasting=number < LASTING_AGENTS)
            yield
        finally:
            self.parties.close()

    def totals(self) -> dict[str, Any]:
        """Episodes, requests and errors that all agents have told, those that were killed too."""
        everybody: list[Agent] = [*self.parties.agents, *self.parties.former]
        counts: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for report in (agent.report for agent in everybody):
            counts.update({name: report.get(name, 0) for name in ("episodes", "requests")})
            errors.update(report.get("errors", {}))
            self.violations += report.get("violations", [])
        return {**counts, "errors": dict(errors), "faults": dict(self.faults.counts)}
