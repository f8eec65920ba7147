"""Commands as processes that a Ctrl-C strikes, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.commands import ROOT, environment, eventually, heed_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Ended:
    """How a struck command ended."""

    code: int
    took_s: float
    out: str
    err: str

    @property
    def wrong(self) -> str:
        """What a struck command must not do; empty if it did none of it.

        Exit code -SIGINT, for which a shell shows 130: all was done, and the interpreter was ending, without handlers.
        """
        if "Traceback" in self.out + self.err and not self.too_early:
            return f"a traceback:\n{self.err}"
        return "" if self.code in (0, 130, -signal.SIGINT) or self.too_early else f"exit code {self.code}:\n{self.err}"

    @property
    def too_early(self) -> bool:
        """The interpreter itself was starting: no line of ours had run, and none can say what a Ctrl-C does there."""
        return "Traceback" in self.err and "gymbroker_start.py" not in self.err


class Command:
    """``python -m MODULE ...`` as a process of its own group, without a terminal."""

    def __init__(self, url: str, module: str, *arguments: str) -> None:
        self._out, self._err = (Path(tempfile.mkstemp(prefix="ctrl-c-")[1]) for _ in range(2))
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=environment(url), cwd=ROOT, stdout=out, stderr=err,
                start_new_session=True, preexec_fn=heed_ctrl_c,
            )  # fmt: skip

    @property
    def err(self) -> str:
        """What it has said on stderr so far."""
        return self._err.read_text()

    def strike(self, *, group: bool = False) -> Ended:
        """One Ctrl-C, to it or, as a terminal does, to all of its group; waits for its end."""
        began = time.monotonic()
        if self.process.poll() is None:
            (os.killpg if group else os.kill)(self.process.pid, signal.SIGINT)
        try:
            code = self.process.wait(60)
            took_s = time.monotonic() - began
            return Ended(code, took_s, self._out.read_text(), self._err.read_text())
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


def left_behind(ctl: Callable[..., str], *, served: bool) -> str:
    """What is at the broker that should not be there: queues of episodes, consumers. Empty: nothing."""
    queues = [line.split("\t") for line in ctl("list_queues", "name", "consumers").splitlines() if "\t" in line]
    odd = [name for name, consumers in queues if name.startswith(("episode.", "world."))]
    odd += [] if served else [f"a consumer of {name}" for name, consumers in queues if consumers != "0"]
    return ", ".join(odd)
