"""Ratios, targets and tables: what stands in the table follows from the turns."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench import (
    cli,
    groups,
    growth,
    growth_words,
    lockstep,
    machine,
    plot,
    profile,
    record,
    sections,
    settings,
    table,
    targets,
)
from bench.figures import figures, paired, short, spread
from bench.processes import ROOT, BenchFailed
from bench.rounds import Outcome
from bench.rows import Turn
from bench.stage import House

MACHINE = {
    "date": "2026-01-01 00:00 UTC", "processor": "a processor", "cores": 2, "memory_gib": 4, "kernel": "6",
    "python": "3.11", "packages": {"pika": "1.4.4"}, "commit": "abc",
}  # fmt: skip


def turn(p50, **more):
    cpu = {"agent": 1.0, "server": 2.0, "broker": 3.0}
    known = {"figure": p50, "p50_us": p50, "p99_us": 2 * p50, "rate": 1e6 / p50, "steps": 10, "resets": 1}
    return Turn(**{**known, "cpu_us": cpu, "rates": [1.0], **more})


def outcome(*p50s):
    return Outcome([None if p50 is None else turn(p50) for p50 in p50s])


def test_a_ratio_is_the_median_of_the_ratios_of_each_round_not_the_ratio_of_medians():
    found = paired(outcome(100, 300, 900), outcome(100, 100, 300))
    assert (found.median, found.low, found.high, found.count) == (3.0, 1.0, 3.0, 3)


def test_a_round_in_which_one_of_the_two_failed_counts_for_no_ratio():
    assert paired(outcome(100, None), outcome(50, 50)).count == 1
    assert paired(outcome(None, 100), outcome(50, None)) is None


def test_figures_are_those_of_the_turns_that_there_were():
    assert figures(outcome(5, None, 7)) == [5, 7]
    assert spread([3, 1, 2]).median == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.012345, "0.0123"), (9.126, "9.13"), (273.4, "273"), (12345.6, "12,346"), (0.0, "0.0"), (99.99, "100.0")],
)
def test_numbers_are_shown_with_the_digits_that_mean_something(value, shown):
    assert short(value) == shown


@pytest.mark.parametrize(("sense", "bound", "met"), [("at most", 2.0, True), ("at most", 1.9, False),
                                                     ("at least", 2.0, True), ("at least", 2.1, False)])  # fmt: skip
def test_a_target_is_met_by_the_median_of_the_paired_ratios(monkeypatch, sense, bound, met):
    target = targets.Target("0", "a test", "lockstep", "ours", "raw", sense, bound)
    monkeypatch.setattr(targets, "TARGETS", (target,))
    (verdict,) = targets.judge("lockstep", {"ours": outcome(200, 400, 900), "raw": outcome(100, 200, 300)})
    assert (verdict.found.median, verdict.met) == (2.0, met)


def test_a_target_of_rows_that_were_not_played_is_left_out():
    assert targets.judge("lockstep", {"ours": outcome(200)}) == []
    assert targets.judge("lockstep", {"ours": outcome(None), "raw": outcome(100)}) == []


def test_every_target_and_every_reference_names_rows_that_exist():
    known = {(group.name, row.name) for group in groups.GROUPS for row in group.rows}
    known |= {(growth.NAME, str(episodes)) for episodes in growth.EPISODES}
    named = {(target.group, name) for target in targets.TARGETS for name in (target.row, target.against) if name}
    named |= {(group.name, group.against(row.name)) for group in groups.GROUPS for row in group.rows}
    assert named <= known


def test_rows_are_chosen_by_group_by_name_or_by_both():
    everything = sections.choose([])
    assert [group for group, _ in everything.groups] == list(groups.GROUPS)
    assert all(rows == group.rows for group, rows in everything.groups)
    assert (everything.growth, everything.profile) == (True, True)
    some = sections.choose(["lockstep/ours,lockstep/raw", "gymie"])
    ((group, rows),) = some.groups
    assert (group, [row.name for row in rows]) == (lockstep.GROUP, ["raw", "ours", "gymie"])
    assert (some.growth, some.profile) == (False, False)
    assert sections.choose(["growth"]) == sections.Choice((), growth=True, profile=False)
    with pytest.raises(ValueError, match="nothing is called nonsense"):
        sections.choose(["raw", "nonsense"])


def test_the_table_shows_failed_rows_as_failed_and_the_others_against_the_reference():
    failed = Outcome([None], failure="it broke\nin two lines")
    lines = table.cells(lockstep.GROUP, {"raw": outcome(100, 100), "ours": outcome(150, 250), "ray": failed})
    assert all(len(line) == len(lines[0]) for line in lines)
    assert lines[2][:5] == ["ours", "200", "150 - 250", "2.00", "1.50 - 2.50"]
    assert lines[3][:2] == ["ray", "failed"]


def test_agents_that_share_workers_are_compared_with_each_other():
    shared = Outcome([turn(100, rates=[10.0, 13.0, 11.0])])
    lines = table.cells(lockstep.GROUP, {"raw": outcome(100), "ours": shared})
    assert lines[0][-1] == "fastest : slowest agent"
    assert [line[-1] for line in lines[1:]] == ["1.00", "1.30"]


def lockstep_section():
    return sections.of_group(lockstep.GROUP, {"raw": outcome(100), "ours": outcome(130), "ray": Outcome([None], "no")})


def growth_section():
    names = {name for lines in plot.PANELS.values() for name in lines.values()} | {"opening_p50_ms"}
    points = {size: [dict.fromkeys(names, float(size))] for size in (1, 1000)}
    return sections.of_growth(growth.Growth(points, {"10 at once": "broke"}))


def test_the_json_has_every_turn_and_every_verdict():
    found = json.loads(record.to_json(MACHINE, [lockstep_section(), growth_section()]))
    assert found["machine"]["processor"] == "a processor"
    rows = found["sections"]["lockstep"]["rows"]
    assert [one["p50_us"] for one in rows["ours"]["turns"]] == [130]
    assert found["sections"]["lockstep"]["targets"][0]["met"] is True
    assert found["sections"]["lockstep"]["failures"] == {"ray": "no"}
    assert found["sections"]["growth"]["points"]["1000"][0]["opened_per_s"] == 1000


def test_growth_tells_what_one_more_idle_episode_costs_and_judges_what_was_measured():
    section = growth_section()
    assert section.failures == {"10 at once": "broke"}
    assert [line[1:] for line in section.tables["Memory of a mostly idle episode"]][1] == ["1,000"] * 3
    verdicts = section.tables["Targets of issue 4: growth"]
    assert [line[-1] for line in verdicts[1:]] == ["met", "met"]
    alone = growth.Growth({1: section.found.points[1]}, {})
    assert growth.idle_cost_kb(alone, "worker") is None
    assert growth.judge(alone) == []
    del section.found.points[1000][0]["opened_at_once_per_s"]
    assert growth.judge(section.found)[0].target.field == "opened_per_s"
    assert growth.cells(section.found)["Opening, and what a step costs"][2][3] == ""


def test_a_section_takes_the_place_of_the_former_one_and_of_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench: lockstep -->\nold\n<!-- end of lockstep -->\nafter\n")
    text = record.to_markdown(MACHINE, lockstep_section())
    record.write_section(page, "lockstep", text)
    record.write_section(page, "lockstep", text)
    assert page.read_text() == f"before\n<!-- bench: lockstep -->\n{text}\n<!-- end of lockstep -->\nafter\n"
    assert "a processor" in text
    assert "| 2 | a step against the raw limit (ours : raw) | 1.30 |" in text
    with pytest.raises(ValueError, match="no place for frames"):
        record.write_section(page, "frames", text)


def test_the_performance_page_has_a_place_for_every_section(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text())
    for name in [group.name for group in groups.GROUPS] + [growth.NAME, profile.NAME]:
        record.write_section(page, name, "text")


def test_a_machine_that_others_used_meanwhile_is_named_where_the_figures_are():
    section = lockstep_section()
    assert "others" not in record.to_markdown(MACHINE, section)
    section.others = [0.001, 0.001, 0.3]
    quiet = record.to_markdown(MACHINE, section)
    assert "others took 0.1 % of the cores (median of the turns; 30 % at most)." in quiet
    assert "BUSY" not in quiet
    section.others = [0.12, 0.001, 0.3]
    assert "THE MACHINE WAS BUSY, do not trust this." in record.to_markdown(MACHINE, section)


def test_what_others_take_is_what_is_busy_and_not_ours(monkeypatch):
    busy, own, clock = iter([100.0, 101.5]), iter([20.0, 20.5]), iter([0.0, 1.0])
    monkeypatch.setattr(machine, "_busy_seconds", lambda: next(busy))
    monkeypatch.setattr(machine, "cpu_seconds", lambda pids: next(own))
    monkeypatch.setattr(machine, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 4)
    others = machine.Others()
    with others.watch():
        pass
    assert others.take() == [0.25]
    assert others.take() == []


def test_the_kernel_is_asked_for_what_is_busy():
    first = machine._busy_seconds()
    assert 0 < first <= machine._busy_seconds()


def test_a_row_may_have_a_reference_of_its_own():
    names = ("raw shipped", "raw again", "ours shipped", "ours again")
    found = dict(zip(names, (outcome(100), outcome(110), outcome(200), outcome(190)), strict=True))
    lines = table.cells(settings.GROUP, found)
    assert lines[0][3] == "x shipped"
    assert [line[3] for line in lines[1:]] == ["1.00", "1.10", "1.00", "0.95"]


def test_a_whole_run_is_meant_to_take_half_an_hour():
    parts = sections.plan(None, sections.choose([]), 9, 1.0, lambda text: None)
    assert len(parts) == len(groups.GROUPS) + 2
    assert sum(part.seconds for part in parts) <= 35 * 60
    readme = (ROOT / "bench" / "README.md").read_text()
    assert [part.name for part in parts if f"| `{part.name}` | {part.what.split()[-2]} |" not in readme] == []


def test_a_part_that_cannot_be_measured_says_why_and_the_next_one_is_run():
    def broken():
        raise BenchFailed("no broker\nits last words")

    parts = [sections.Part("profile", "", 1.0, broken), sections.Part("lockstep", "", 1.0, lockstep_section)]
    with House() as house:
        first, second = sections.run(house, parts)
    assert first.failures == {"profile": "BenchFailed: no broker\nits last words"}
    assert "profile failed: its last words" in record.to_markdown(MACHINE, first)
    assert second.failures == {"ray": "no"}


def test_settings_have_few_rounds_however_many_are_asked_for():
    (part,) = sections.plan(None, sections.choose(["settings"]), 9, 1.0, lambda text: None)
    assert part.what.endswith(f" {settings.GROUP.most_rounds} rounds")


def test_a_page_without_a_place_is_refused_before_anything_is_measured(tmp_path):
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", "bench", "--only", "lockstep/local,frames/sync", "--page", str(page)]
    page.write_text("<!-- bench: frames -->\n<!-- end of frames -->\n")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "has no place for lockstep:" in done.stderr


def test_the_words_about_growth_name_the_knee_and_what_is_full_there():
    rates = {1: 1000.0, 10: 4600.0, 100: 5000.0, 1000: 4000.0}
    shared = {f"{role}_busy_percent": 10.0 for role in growth.ROLES}
    points = {size: [{"flight_per_s": rate, **shared}] for size, rate in rates.items()}
    points[10][0] |= {"worker_busy_percent": 97.0}
    found = growth_words.words(growth.Growth(points, {}))
    assert "**The knee** is at 10 episodes in flight: 4,600 steps/s, where one alone makes 1,000," in found
    assert "and 1,000 make 4,000. The highest rate is 5,000, at 100." in found
    assert "The worker has one thread for it, and that is full." in found
    assert growth_words.words(growth.Growth({1: points[1], 10: []}, {})) == ""


def test_the_words_about_growth_compare_the_least_with_the_most():
    few = {"one_p50_us": 400.0, "turn_p50_us": 410.0, "agent_cpu_us": 100.0, "agent_mb": 30.0}
    many = {"one_p50_us": 500.0, "turn_p50_us": 600.0, "agent_cpu_us": 150.0, "agent_mb": 129.9}
    found = growth_words.words(growth.Growth({1: [few], 1000: [many]}, {}))
    assert "takes 400 us (p50) with 1 open, 500 beside 999 idle ones (1.25 times)" in found
    assert "600 where 1,000 take turns (1.50 times)" in found
    assert "100 us of a core for a step with 1 open, and 150 with 1,000." in found
    assert "**An idle episode** costs 100 kB at the agent." in found


def test_each_part_is_written_when_it_is_finished(tmp_path, monkeypatch):
    def draw(path, sections, note):
        path.touch()
        if sections[-1].name == growth.NAME:
            plot.growth_picture(path).touch()

    monkeypatch.setattr(cli, "draw_all", draw)
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- bench: {name} -->\n<!-- end of {name} -->\n" for name in ("lockstep", "growth")))
    files = cli.Files(tmp_path / "bench.json", tmp_path / "bench.png", page)
    files.write(MACHINE, [lockstep_section()])
    assert "](bench.png)" in page.read_text()
    assert json.loads(files.json.read_text())["sections"].keys() == {"lockstep"}
    assert not (tmp_path / "growth.png").exists()
    files.write(MACHINE, [lockstep_section(), growth_section()])
    assert page.read_text().count("](bench.png)") == page.read_text().count("](growth.png)") == 1
    assert json.loads(files.json.read_text())["sections"].keys() == {"lockstep", "growth"}


def test_there_is_a_picture_of_rows_and_one_of_growth(tmp_path):
    plot.draw_all(tmp_path / "bench.png", [lockstep_section(), growth_section()], "a note")
    pictures = {path.name: path.read_bytes()[:8] for path in tmp_path.iterdir()}
    assert pictures == dict.fromkeys(["bench.png", "growth.png"], b"\x89PNG\r\n\x1a\n")
