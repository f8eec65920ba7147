"""How much memory, and how many open files, the lasting processes of a soak have."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_S = 5.0

ASK_BROKER_EVERY = 6
"""In so many samples the broker is asked once: that takes it a second."""

FILLING_S = 60.0
"""So long after a restart the broker is not asked: one that has just begun has 20 to 50 MB less than is usual."""


class Samples:
    """Grows by one row for each look: seconds since the begin, and of each group the mean of its processes."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.bytes: dict[str, list[float]] = {}
        """Anonymous resident memory: what a process has allocated, without the files that it maps."""
        self.files: dict[str, list[float]] = {}
        self.pids: dict[str, list[int]] = {}

    def look(
        self, second: float, groups: dict[str, list[int]], in_use: Callable[[], int], broker_age_s: float
    ) -> list[str]:
        """Take a sample; gives what should not be: a lasting process that is another one than before.

        ``in_use``: the bytes that the broker has in use, without garbage. What its process has taken from the system
        goes up and down with each restart. ``broker_age_s``: seconds since the last one.
        """
        wrong = [
            f"{name}: processes {self.pids[name]} became {pids}, and nobody had killed one"
            for name, pids in groups.items()
            if name != "broker" and self.pids.get(name, pids) != pids
        ]
        self.pids = groups
        if not all(Path(f"/proc/{pid}").exists() for pids in groups.values() for pid in pids):
            return [*wrong, "a lasting process has ended"]
        self.seconds.append(round(second, 1))
        for name, pids in groups.items():
            found = [(anonymous(pid), len(os.listdir(f"/proc/{pid}/fd"))) for pid in pids]
            memory, files = (sum(column) / len(found) for column in zip(*found, strict=True))
            if name == "broker":
                known = self.bytes.get(name, [])
                ask = not known or (len(known) % ASK_BROKER_EVERY == 0 and broker_age_s > FILLING_S)
                memory = float(in_use()) if ask else known[-1]
            self.bytes.setdefault(name, []).append(memory)
            self.files.setdefault(name, []).append(files)
        return wrong

    def to_json(self) -> dict[str, Any]:
        """For the record: memory in kB."""
        memory = {name: [round(one / 1e3) for one in found] for name, found in self.bytes.items()}
        return {"seconds": self.seconds, "kilobytes": memory, "files": self.files}


def anonymous(pid: int) -> int:
    """Bytes of anonymous memory of a process that are resident."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None, f"process {pid} says nothing of RssAnon"
    return int(found[1]) * 1024
