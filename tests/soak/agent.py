"""An agent of a soak, as a process: it opens, steps and closes envs, and checks all that it sees.

``python -m tests.soak.agent FOLDER NAME SEED PACE_S``. What it does next stands in ``FOLDER/phase``: ``run``; ``hold``:
keep the env that is open, and open none; ``end``. Once a second it writes to ``FOLDER/NAME`` what it has seen so far.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from agent_worker import RemoteEnv, RemoteVectorEnv
from agent_worker.errors import RemoteEnvError
from broker.errors import BrokerError
from tests.soak.tally import ACTIONS, after

ENV = "tests.soak.tally:Tally"

LIMITS = {"make_timeout": 60.0, "step_timeout": 30.0, "reconnect_timeout": 30.0}

BOUND_S = 120.0
"""No call may take longer: the sum of the limits above that can meet in one call, and a stop of this process."""

STEPS = 24
"""Most steps of a run."""

LOOK_S = 0.05


class Agent:
    """Plays until it is told to end."""

    def __init__(self, folder: Path, name: str, seed: int, pace_s: float) -> None:
        self._phase_file, self._report_file = folder / "phase", folder / name
        self._random, self._pace_s = random.Random(seed), pace_s
        self._seen: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._violations: list[str] = []
        self._reported = 0.0
        self._open = False

    def play(self) -> None:
        """Until ``phase`` says ``end``."""
        while (phase := self._phase()) != "end":
            if phase == "run":
                self._episode()
            else:
                time.sleep(LOOK_S)
        self._report(-1.0)

    def _phase(self) -> str:
        now = time.monotonic()
        if now - self._reported >= 1.0:
            self._report(now)
        return self._phase_file.read_text()

    def _report(self, now: float) -> None:
        self._reported = now
        seen = {
            "pid": os.getpid(), "open": self._open, "ended": now < 0, **self._seen, "errors": dict(self._errors),
            "violations": self._violations,
        }  # fmt: skip
        new = self._report_file.with_suffix(".new")
        new.write_text(json.dumps(seen))
        new.replace(self._report_file)

    def _episode(self) -> None:
        lanes = self._random.choice([None, None, None, 4])
        env: Any = RemoteEnv(ENV, **LIMITS) if lanes is None else RemoteVectorEnv(ENV, lanes, **LIMITS)
        try:
            for run in range(1, self._random.randint(1, 3) + 1):
                self._run(env, lanes, run)
            self._seen["episodes"] += 1
        except (RemoteEnvError, BrokerError) as error:
            self._errors[type(error).__name__] += 1
        finally:
            self._timed("close", env.close)
            self._open = False

    def _run(self, env: Any, lanes: int | None, run: int) -> None:
        digests = [0] * (lanes or 1)
        observation, _ = self._timed("reset", env.reset)
        if not self._open:
            self._open = True
            self._report(time.monotonic())
        self._check(observation, run, 0, digests)
        for count in range(1, self._random.randint(1, STEPS) + 1):
            time.sleep(self._random.uniform(0.0, 2 * self._pace_s))
            while (phase := self._phase()) == "hold":
                time.sleep(LOOK_S)
            if phase == "end":
                return
            actions = [self._random.randrange(ACTIONS) for _ in digests]
            digests = [after(digest, action) for digest, action in zip(digests, actions, strict=True)]
            action = actions[0] if lanes is None else np.array(actions)
            self._check(self._timed("step", env.step, action)[0], run, count, digests)

    def _check(self, observation: Any, run: int, count: int, digests: list[int]) -> None:
        seen, expected = np.reshape(observation, (-1, 3)).tolist(), [[run, count, digest] for digest in digests]
        if seen != expected:
            self._violations.append(f"expected [resets, steps, digest] {expected}, got {seen}")

    def _timed(self, what: str, call: Any, *arguments: Any) -> Any:
        self._seen["requests"] += 1
        started = time.monotonic()
        try:
            return call(*arguments)
        finally:
            took = time.monotonic() - started
            if took > BOUND_S:
                self._violations.append(f"{what} took {took:.1f} s, more than its bound of {BOUND_S:g} s")


if __name__ == "__main__":
    Agent(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])).play()
