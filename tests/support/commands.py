"""Our command lines as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tools.rabbit import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent.parent


def environment(url: str | None = None) -> dict[str, str]:
    """The environment of a child: ours, with the broker's URL, and the repository importable."""
    found = {name: value for name, value in os.environ.items() if name != "GYMBROKER_URL"}
    found["PYTHONPATH"] = str(ROOT)
    found["COLUMNS"] = "200"
    if url is not None:
        found["GYMBROKER_URL"] = url
    return found


def as_child() -> None:
    """``preexec_fn`` of a child: it ends with the thread that starts it, and heeds Ctrl-C.

    A shell that runs the tests in the background has SIGINT ignored, and so would it.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(
    module: str, *arguments: str, url: str | None = None, timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module`` to its end."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, env=environment(url), cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )


def eventually(condition: Callable[[], object], what: str, timeout: float = 30.0) -> object:
    """Wait until ``condition`` is true and give its value; fails with ``what`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)
    return value


class Worker:
    """An ``env-worker serve`` process."""

    def __init__(self, url: str, log: Path, *arguments: str, cwd: Path = ROOT) -> None:
        self._log = log
        isolation = os.environ.get("GYMBROKER_TEST_ISOLATION", "none")
        command = [sys.executable, "-m", "env_worker", "serve", "--isolation", isolation, *arguments]
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                command,
                env={**environment(url), "PYTHONSAFEPATH": "1"},  # as a script: its folder, not the current one, counts
                cwd=cwd,
                stderr=stderr,
                stdout=stderr,
                start_new_session=True,
                preexec_fn=as_child,
            )

    @property
    def said(self) -> str:
        """All that it has said so far."""
        return self._log.read_text()

    def wait_for(self, text: str, count: int = 1) -> None:
        """Wait until it has said ``text`` so many times."""
        eventually(lambda: self.said.count(text) >= count or self.process.poll() is not None, f"{text!r}")
        assert self.said.count(text) >= count, f"not {count} times {text!r} in:\n{self.said}"

    def steppers(self) -> list[int]:
        """Process ids of its children that have our code in them."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = []
        for child in children:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                    found.append(int(child))
        return found

    def end(self) -> None:
        """Whatever has happened, nothing of it runs on."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


@contextmanager
def worker(url: str, log: Path, *arguments: str, processes: int = 1, cwd: Path = ROOT) -> Iterator[Worker]:
    """A worker that serves; killed with all its children at the end if it still runs."""
    one = Worker(url, log, *arguments, "--processes", str(processes), cwd=cwd)
    try:
        one.wait_for("serving", processes)
        yield one
    finally:
        one.end()
