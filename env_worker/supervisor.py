"""The parent of the stepper processes: it starts, watches, drains and replaces them, and knows nothing of queues."""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from env_worker import confine, process
from env_worker.pulse import Pulse

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe
    from types import FrameType

    from env_worker.settings import WorkerSettings

log = logging.getLogger("gymbroker")

POLL_S = 0.2
"""How often it looks at its children."""

KILL_GRACE_S = 2.0
"""A hung stepper ends itself at its step timeout; where its env holds the interpreter, it is killed so much later."""

KILL_SOON_S = 0.4
"""The same after a Ctrl-C, which ends all within two seconds."""

LAST_S = 0.3
"""So much later still this process ends as it is: something blocks even us, such as a log that nobody reads."""

STABLE_S = 30.0
"""A stepper that lived so long is replaced at once; younger ones after a growing pause."""

MAX_PAUSE_S = 30.0


class WorkerFailed(Exception):
    """A stepper process cannot serve: the text says why (unknown env, broker unreachable, wrong credentials)."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(eq=False)
class _Child:
    """One stepper process and how to talk to it."""

    handle: Any
    pipe: Pipe
    pulse: Pulse
    failure: str = ""
    serves: bool = False
    """It has said that it takes requests."""
    born: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs ``settings.processes`` steppers until it is told to end. Call ``run()`` in the main thread."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._children: list[_Child] = []
        self._pauses = 0
        self._due: list[float] = []
        self._served = False
        """Whether a stepper has ever begun to serve: from then on one that fails is replaced."""
        self._drain_timeout: float | None = None
        self._kill_at = math.inf
        """When a stepper that is still there is killed, as all were told to end."""

    def run(self) -> None:
        """Serve until SIGTERM (drain) or SIGINT (end at once). Raises ``WorkerFailed``. No child outlives it."""
        if self._settings.allowed:
            log.info("agents may %s", self._settings.allowed)
        if self._settings.isolation == "process":
            confine.hide_memory()
        handlers = {signal.SIGTERM: self._signalled, signal.SIGINT: self._signalled, signal.SIGALRM: self._ticked}
        former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        # A write to a log that nobody reads blocks, and Python calls handlers in it only when a signal interrupts it:
        # the timer does, so that also a signal that came right before the write is heard.
        signal.setitimer(signal.ITIMER_REAL, POLL_S, POLL_S)
        try:
            for _ in range(self._settings.processes):
                self._start()
            while self._children or (self._due and self._drain_timeout is None):
                self._look()
        finally:
            for child in self._children:
                child.handle.kill()
                child.handle.join()
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            for number, handler in former.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM: finish within the drain timeout. SIGINT, or a second signal: tell the agents and end now."""
        again = self._drain_timeout is not None
        seconds = 0.0 if again or number == signal.SIGINT else self._settings.drain_timeout
        self._drain_timeout = seconds
        grace_s = process.GRACE_S + (KILL_GRACE_S if seconds else KILL_SOON_S)
        self._kill_at = min(self._kill_at, time.monotonic() + seconds + grace_s)
        for child in self._children:
            self._drain(child)

    def _ticked(self, number: int, frame: FrameType | None) -> None:
        """Several times a second, whatever the main thread waits for."""
        if time.monotonic() > self._kill_at + LAST_S:
            try:
                for child in self._children:
                    child.handle.kill()
            finally:
                os._exit(0)

    def _drain(self, child: _Child) -> None:
        assert self._drain_timeout is not None
        if not self._drain_timeout and not child.serves:  # it imports or connects, and has no agent to tell
            child.handle.kill()
            return
        with contextlib.suppress(OSError):  # it is gone already; the next look finds it
            child.pipe.send(("drain", self._drain_timeout))

    def _start(self) -> None:
        pulse = Pulse()
        ours, theirs = self._context.Pipe()
        handle = self._context.Process(
            target=process.main, args=(self._settings, pulse.shared, theirs), name="env-worker stepper"
        )
        # A Ctrl-C that strikes while the child starts up would end it with a traceback: it ignores SIGINT soon.
        resource_tracker.ensure_running()  # else the first child starts it, and that unblocks SIGINT again
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            handle.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        theirs.close()
        child = _Child(handle, ours, pulse)
        self._children.append(child)
        if self._drain_timeout is not None:  # a signal came while it was being started
            self._drain(child)

    def _look(self) -> None:
        """Once around: hear the children, kill the hung, replace the dead."""
        wait([child.pipe for child in self._children] + [child.handle.sentinel for child in self._children], POLL_S)
        now = time.monotonic()
        for child in list(self._children):
            self._hear(child)
            if child.handle.exitcode is not None:
                self._died(child, now)
            elif child.pulse.busy_s(now) > self._settings.step_timeout + KILL_GRACE_S or now > self._kill_at:
                child.handle.kill()
                log.error("stepper %d did not end by itself, and was killed", child.handle.pid)
        while self._due and self._due[0] <= now and self._drain_timeout is None:
            self._due.pop(0)
            self._start()

    def _hear(self, child: _Child) -> None:
        try:
            while child.pipe.poll():
                what, text = child.pipe.recv()
                if what in ("failed", "refused"):
                    if not self._served and self._drain_timeout is None:  # it is the command line, or the broker
                        raise WorkerFailed(text, exit_code=2 if what == "refused" else 1)
                    child.failure = text
                    continue
                self._served = child.serves = True
                log.info("serving %s as %s", ", ".join(self._settings.env_ids), text)
        except (EOFError, OSError):
            pass  # it is dead or dying; its exit code tells

    def _died(self, child: _Child, now: float) -> None:
        self._children.remove(child)
        child.handle.join()
        child.pipe.close()
        if self._drain_timeout is not None:
            return
        self._pauses = 0 if now - child.born > STABLE_S else self._pauses + 1
        pause = 0.0 if self._pauses <= 1 else min(MAX_PAUSE_S, 0.5 * 2 ** (self._pauses - 2))
        log.error("stepper %d ended (%s); replacing it in %g s", child.handle.pid, _ending(child), pause)
        self._due = sorted([*self._due, now + pause])


def _ending(child: _Child) -> str:
    code = child.handle.exitcode
    if child.failure:
        return child.failure
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return "an env hung" if code == process.EXIT_HUNG else f"exit code {code}"
