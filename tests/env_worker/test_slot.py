"""What a slot knows of its agent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from env_worker.slot import REACHED_S, RETURN_S, Slot


def slot(executing=None) -> Slot:
    dialogue = SimpleNamespace(episode="e" * 32, agent="a" * 16, executing=executing)
    found = Slot(SimpleNamespace(dialogue=dialogue))
    found.heard = 100.0
    return found


def test_an_agent_is_idle_from_when_it_last_said_something_or_was_answered():
    one = slot()
    assert one.idle_for(130.0) == 30.0
    one.told = 120.0
    assert one.idle_for(130.0) == 10.0


def test_an_agent_that_waits_for_its_answer_is_not_idle():
    assert slot(executing="act").idle_for(1000.0) == 0.0


def test_replies_go_to_the_incarnation_that_the_agent_has_now():
    one = slot()
    assert one.key == f"episode.{'e' * 32}.percept.{'a' * 16}"


WINDOW = 2.0


def test_an_agent_that_cannot_be_reached_is_lost_after_the_window():
    one = slot()
    one.lost_since = 100.0
    assert not one.is_lost(101.9, WINDOW)
    assert one.is_lost(102.0, WINDOW)


def test_an_agent_gets_time_to_come_back_when_our_own_connection_broke():
    one = slot()
    one.expect_return(100.0)
    one.lost_since = 100.5
    assert not one.is_lost(99.9 + RETURN_S, WINDOW)
    assert one.is_lost(100.0 + RETURN_S, WINDOW)


@pytest.mark.parametrize("every_s", [5.0, 30.0, 59.0, 70.0])
def test_an_agent_that_is_dead_gets_that_time_once_however_often_our_connection_breaks(every_s):
    one = slot()
    broke = 100.0
    while broke < 1000.0:
        one.expect_return(broke)
        one.lost_since = broke + 0.01  # the probe comes back
        if one.is_lost(broke + every_s - 0.01, WINDOW):
            break
        broke += every_s
    assert broke + every_s <= 100.0 + RETURN_S + 2 * every_s


def test_an_agent_that_was_reached_since_gets_it_again():
    one = slot()
    one.expect_return(100.0)
    assert not one.is_lost(100.0 + REACHED_S, WINDOW)  # its probe did not come back: it is there, and silent
    one.expect_return(500.0)
    one.lost_since = 500.1
    assert not one.is_lost(499.0 + RETURN_S, WINDOW)
    one.listened(520.0)
    assert (one.lost_since, one.return_by) == (None, None)


def test_a_return_that_breaks_half_way_takes_no_time_from_its_agent():
    one = slot()
    one.expect_return(100.0)
    one.expect_return(100.2)
    one.lost_since = 100.3
    assert not one.is_lost(99.9 + RETURN_S, WINDOW)
