"""A few rows of the matrix, one trial each. All of them, many times: ``make test-faults``."""

from __future__ import annotations

import pytest

from tests.faults import matrix, rows
from tests.faults.machine import command
from tests.faults.rig import Rig

QUICK = ["F2", "F3", "F6", "F13", "F17b", "F17e", "F19b", "F19c", "F29", "F30"]


@pytest.fixture(scope="module")
def rig():
    with Rig() as one:
        yield one


@pytest.mark.parametrize("name", QUICK)
def test_no_promise_is_broken_by(rig, name):
    result = rows.run(rig, matrix.ROWS[name], trials=1)
    assert result.violations == []
    assert result.trials == 1


def test_what_the_rig_cannot_do_counts_as_violated(rig):
    def play(stage, trial):
        raise OSError("no such broker")

    row = rows.Row("F0", "nothing", "nothing", 1, play, lambda stage: None)
    assert rows.run(rig, row).violated == 1


def test_what_the_machine_does_not_allow_is_told_and_not_counted(rig):
    row = rows.Row("F0", "nothing", "nothing", 1, lambda stage, trial: None, lambda stage: command("false", "alarm"))
    result = rows.run(rig, row)
    assert (result.trials, result.violated, result.cannot) == (0, 0, "false alarm: exit code 1")


def test_what_a_row_expects_and_does_not_come_counts_as_violated(rig):
    def play(stage, trial):
        token = trial.open(stage.agents[0])
        trial.do(stage.agents[0], token, "step", error="WorkerLost")
        trial.close(stage.agents[0], token)

    row = rows.Row("F0", "nothing", "a worker is lost", 1, play, rows.worker_and_agent)
    result = rows.run(rig, row)
    assert result.violated == 1
    assert "expected WorkerLost" in result.violations[0]
