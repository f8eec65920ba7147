"""The random faults of a soak."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from tools.rabbit import RabbitFailed

if TYPE_CHECKING:
    import random

    from tests.soak.parties import Parties

EVERY_S = 7.0
"""Between two faults, on the average."""

WEIGHTS = {
    "agent killed": 6, "stepper killed": 3, "worker killed": 1, "agent stopped": 5, "stepper stopped": 3,
    "connection closed": 8,
}  # fmt: skip

LONGEST_STOP_S = 4.0


class Faults:
    """Strikes now and then; ``counts`` says how often, by what."""

    def __init__(self, parties: Parties, chance: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._parties, self._random = parties, chance
        self._stopped: list[tuple[float, int]] = []
        """Stopped processes, and when they go on."""
        self._next = time.monotonic() + EVERY_S
        self._broker_began = time.monotonic()

    def look(self) -> None:
        """Do what is due."""
        self.look_at_stopped()
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._random.uniform(0.5, 1.5) * EVERY_S
            self._strike(self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0])

    def look_at_stopped(self) -> None:
        """Let those go on whose time has come."""
        for until, pid in list(self._stopped):
            if time.monotonic() >= until:
                self._stopped.remove((until, pid))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def rest(self) -> None:
        """Let all that is stopped go on; the next fault is as far as ever."""
        self._stopped = [(0.0, pid) for _, pid in self._stopped]
        self._next = time.monotonic() + EVERY_S

    def restart_broker(self, *, kill: bool) -> None:
        """End the broker, as a power cut would or in order, and bring it back."""
        self.counts["broker killed" if kill else "broker restarted"] += 1
        if kill:
            self._parties.rabbit.kill()
            self._parties.rabbit.start()
        else:  # the same process goes on, so that its memory can be compared
            self._parties.ctl("stop_app")
            self._parties.ctl("start_app")
        self._broker_began = time.monotonic()

    @property
    def broker_age_s(self) -> float:
        """Seconds since the broker has begun, or begun anew."""
        return time.monotonic() - self._broker_began

    def _strike(self, what: str) -> None:
        parties, choose = self._parties, self._random.choice
        mortal = [worker for worker, lasting in parties.workers if not lasting]
        if what == "agent killed":
            parties.replace_agent(choose([agent for agent in parties.agents if not agent.lasting]))
        elif what == "stepper killed":
            if not self._signal(signal.SIGKILL, choose(mortal).steppers()):
                return
        elif what == "worker killed":
            parties.replace_worker(choose(mortal))
        elif what == "agent stopped":
            self._stop([choose(parties.agents).process.pid])
        elif what == "stepper stopped":
            self._stop(choose([worker for worker, _ in parties.workers]).steppers())
        elif not self._close_connection():
            return
        self.counts[what] += 1

    def _stop(self, pids: list[int]) -> None:
        until = time.monotonic() + self._random.uniform(1.0, LONGEST_STOP_S)
        if self._signal(signal.SIGSTOP, pids):
            self._stopped += [(until, pid) for pid in pids]

    def _signal(self, number: signal.Signals, pids: list[int]) -> bool:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(pids)

    def _close_connection(self) -> bool:
        rabbit = self._parties.rabbit
        try:
            connections = rabbit.ctl("list_connections", "pid").split()
            if connections:
                rabbit.ctl("close_connection", self._random.choice(connections), "a soak closes connections")
        except (RabbitFailed, subprocess.TimeoutExpired):  # it has ended meanwhile, or its process is stopped
            return False
        return bool(connections)
