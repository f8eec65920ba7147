"""Processes of the benchmark: spoken to in JSON lines, measured through /proc, and ended by their ids in any case.

A process that we start ends with us: its standard input does, ``stop`` sees to it, and should we be killed, the kernel.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.rabbit import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parent.parent
READY_S = 90.0
STOP_S = 10.0
LAST_WORDS = 8
"""Lines of its standard error that are shown of a program that failed."""

_lingering: dict[int, Program] = {}


class BenchFailed(Exception):
    """A part of the benchmark does not work: what it was, and its last words."""


class Program:
    """One process. Its standard error goes to a file, of which ``BenchFailed`` shows the end.

    ``obeys``: it carries out orders, and ends by itself when there are no more.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: dict[str, str], *, obeys: bool
    ) -> None:
        self.name, self._log, self._obeys = name, log, obeys
        self._rest = b""
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
        _lingering[self.pid] = self

    @property
    def pid(self) -> int:
        """Its process id, which is that of its group and session too."""
        return self._process.pid

    @property
    def said(self) -> str:
        """All of its standard error so far."""
        return self._log.read_text(errors="replace")

    def tell(self, **order: Any) -> None:
        """Give it an order."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._failed(f"takes no order ({error})") from error

    def hear(self, timeout: float = READY_S) -> dict[str, Any]:
        """Its next JSON line; other lines are passed over. Raises ``BenchFailed``."""
        deadline = time.monotonic() + timeout
        while True:
            line, newline, self._rest = self._rest.partition(b"\n")
            if newline:
                if line.startswith(b"{"):
                    found: dict[str, Any] = json.loads(line)
                    return found
                continue
            self._rest = line + self._read(deadline, timeout)

    def wait_for(self, text: str, count: int, timeout: float = READY_S) -> None:
        """Wait until it has said ``text`` so many times on its standard error."""
        deadline = time.monotonic() + timeout
        while self.said.count(text) < count:
            if self._process.poll() is not None:
                raise self._failed(f"ended before it said {text!r}")
            if time.monotonic() > deadline:
                raise self._failed(f"did not say {text!r} {count} times within {timeout:g} s")
            time.sleep(0.02)

    def wait_for_port(self, port: int, timeout: float = READY_S) -> None:
        """Wait until it listens at this port of 127.0.0.1."""
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise self._failed(f"did not listen within {timeout:g} s")
            time.sleep(0.02)

    def _read(self, deadline: float, timeout: float) -> bytes:
        assert self._process.stdout is not None
        file = self._process.stdout.fileno()
        if not select.select([file], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise self._failed(f"said nothing for {timeout:g} s")
        found = os.read(file, 1 << 16)
        if not found:
            raise self._failed("ended")
        return found

    def _failed(self, what: str) -> BenchFailed:
        words = self.said.strip().splitlines()[-LAST_WORDS:]
        return BenchFailed("\n".join([f"{self.name} {what}; its last words:", *words]))

    def stop(self) -> None:
        """End it and its children: by the end of its orders, then SIGTERM, then SIGKILL. Safe to call twice."""
        family = descendants(self.pid)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what it was never told is lost with it
                assert pipe is not None
                pipe.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL) if self._obeys else (signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
                break
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _lingering.pop(self.pid, None)


def stop_all() -> None:
    """End what still runs."""
    for program in list(_lingering.values()):
        program.stop()


def _end_with_parent() -> None:
    """In the child: it ends when the harness dies, and heeds Ctrl-C even if the harness runs in the background."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def descendants(pid: int) -> list[int]:
    """Children of a process, their children, and so on."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def family(pids: Iterable[int]) -> list[int]:
    """The processes and all their descendants."""
    return [one for pid in pids for one in (pid, *descendants(pid))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """What the processes and their living descendants have used of a core so far, from the scheduler: nanoseconds."""
    total = 0
    for pid in family(pids):
        with contextlib.suppress(OSError):  # it has ended
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def written_bytes(pids: Iterable[int]) -> int:
    """Memory that processes and their descendants have written: no code of libraries, which others may share."""
    total = 0
    for pid in family(pids):
        with contextlib.suppress(OSError):  # it has ended
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
    return total
