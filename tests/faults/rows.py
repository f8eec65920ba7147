"""What a row of the matrix is, and the register of all rows. The rows themselves are in ``rows_*.py``."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.checker import Violation
from tests.faults.machine import CannotRun
from tests.faults.rig import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.rig import Rig, Stage

    Setup = Callable[[Stage], None]
    Play = Callable[[Stage, Trial], None]


@dataclass(frozen=True)
class Row:
    """One fault, what is expected of it, and how it is made."""

    name: str
    fault: str
    expected: str
    trials: int
    play: Play
    """One trial. It raises nothing for what goes wrong with the product: it notes it in the trial."""
    setup: Setup
    heartbeat_s: int = 10
    by_hand: bool = False
    """It takes minutes: run only where it is named."""
    known_limit: bool = False
    """What is expected is no promise kept, but what the product is known not to do."""


@dataclass
class Result:
    """What the trials of a row came to."""

    name: str
    fault: str
    expected: str
    trials: int = 0
    violated: int = 0
    """Trials with a violation; what was left behind at the end counts as one more."""
    violations: list[str] = field(default_factory=list)
    detect_s: list[float] = field(default_factory=list)
    recover_s: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)
    took_s: float = 0.0
    cannot: str = ""
    """Why this machine does not allow it, and nothing of it was seen; empty: it does."""
    ran: str = ""
    """When, and at which commit."""
    by_hand: bool = False
    known_limit: bool = False
    """As of the row."""


ROWS: dict[str, Row] = {}


def row(
    name: str,
    fault: str,
    expected: str,
    trials: int,
    setup: Setup | None = None,
    *,
    heartbeat_s: int = 10,
    by_hand: bool = False,
    known_limit: bool = False,
) -> Callable[[Play], Play]:
    """Register the function that plays a trial. ``setup``: start what all trials share; default: worker and agent."""

    def register(play: Play) -> Play:
        assert name not in ROWS, name
        started = setup or worker_and_agent
        ROWS[name] = Row(name, fault, expected, trials, play, started, heartbeat_s, by_hand, known_limit)
        return play

    return register


def worker_and_agent(stage: Stage) -> None:
    """One worker of one stepper and one agent, both straight at the broker."""
    stage.worker()
    stage.agent()
    stage.workers[0].ready()
    stage.agents[0].ready()


def only_agent(stage: Stage) -> None:
    """Each trial has a worker of its own."""
    stage.agent().ready()


def only_worker(stage: Stage) -> None:
    """Each trial has an agent of its own."""
    stage.worker().ready()


def behind_proxies(stage: Stage) -> None:
    """One worker and one agent, each behind a proxy of its own."""
    stage.worker(url=stage.url(stage.proxy("worker")))
    stage.agent(url=stage.url(stage.proxy("agent")))
    stage.workers[0].ready()
    stage.agents[0].ready()


def run(rig: Rig, row: Row, trials: int | None = None) -> Result:
    """All trials of a row."""
    result = Result(row.name, row.fault, row.expected, by_hand=row.by_hand, known_limit=row.known_limit)
    started = time.monotonic()
    with rig.stage(row.name, row.heartbeat_s) as stage, _noted(result):
        row.setup(stage)
        stage.look_at_files()
        for number in range(1, (trials or row.trials) + 1):
            trial = Trial(stage, number)
            with _noted(result):
                row.play(stage, trial)
                stage.settle(trial)
            _add(result, trial)
            if number == 1:
                stage.look_at_files()
        left = stage.left()
        result.violated += bool(left)
        result.violations += map(str, left)
    result.took_s = time.monotonic() - started
    return result


@contextmanager
def _noted(result: Result) -> Iterator[None]:
    """What the rig itself could not do is a violation, too: nobody has seen that the promise holds."""
    try:
        yield
    except CannotRun as error:
        result.cannot = str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are still to be run
        result.violated += 1
        result.violations.append(str(Violation("rig", f"{type(error).__name__}: {error}")))


def _add(result: Result, trial: Trial) -> None:
    result.trials += 1
    result.violated += bool(trial.wrong)
    result.violations += [f"trial {trial.number}: {one}" for one in trial.wrong]
    if trial.detect_s is not None:
        result.detect_s.append(trial.detect_s)
    for name, value in trial.figures.items():
        result.figures.setdefault(name, []).append(value)
    if trial.recover_s is not None:
        result.recover_s.append(trial.recover_s)
