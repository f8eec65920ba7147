"""The processes that a run of the fuzzer starts, from several threads: none outlives it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tools.rabbit import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]


class Ended(Exception):
    """The run is over, and its processes with it."""


class Family:
    """``run`` waits for a process; ``end``, of another thread, ends all that run, and lets none begin any more."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False

    def run(self, command: Sequence[str], sink: IO[str] | int, timeout: float | None = None) -> tuple[int, str]:
        """Its exit code, and if ``sink`` is ``PIPE`` what it said; on stderr, where it failed.

        Raises ``Ended`` and ``TimeoutExpired``.
        """
        with self._turn:
            if self._over:
                raise Ended
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=sink, stderr=sink, text=True, preexec_fn=end_with_parent
            )
            self._running.add(process)
        try:
            said, wrong = process.communicate(timeout=timeout)
        finally:
            process.kill()
            process.wait()
            with self._turn:
                self._running.remove(process)
        if self._over:
            raise Ended
        return process.returncode, (wrong if process.returncode else said) or ""

    def end(self) -> None:
        """End all."""
        with self._turn:
            self._over = True
            for process in self._running:
                process.kill()
