"""Commands as processes that a Ctrl-C strikes, and what they leave behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.commands import ROOT, as_child, environment, eventually

if TYPE_CHECKING:
    from collections.abc import Callable


OURS = re.compile(rf'File "{re.escape(str(ROOT))}/(?!\.venv/)|\bspawn_main\b')
"""In a traceback: a line of ours, or of a child of ours that has begun."""

STARTING = re.compile(r'Traceback \(most recent call last\):\n\s+File "<frozen ')
"""The traceback of an interpreter that imports what it is to run."""


@dataclass
class Ended:
    """How a struck command ended."""

    code: int
    took_s: float
    out: str
    err: str
    heeded: bool = True
    """Python had begun to look at SIGINT when it was struck."""

    @property
    def wrong(self) -> str:
        """What a struck command must not do; empty if it did none of it."""
        if "Traceback" in self.out + self.err and not self.too_early:
            return f"a traceback:\n{self.err}"
        return "" if self.code in (0, 130) or self.too_early else f"exit code {self.code}:\n{self.err}"

    @property
    def too_early(self) -> bool:
        """The interpreter itself was starting: no line of ours had run, and none can say what a Ctrl-C does there."""
        if OURS.search(self.err) or "Exception ignored in" in self.err:  # which is said by one that ends
            return False
        return not self.heeded or STARTING.search(self.err) is not None


class Command:
    """``python -m MODULE ...`` as a process of its own group, without a terminal."""

    def __init__(self, url: str, module: str, *arguments: str) -> None:
        self._out, self._err = _new_file(), _new_file()
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=environment(url), cwd=ROOT, stdout=out, stderr=err,
                start_new_session=True, preexec_fn=as_child,
            )  # fmt: skip

    @property
    def err(self) -> str:
        """What it has said on stderr so far."""
        return self._err.read_text()

    def strike(self, *, group: bool = False) -> Ended:
        """One Ctrl-C, to it or, as a terminal does, to all of its group; waits for its end."""
        began, heeded = time.monotonic(), True
        if self.process.poll() is None:
            heeded = heeds(self.process.pid)
            (os.killpg if group else os.kill)(self.process.pid, signal.SIGINT)
        try:
            code = self.process.wait(60)
            took_s = time.monotonic() - began
            return Ended(code, took_s, self._out.read_text(), self._err.read_text(), heeded)
        finally:
            self.end()

    def end(self) -> None:
        """Whatever has happened, nothing of it runs on."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._out.unlink(missing_ok=True)
        self._err.unlink(missing_ok=True)

    def wait_for(self, what: Callable[[], object], name: str) -> None:
        """Wait until ``what()``; fails with all that it has said."""
        eventually(lambda: what() or self.process.poll() is not None, f"{name}; it said:\n{self.err}", 60.0)
        assert self.process.poll() is None, f"it ended before {name}:\n{self.err}"


def _new_file() -> Path:
    file, name = tempfile.mkstemp(prefix="ctrl-c-")
    os.close(file)
    return Path(name)


def heeds(pid: int) -> bool:
    """Whether a process catches SIGINT, or ignores it: before Python does, the system ends it at once."""
    return _has_sigint(pid, "Cgt|Ign")


def deaf(pid: int) -> bool:
    """Whether a Ctrl-C does nothing to a process: it ignores SIGINT, or has it wait."""
    return _has_sigint(pid, "Blk|Ign")


def _has_sigint(pid: int, masks_of: str) -> bool:
    masks = re.findall(rf"Sig(?:{masks_of}):\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return any(int(mask, 16) >> (signal.SIGINT - 1) & 1 for mask in masks)


def left_behind(ctl: Callable[..., str], *, served: bool) -> str:
    """What is at the broker that should not be there: queues of episodes, consumers. Empty: nothing."""
    queues = [line.split("\t") for line in ctl("list_queues", "name", "consumers").splitlines() if "\t" in line]
    odd = [name for name, consumers in queues if name.startswith(("episode.", "world."))]
    odd += [] if served else [f"a consumer of {name}" for name, consumers in queues if consumers != "0"]
    return ", ".join(odd)
