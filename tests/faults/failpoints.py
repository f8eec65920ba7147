"""Places in the worker where a process can be made to die. Imported by the worker under test only (``imports``).

A place is armed by a file of its name in the folder of the trial; who meets it first removes the file and is killed.
The product knows nothing of this: methods of it are wrapped here.
"""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env_worker import slot
from env_worker.stepper import Stepper
from tests.faults.journal import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable


def arm(folder: Path, place: str) -> None:
    """The next process that comes to ``place`` dies there."""
    (folder / place).touch()


def armed(folder: Path, place: str) -> bool:
    """Whether nobody has met it yet."""
    return (folder / place).exists()


def meet(place: str) -> None:
    """Die if ``place`` is armed."""
    try:
        (Path(os.environ[FOLDER]) / place).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _before(name: str, place: str) -> None:
    """Die instead of ``Stepper.name``."""
    method: Callable[..., Any] = getattr(Stepper, name)

    @functools.wraps(method)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        meet(place)
        return method(*arguments, **named)

    setattr(Stepper, name, wrapped)


def _between(place: str) -> None:
    """Die in ``_accept`` when ``accepted`` is confirmed, and the ``make`` is not settled."""
    accept = Stepper._accept

    @functools.wraps(accept)
    def wrapped(stepper: Stepper, slot: Any, arrival: Any) -> bool:
        connection = stepper._connection
        ack = connection.ack

        def dying(settled: Any) -> None:
            meet(place)
            ack(settled)

        connection.ack = dying
        try:
            return accept(stepper, slot, arrival)
        finally:
            del connection.ack

    Stepper._accept = wrapped


RETURN_S = "GYMBROKER_FAULTS_RETURN_S"
"""Environment variable: how long agents have to come back when the worker's own connection broke."""

BEFORE_ACCEPTED, UNACKED, BEFORE_BUILD = "before-accepted", "accepted-unacked", "before-build"

if FOLDER in os.environ:
    _before("_accept", BEFORE_ACCEPTED)
    _between(UNACKED)
    _before("_build", BEFORE_BUILD)
    slot.RETURN_S = float(os.environ.get(RETURN_S, slot.RETURN_S))
