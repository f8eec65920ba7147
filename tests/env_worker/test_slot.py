"""What a slot knows of its agent."""

from __future__ import annotations

from types import SimpleNamespace

from env_worker.slot import Slot


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
