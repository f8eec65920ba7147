"""A stepper process: one ``serve`` loop, and a watchman that can end what hangs."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

from broker.errors import BrokerError
from env_worker import confine
from env_worker.announcer import stepper_name
from env_worker.catalogue import Catalogue, CatalogueError, WrongOption
from env_worker.children import Children
from env_worker.logs import configure
from env_worker.pulse import Pulse
from env_worker.service import Control, serve
from env_worker.stepper import Stepper

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe

    from env_worker.settings import WorkerSettings
    from env_worker.slot import Slot

log = logging.getLogger("gymbroker")

WATCH_S = 0.1
"""How often the watchman looks."""

GRACE_S = 0.8
"""How much longer than it may a call can last when the process is to end."""

TELL_S = 1.5
"""How long the agents and the log have to take the last words, at the most: after a second Ctrl-C, or where the process
is to end within two seconds, its supervisor kills it sooner."""

LEAVE_S = 0.5
"""How long the child processes of envs have to close them when all episodes are over, or told to be. Then so long has
what envs have left in this process: threads, for example."""

EXIT_HUNG = 75
"""Exit code of a stepper that ended itself because an env hung."""


def main(settings: WorkerSettings, shared: Any, pipe: Pipe) -> None:
    """Body of the process. Hears ``("drain", seconds)`` from ``pipe``, and says one of these to it:
    ``("ready", name)``; ``("refused", text)`` for an option that cannot be followed; ``("failed", text)``.

    It ends when it is drained, and at once when the other end of ``pipe`` is gone, because its supervisor is.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    configure(settings.verbose)
    control, pulse = Control(), Pulse(shared)
    children, code = None, 1
    try:
        if settings.isolation == "process":
            confine.hide_memory()
            children = Children(settings, stepper_name())
        stepper = Stepper(settings, children or Catalogue(settings), pulse, children)
        threading.Thread(target=_watch, args=(settings, stepper, control, pulse, pipe), daemon=True).start()
        serve(settings, stepper, control, ready=lambda: pipe.send(("ready", stepper.name)))
        code = 0
    except (CatalogueError, BrokerError) as error:
        what = "refused" if isinstance(error, WrongOption) else "failed"
        pipe.send((what, str(error)))  # the supervisor decides whether that ends the worker
        raise SystemExit(1) from None
    finally:
        if children is not None:
            children.close(LEAVE_S)
        threading.Thread(target=_leave, args=(code,), daemon=True).start()


def _leave(code: int) -> None:
    """End the process, which waits for threads that an env has started: nobody could serve in its place meanwhile."""
    time.sleep(LEAVE_S)
    os._exit(code)


def _watch(settings: WorkerSettings, stepper: Stepper, control: Control, pulse: Pulse, pipe: Pipe) -> None:
    """Hear the supervisor, and end the process when an env hangs: its thread cannot be ended alone."""
    while True:
        try:
            if pipe.poll(WATCH_S):
                command, seconds = pipe.recv()
                assert command == "drain"
                control.drain(seconds)
        except (EOFError, OSError):
            os._exit(1)
        now = time.monotonic()
        busy_s = pulse.busy_s(now)
        if busy_s > settings.step_timeout:
            text = f"a call into the env took longer than the worker's step timeout of {settings.step_timeout:g} s"
            _end(stepper, pulse.slot, text, EXIT_HUNG)
        if control.drain_until is not None and _is_over(stepper, control, now - control.drain_until):
            _end(stepper, None, "the env worker is being shut down", 0)


def _is_over(stepper: Stepper, control: Control, late_s: float) -> bool:
    """Whether the stepping thread is not to be waited for: a call does not return, or it connects for nobody."""
    return late_s > GRACE_S or (not control.connected and (late_s > 0 or not stepper.slots))


def _end(stepper: Stepper, hung: Slot | None, text: str, code: int) -> NoReturn:
    """End the process with some last words. By a thread of their own: the broker may block, and the log, whose lock
    the stepping thread may have taken with it.
    """
    try:
        teller = threading.Thread(target=_tell, args=(stepper, hung, text), daemon=True)
        teller.start()
        teller.join(TELL_S)
    finally:
        os._exit(code)


def _tell(stepper: Stepper, hung: Slot | None, text: str) -> None:
    try:
        if stepper.slots:
            stepper.farewell(hung, text)
    except BrokerError as error:
        log.error("the agents could not be told: %s", error)
    log.warning("%s; this process ends with its %d episode(s)", text, len(stepper.slots))
