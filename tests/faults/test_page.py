"""The page says what the record says, and how little a few trials show."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from tests.faults import cli, matrix, record
from tests.faults.elsewhere import ELSEWHERE
from tests.faults.page import at_most, page, summary
from tests.faults.record import JSON, PAGE
from tests.faults.rows import Result

ROW = {
    "name": "F1", "fault": "a fault", "expected": "an error", "trials": 300, "violated": 0, "violations": [],
    "detect_s": [0.002, 0.004, 0.5], "recover_s": [1.0, 3.0], "figures": {"probes": [2.0, 4.0, 3.0]}, "took_s": 90.0,
    "cannot": "", "ran": "11-30 18:14 e19e15d", "by_hand": False, "known_limit": False,
}  # fmt: skip


@pytest.mark.parametrize(("violated", "trials", "bound"), [(0, 300, 0.01), (0, 2, 1.0), (0, 0, 1.0), (10, 10, 1.0)])
def test_no_violation_in_n_trials_says_that_at_most_three_in_n_are_violated(violated, trials, bound):
    assert at_most(violated, trials) == pytest.approx(bound, abs=0.001)


def test_a_violation_makes_the_bound_larger_than_the_share():
    assert 0.01 < at_most(1, 100) < 0.06


def test_a_row_has_its_times_as_median_and_greatest():
    text = page({"machine": "M.", "rows": [ROW]}, {"F99": "not here"})
    times = "4 ms (500 ms) | 2.0 s (3.0 s)"
    assert f"| F1 | a fault | an error | 300 | 0 | 1 % | {times} | probes 3 (4) | 11-30 18:14 e19e15d |" in text
    assert "1 rows of promises, 300 trials; violated: 0. 0 rows could not run here. 2 minutes. M." in text
    assert "| F99 | not here |" in text
    assert "## Violations" not in text


def test_a_violation_is_told():
    text = page({"machine": "M.", "rows": [{**ROW, "violated": 1, "violations": ["trial 3: once: twice"]}]}, {})
    assert "* F1: trial 3: once: twice" in text


def test_a_row_that_this_machine_does_not_allow_is_told():
    text = page({"machine": "M.", "rows": [{**ROW, "trials": 0, "cannot": "mount: permission denied"}]}, {})
    assert "| 0 | 0 |  | 4 ms (500 ms) | 2.0 s (3.0 s) | cannot run here: mount: permission denied |" in text


def test_a_known_limit_is_marked_and_no_promise_that_is_kept():
    limit = {**ROW, "name": "F2", "known_limit": True}
    assert "| 300 | 0 | known limit | 4 ms" in page({"machine": "M.", "rows": [limit]}, {})
    assert summary([ROW, limit]).startswith("1 rows of promises, 300 trials; violated: 0. Known limits: 1 (F2). ")
    assert "violated: 3. Known" in summary([ROW, {**limit, "violated": 3}])


def test_the_summary_counts_rows_that_could_not_run_and_minutes_of_those_that_are_run_by_hand():
    text = summary([ROW, {**ROW, "cannot": "no root"}, {**ROW, "by_hand": True, "took_s": 300.0}])
    assert text == (
        "2 rows of promises, 600 trials; violated: 0. 1 rows could not run here. "
        "3 minutes, and 5 for what is run by hand."
    )


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([{"trials": 3}], 0),
        ([{"trials": 3}, {"cannot": "no root"}], 69),
        ([{"trials": 3, "violated": 1}, {"cannot": "no root"}], 1),
        ([{"trials": 3, "violated": 1, "known_limit": True}], 1),
    ],
)
def test_the_exit_code_tells_what_was_violated_or_could_not_run(results, code, monkeypatch, capsys):
    found = [Result("F1", "a fault", "an error", **fields) for fields in results]
    monkeypatch.setattr(cli, "_run", lambda *_: found)
    monkeypatch.setattr(sys, "argv", ["faults"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    told = f"{sum(bool(one.cannot) for one in found)} rows could not run here"
    assert told in capsys.readouterr().out.splitlines()[-1]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A record and a page of this test."""
    monkeypatch.setattr(record, "JSON", tmp_path / "faults.json")
    monkeypatch.setattr(record, "PAGE", tmp_path / "faults.md")
    return lambda: json.loads((tmp_path / "faults.json").read_text())["rows"]


def test_a_run_of_one_row_leaves_the_others_as_they_are(files):
    first, again = (Result(name, "a fault", "an error", trials=1, ran=ran) for name, ran in (("F1", "a"), ("F2", "b")))
    record.write([first, again], ["F1", "F2"], {})
    record.write([replace(again, trials=2, ran="c")], ["F1", "F2"], {})
    assert [(one["name"], one["trials"], one["ran"]) for one in files()] == [("F1", 1, "a"), ("F2", 2, "c")]


def test_what_a_row_came_to_is_kept_where_it_cannot_run(files):
    names = ["F1", "F2"]
    record.write([Result("F1", "a fault", "an error", trials=1)], names, {})
    record.write([Result(name, "a fault", "an error", cannot="no root") for name in names], names, {})
    assert [(one["name"], one["trials"], one["cannot"]) for one in files()] == [("F1", 1, ""), ("F2", 0, "no root")]
    record.write([Result("F2", "a fault", "an error", cannot="no mount")], names, {})
    assert [one["cannot"] for one in files()] == ["", "no mount"]


def test_the_page_is_made_of_the_record():
    assert PAGE.read_text() == page(json.loads(JSON.read_text()), ELSEWHERE), "run `make test-faults`"


def test_all_that_is_not_run_by_hand_takes_half_an_hour_at_most():
    rows = json.loads(JSON.read_text())["rows"]
    assert sum(one["took_s"] for one in rows if not matrix.ROWS[one["name"]].by_hand) < 1800


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
