"""What people see of a rollout: a progress bar while it goes on, and a table when it is over.

    with progress(4000, "steps") as tally:
        summary = rollout(env, policy, steps=4000, on_step=tally.on_step, on_run=tally.on_run)
    Console().print(summary_table({"bandit": summary}))

Progress goes to stderr, so that stdout stays free for results. Where stderr is no terminal (a log, a container), a
line now and then takes the place of the bar.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent_worker.summary import Figures

Unit = Literal["episodes", "steps"]

BAR_EVERY_S = 0.2
LINE_EVERY_S = 5.0

_ROWS = (
    ("environment", "env_id", "{}"),
    ("evaluation", "evaluation", "{}"),
    ("episodes", "episodes", "{:,}"),
    ("played by this worker", "played", "{:,}"),
    ("steps", "steps", "{:,}"),
    ("return, mean", "return_mean", "{:,.2f}"),
    ("return, standard deviation", "return_std", "{:,.2f}"),
    ("length, mean", "length_mean", "{:,.1f}"),
    ("reward, mean", "reward_mean", "{:,.3f}"),
    ("reward, mean of last 500", "reward_mean_last", "{:,.3f}"),
    ("steps a second", "steps_per_s", "{:,.0f}"),
    ("round trip p50, us", "rtt_us_p50", "{:,.0f}"),
    ("round trip p99, us", "rtt_us_p99", "{:,.0f}"),
    ("interrupted", "interrupted", "{}"),
)


def summary_table(summaries: Mapping[str, Figures]) -> Table:
    """One column for each summary, headed by its label; a dash where there is no figure. Print it by a ``Console``.

    A row that no summary knows (what only a shared evaluation has, and the other way round) is left out.
    """
    table = Table("", *(Column(Text(label), justify="right") for label in summaries))
    for title, name, form in _ROWS:
        if not any(hasattr(summary, name) for summary in summaries.values()):
            continue
        figures = [getattr(summary, name, None) for summary in summaries.values()]
        if name == "interrupted" and not any(figures):
            continue
        table.add_row(title, *(Text("-" if figure is None else form.format(figure)) for figure in figures))
    return table


class Tally:
    """Counts steps and episodes, and shows the counts now and then; a step costs it a fraction of a microsecond.

    It has no thread: nothing draws while a round trip is being measured.
    """

    def __init__(
        self, unit: Unit, show: Callable[[Tally], None], *, every_s: float, clock: Callable[[], float]
    ) -> None:
        self.unit = unit
        self.steps = 0
        self.episodes = 0
        self._rewards: deque[float] = deque(maxlen=500)
        self._returns: deque[float] = deque(maxlen=100)
        self._show, self._every_s, self._clock = show, every_s, clock
        self._started = clock()
        self._due = self._started + every_s

    def on_step(self, reward: float) -> None:
        """Count a step."""
        self.steps += 1
        self._rewards.append(reward)
        now = self._clock()
        if now >= self._due:
            self._due = now + self._every_s
            self._show(self)

    def on_run(self, return_: float, length: int) -> None:
        """Count an episode that ended."""
        self.episodes += 1
        self._returns.append(return_)

    @property
    def done(self) -> int:
        """How many of the unit are done."""
        return self.episodes if self.unit == "episodes" else self.steps

    def __str__(self) -> str:
        """How fast, and how well: the mean of the last 100 returns, or of the last 500 rewards if nothing ended yet."""
        seconds = self._clock() - self._started
        speed = f"{self.steps / seconds:,.0f} steps/s" if seconds > 0 else "0 steps/s"
        if self._returns:
            return f"{speed}, mean return {np.mean(self._returns):,.2f}"
        return f"{speed}, mean reward {np.mean(self._rewards):,.3f}" if self._rewards else speed


@contextmanager
def progress(
    total: int,
    unit: Unit,
    *,
    label: str = "rollout",
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Tally]:
    """Show on ``stream`` (default stderr) how far a rollout of ``total`` episodes or steps has come.

    Give the tally's ``on_step`` and ``on_run`` to ``rollout``. ``clock`` gives seconds.
    """
    console = Console(file=stream or sys.stderr)
    with _bar(console, total, unit, label) if console.is_interactive else _lines(console, total, unit, label) as show:
        every_s = BAR_EVERY_S if console.is_interactive else LINE_EVERY_S
        tally = Tally(unit, show, every_s=every_s, clock=clock)
        try:
            yield tally
        finally:
            show(tally)


@contextmanager
def _bar(console: Console, total: int, unit: Unit, label: str) -> Iterator[Callable[[Tally], None]]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),  # it gets what the others leave
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[tally]}", markup=False),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
    )
    # A policy's print() goes above the bar on a terminal; into a file it must go as ever.
    with Progress(
        *columns, console=console, auto_refresh=False, expand=True, redirect_stdout=sys.stdout.isatty()
    ) as bar:
        task = bar.add_task(label, total=total, tally=unit)

        def show(tally: Tally) -> None:
            bar.update(task, completed=tally.done, tally=f"{unit}, {tally}", refresh=True)

        yield show


@contextmanager
def _lines(console: Console, total: int, unit: Unit, label: str) -> Iterator[Callable[[Tally], None]]:
    def show(tally: Tally) -> None:
        print(f"{label}: {tally.done:,} of {total:,} {unit}, {tally}", file=console.file, flush=True)

    yield show
