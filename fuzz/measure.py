"""What one input costs, measured alone: ``python -m fuzz.measure TARGET`` reads names of files, and answers each with
seconds and bytes as JSON.

In a process without the fuzzer, which makes everything several times slower.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.targets import by_name
from tools.rabbit import end_with_parent

if TYPE_CHECKING:
    from fuzz.target import Target

ROUNDS = 5


def seconds(target: Target, prepared: Any) -> float:
    """Processor time that the door takes for it: other processes may have the processor meanwhile."""
    started = time.thread_time()
    with contextlib.suppress(*target.named):
        target.receive(prepared)
    return time.thread_time() - started


def memory(target: Target, prepared: Any) -> int:
    """Bytes that Python has asked for at once while it was received."""
    tracemalloc.start()
    try:
        with contextlib.suppress(*target.named):
            target.receive(prepared)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Alone:
    """A process beside the fuzzer that measures, started when first asked."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._process: subprocess.Popen[str] | None = None

    def measure(self, file: Path) -> tuple[float, int]:
        """Seconds, the least of some rounds, and bytes."""
        if self._process is None:
            command = [sys.executable, "-m", "fuzz.measure", self._target.name]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent
            )
        asked, said = self._process.stdin, self._process.stdout
        assert asked is not None
        assert said is not None
        print(file, file=asked, flush=True)
        took, taken = json.loads(said.readline())
        return took, taken


def main(name: str) -> None:
    """Measure each file that is named on stdin, and print."""
    target = by_name(name)
    for line in sys.stdin:
        data = Path(line.rstrip("\n")).read_bytes()
        took = min(seconds(target, target.prepare(data)) for _ in range(ROUNDS))
        print(json.dumps([took, memory(target, target.prepare(data))]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
