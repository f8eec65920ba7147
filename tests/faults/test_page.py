"""The page says what the record says, and how little a few trials show."""

from __future__ import annotations

import json

import pytest

from tests.faults import cli, matrix
from tests.faults.elsewhere import ELSEWHERE
from tests.faults.page import at_most, page
from tests.faults.record import JSON, PAGE

ROW = {
    "name": "F1", "fault": "a fault", "expected": "an error", "trials": 300, "violated": 0, "violations": [],
    "detect_s": [0.002, 0.004, 0.5], "recover_s": [1.0, 3.0], "figures": {"probes": [2.0, 4.0, 3.0]}, "took_s": 90.0,
}  # fmt: skip


@pytest.mark.parametrize(("violated", "trials", "bound"), [(0, 300, 0.01), (0, 2, 1.0), (0, 0, 1.0), (10, 10, 1.0)])
def test_no_violation_in_n_trials_says_that_at_most_three_in_n_are_violated(violated, trials, bound):
    assert at_most(violated, trials) == pytest.approx(bound, abs=0.001)


def test_a_violation_makes_the_bound_larger_than_the_share():
    assert 0.01 < at_most(1, 100) < 0.06


def test_a_row_has_its_times_as_median_and_greatest():
    text = page({"machine": "M.", "rows": [ROW]}, {"F99": "not here"})
    assert "| F1 | a fault | an error | 300 | 0 | 1 % | 4 ms (500 ms) | 2.0 s (3.0 s) | probes 3 (4) |" in text
    assert "1 rows, 300 trials in 2 minutes; violated: 0. M." in text
    assert "| F99 | not here |" in text
    assert "## Violations" not in text


def test_a_violation_is_told():
    text = page({"machine": "M.", "rows": [{**ROW, "violated": 1, "violations": ["trial 3: once: twice"]}]}, {})
    assert "* F1: trial 3: once: twice" in text


def test_the_page_is_made_of_the_record():
    assert PAGE.read_text() == page(json.loads(JSON.read_text()), ELSEWHERE), "run `make test-faults`"


def test_each_fault_of_the_matrix_is_a_row_or_it_is_told_why_not():
    names = [name.split()[0] for name in [*matrix.ROWS, *ELSEWHERE]]
    numbers = {int("".join(filter(str.isdigit, name))) for name in names if name.startswith("F")}
    assert numbers == set(range(1, 43))


def test_the_page_has_only_rows_that_there_are():
    assert {one["name"] for one in json.loads(JSON.read_text())["rows"]} <= set(matrix.ROWS)


@pytest.mark.parametrize(("only", "names"), [(["F9"], {"F9"}), (["F9*"], {"F9", "F9b", "F9c", "F9d"}), (["F0"], set())])
def test_rows_are_chosen_by_name_or_by_how_it_begins(only, names):
    assert {name for name, one in matrix.ROWS.items() if cli._wanted(one, only)} == names


def test_rows_that_take_minutes_are_run_only_where_they_are_named():
    assert not cli._wanted(matrix.ROWS["F26r"], None)
    assert cli._wanted(matrix.ROWS["F26r"], ["F26*"])
