"""What each process writes down as it happens: one line of JSON for each event, in a file of its own.

A line is one ``write`` to a file that is open for appending: whoever is killed has either written it or not.
Times are seconds of ``time.monotonic()``, which all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FOLDER = "GYMBROKER_FAULTS_FOLDER"
"""Environment variable that tells a process where its journal belongs."""


@dataclass(frozen=True)
class Entry:
    """One event. ``token`` names the episode: its agent has drawn it, and its env was made with it."""

    t: float
    side: str
    """``agent``, ``env`` or ``rig``."""
    pid: int
    event: str
    """``agent``: make, opened, ask, saw, error, end. ``env``: made, begin, did, closed. ``rig``: died, left."""
    token: str = ""
    instance: str = ""
    """Of ``env``: which env object, as more than one may be made for one token."""
    serial: int = -1
    """Number of the request within its episode; -1 where it is about none."""
    digest: int = 0
    """Of all that the env has done up to and with this request."""
    bound_s: float = 0.0
    """Of ``make`` and ``ask``: how long this may take at the most."""
    text: str = ""


class Journal:
    """Writes the events of one process."""

    def __init__(self, folder: Path, side: str) -> None:
        self._side = side
        path = folder / f"{side}-{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, event: str, token: str = "", **fields: object) -> None:
        """Write down that ``event`` happened now; ``fields`` are those of ``Entry``."""
        entry = Entry(time.monotonic(), self._side, os.getpid(), event, token, **fields)
        os.write(self._file, json.dumps(asdict(entry)).encode() + b"\n")


def read(folder: Path, tokens: Collection[str] = ()) -> list[Entry]:
    """The events about ``tokens`` (none: about all) of all journals, in the order of time."""
    lines = [line for path in folder.glob("*-*.jsonl") for line in path.read_text().splitlines()]
    wanted = [line for line in lines if not tokens or any(token in line for token in tokens)]
    return sorted((Entry(**json.loads(line)) for line in wanted), key=lambda entry: entry.t)
