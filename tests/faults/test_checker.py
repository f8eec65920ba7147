"""The checker finds each violation, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.checker import check
from tests.faults.envs import digest_after
from tests.faults.journal import Entry, Journal, read

AGENT, ENV, OTHER = 10, 20, 21


def agent(t, event, serial=-1, **fields):
    return Entry(t, "agent", AGENT, event, "one", serial=serial, **fields)


def env(t, event, serial=-1, instance="a", pid=ENV, **fields):
    return Entry(t, "env", pid, event, "one", serial=serial, instance=instance, **fields)


def digest(*serials):
    found = 0
    for serial in serials:
        found = digest_after(found, serial)
    return found


GOOD = [
    agent(0.0, "make", bound_s=1.0), env(0.1, "made"), agent(0.2, "opened"),
    agent(1.0, "ask", 0, bound_s=1.0), env(1.1, "begin", 0), env(1.2, "did", 0, digest=digest(0)),
    agent(1.3, "saw", 0, digest=digest(0)),
    agent(2.0, "ask", 1, bound_s=1.0), env(2.1, "begin", 1), env(2.2, "did", 1, digest=digest(0, 1)),
    agent(2.3, "saw", 1, digest=digest(0, 1)),
    agent(3.0, "end"), env(3.1, "closed"),
]  # fmt: skip


def found_in(*entries, slack_s=0.0, replays=False):
    return {one.invariant for one in check(entries, slack_s, replays=replays)}


def without(event, serial=-1):
    return [one for one in GOOD if (one.event, one.serial) != (event, serial)]


def test_a_good_journal_has_no_violation():
    assert found_in(*GOOD) == set()


def test_the_order_in_which_journals_are_given_does_not_matter():
    assert found_in(*reversed(GOOD)) == set()


def test_a_request_that_is_executed_twice_is_found():
    assert found_in(*GOOD, env(2.25, "begin", 1)) == {"once"}


def test_a_request_that_two_envs_execute_is_found():
    second = [env(2.2, "made", instance="b"), env(2.25, "begin", 1, "b"), env(3.1, "closed", instance="b")]
    assert found_in(*GOOD, *second) == {"once"}


def test_a_replay_may_execute_in_another_env_what_was_executed_and_not_in_the_same():
    second = [env(2.2, "made", instance="b"), env(2.25, "begin", 1, "b"), env(3.1, "closed", instance="b")]
    assert found_in(*GOOD, *second, replays=True) == set()
    assert found_in(*GOOD, env(2.25, "begin", 1), replays=True) == {"once"}


def test_what_no_env_did_is_found():
    wrong = [replace(one, digest=7) if one.event == "saw" and one.serial == 1 else one for one in GOOD]
    assert found_in(*wrong) == {"order"}


def test_a_payload_that_was_corrupted_is_found():
    wrong = [replace(one, digest=-1) if one.event == "saw" and one.serial == 0 else one for one in GOOD]
    assert found_in(*wrong) == {"order"}


def test_results_in_another_order_are_found():
    swapped = {0: 1.35, 1: 1.25}
    wrong = [replace(one, t=swapped[one.serial]) if one.event == "saw" else one for one in GOOD]
    assert "order" in found_in(*wrong)


def test_a_step_that_the_agent_never_heard_of_is_found():
    asked = [one for one in GOOD if not (one.side == "agent" and one.serial == 0)]
    assert found_in(*asked) == {"order"}


def test_a_step_whose_reply_was_an_error_is_excused():
    told = [replace(one, event="error") if one.event == "saw" and one.serial == 0 else one for one in GOOD]
    assert found_in(*told) == set()


def test_results_of_two_envs_are_no_history_of_one():
    mixed = [replace(one, instance="b") if one.side == "env" and one.serial == 1 else one for one in GOOD]
    assert "order" in found_in(*mixed, env(0.15, "made", instance="b"), env(3.2, "closed", instance="b"))


def test_an_open_that_never_ends_is_found():
    assert found_in(*(one for one in without("end"))) == {"ended"}
    only = [one for one in GOOD if one.event == "make"]
    assert found_in(*only) == {"ended", "bounded"}


def test_an_open_whose_agent_was_killed_needs_no_end():
    assert found_in(*without("end"), Entry(0.0, "rig", AGENT, "died")) == set()


def test_an_open_that_fails_by_an_error_has_ended():
    assert found_in(agent(0.0, "make", bound_s=1.0), agent(0.5, "error", text="UnknownEnv")) == set()


def test_an_env_that_is_never_closed_is_found_unless_its_process_died():
    assert found_in(*without("closed")) == {"ended"}
    assert found_in(*without("closed"), Entry(0.0, "rig", ENV, "died")) == set()
    assert found_in(*without("closed"), Entry(0.0, "rig", OTHER, "died")) == {"ended"}


@pytest.mark.parametrize(("event", "serial"), [("opened", -1), ("saw", 1)])
def test_a_wait_that_is_too_long_is_found(event, serial):
    late = [replace(one, t=one.t + 60.0) if (one.event, one.serial) == (event, serial) else one for one in GOOD]
    last = [replace(one, t=one.t + 90.0) if one.event in ("end", "closed") else one for one in late]
    assert found_in(*last) == {"bounded"}
    assert found_in(*last, slack_s=60.0) == set()


def test_a_wait_that_never_ends_is_found():
    assert found_in(*without("saw", 1)) == {"bounded"}


def test_what_is_left_behind_is_found():
    assert found_in(*GOOD, Entry(9.0, "rig", 1, "left", text="queue episode.x")) == {"left"}


def test_what_is_written_is_read_of_those_that_are_asked_for(tmp_path):
    one, other = Journal(tmp_path, "agent"), Journal(tmp_path, "env")
    one.write("ask", "t1-aa", serial=3, bound_s=2.5)
    other.write("did", "t2-bb", serial=3, digest=2**62)
    assert [(entry.event, entry.serial, entry.bound_s) for entry in read(tmp_path, ["t1-aa"])] == [("ask", 3, 2.5)]
    assert [entry.digest for entry in read(tmp_path)] == [0, 2**62]
