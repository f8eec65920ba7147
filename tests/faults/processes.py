"""The processes under test, as the rig holds them: env workers and agents. Each is ended by its own process id."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.envs import ENV_ID
from tests.faults.failpoints import RETURN_S
from tests.faults.journal import FOLDER
from tests.support.commands import ROOT, environment, eventually
from tests.support.processes import alive
from tools.rabbit import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE_S = 90.0
"""How long a process may take to start on a machine that is busy."""


class NoAnswer(AssertionError):
    """An agent did not answer a command within all bounds."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command to an agent."""

    did: str
    took_s: float
    at: float
    """When it ended, in seconds of ``time.monotonic()``."""
    error: str = ""
    """Name of the exception; empty: none."""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.did}: {self.error or 'done'} after {self.took_s:.2f} s {self.text[:160]}"


def surroundings(folder: Path, env_id: str, url: str) -> dict[str, str]:
    """Environment variables of a process under test."""
    return {**environment(url), FOLDER: str(folder), ENV_ID: env_id}


class Process:
    """A child in a process group of its own, with what it says in a file. ``prefix``: the command that becomes it."""

    def __init__(
        self, module: str, *arguments: str, env: Mapping[str, str], log: Path, piped: bool = False,
        prefix: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.log = log
        pipe = subprocess.PIPE if piped else subprocess.DEVNULL
        with log.open("ab") as said:
            self.popen = subprocess.Popen(
                [*prefix, sys.executable, "-m", module, *arguments], env=dict(env), cwd=ROOT, stderr=said,
                stdout=subprocess.PIPE if piped else said, stdin=pipe, start_new_session=True,
                preexec_fn=end_with_parent,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Process id."""
        return self.popen.pid

    @property
    def said(self) -> str:
        """All that it has said so far."""
        return self.log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        os.kill(self.pid, number)

    def leave(self) -> None:
        """Tell it to end in peace."""
        with suppress(ProcessLookupError):
            self.send(signal.SIGTERM)

    def end(self) -> None:
        """Kill it with all its children, if it still runs."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(30)
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class Worker(Process):
    """An env worker: a supervisor and its steppers."""

    def __init__(
        self, folder: Path, env_id: str, url: str, log: Path, *, return_s: float = 60.0, prefix: Sequence[str] = (),
        **settings: Any,
    ) -> None:  # fmt: skip
        self.env_id = env_id
        given = {"env_ids": [env_id], "broker": url, **settings}
        env = {**surroundings(folder, env_id, url), RETURN_S: str(return_s)}
        super().__init__("tests.faults.worker", json.dumps(given), env=env, log=log, prefix=prefix)

    def ready(self, count: int = 1) -> Worker:
        """Wait until steppers have begun to serve so many times."""
        serving = lambda: self.said.count("serving ") >= count or self.popen.poll() is not None
        eventually(serving, f"a stepper of {self.log.name} serves; it said {self.said[-500:]}", PATIENCE_S)
        if self.said.count("serving ") < count:
            raise AssertionError(f"the worker ended with {self.popen.returncode}: {self.said[-1000:]}")
        return self

    def served(self) -> int:
        """How many steppers have begun to serve so far."""
        return self.said.count("serving ")

    def steppers(self) -> list[int]:
        """Process ids of its children that have our code in them."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        found = []
        for child in children:
            with suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
        return found


class Agent(Process):
    """An agent that does what it is told."""

    def __init__(self, folder: Path, env_id: str, url: str, log: Path, prefix: Sequence[str] = ()) -> None:
        env = surroundings(folder, env_id, url)
        super().__init__("tests.faults.agent", env=env, log=log, piped=True, prefix=prefix)
        self._env_id, self._url = env_id, url
        self._answers: dict[str, queue.SimpleQueue[dict[str, Any]]] = {}
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with suppress(ValueError, OSError):
            for line in self.popen.stdout:
                answer = json.loads(line)
                if "ready" in answer:
                    self._ready.set()
                else:
                    self._answers[answer.pop("token")].put(answer)

    def ready(self) -> Agent:
        """Wait until it takes commands."""
        if not self._ready.wait(PATIENCE_S):
            raise AssertionError(f"the agent did not start: {self.said[-1000:]}")
        return self

    def leave(self) -> None:
        assert self.popen.stdin is not None
        with suppress(OSError):
            self.popen.stdin.close()

    def begin(self, token: str, do: str, **fields: Any) -> None:
        """Give it a command. Next: ``result``."""
        self._answers.setdefault(token, queue.SimpleQueue())
        if do in ("open", "whole"):
            fields = {"env_id": self._env_id, "broker": self._url, "kwargs": {}, **fields}
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps({"token": token, "do": do, **fields}).encode() + b"\n")
        self.popen.stdin.flush()

    def result(self, token: str, timeout_s: float) -> Outcome:
        """What became of the command. Raises ``NoAnswer``."""
        try:
            answer = self._answers[token].get(timeout=timeout_s)
        except queue.Empty:
            raise NoAnswer(f"the agent has not answered within {timeout_s:g} s: {self.said[-500:]}") from None
        answer.pop("serial")
        return Outcome(**answer)


def open_files(pid: int) -> int:
    """How many file descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def wait_gone(pid: int) -> float:
    """Wait until a process is gone; gives the time."""
    eventually(lambda: not alive(pid), f"process {pid} is gone", PATIENCE_S)
    return time.monotonic()
