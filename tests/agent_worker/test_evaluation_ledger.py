"""The book of a shared evaluation gives each episode to one player at a time, and counts each once."""

from __future__ import annotations

import dataclasses
import random

import pytest

from agent_worker.evaluation_ledger import Ledger
from agent_worker.evaluation_messages import Done, Kept, Play, Refuse, Settings, Take, Tell, Wait

SETTINGS = Settings("CartPole-v1", "{}", "random", False, 5, 0)


def take(player="a", number=1, free=1, *, seen=0, leader="", holding=(), results=None, **more):
    given = {"settings": SETTINGS, "patience_s": 60.0, "results": results or {}, **more}
    return Take(player=player, number=number, free=free, seen=seen, leader=leader, holding=holding, **given)


def ledger(**more) -> Ledger:
    return Ledger(SETTINGS, "me", 100.0, **more)


def one(answers):
    """The only answer that is due."""
    assert len(answers) == 1, answers
    return answers[0]


def test_episodes_are_handed_out_in_order_and_no_more_than_a_player_has_lanes():
    book = ledger()
    assert one(book.hear(take("a", free=2), 100)) == ("a", Play("me", 1, (0, 1)))
    assert one(book.hear(take("b", free=1), 100)) == ("b", Play("me", 1, (2,)))
    assert one(book.hear(take("c", free=9), 100)) == ("c", Play("me", 1, (3, 4)))
    assert one(book.hear(take("d"), 100)) == ("d", Wait("me", 1))


def test_who_waits_is_told_when_all_is_done_and_gets_all_results():
    book = ledger()
    book.hear(take("a", free=5), 100)
    assert one(book.hear(take("b"), 101)) == ("b", Wait("me", 1))
    results = {number: (float(number), 10) for number in range(5)}
    told = dict(book.hear(take("a", 2, seen=1, results=results), 110.0))
    kept = Kept(SETTINGS, results, 10.0)
    assert told == {"a": Done("me", 2, kept), "b": Done("me", 1, kept)}
    assert book.done
    assert one(book.hear(take("late", free=0), 500.0)) == ("late", Done("me", 1, kept))


def test_a_question_that_is_asked_again_is_answered_again_with_the_same_episodes():
    book = ledger()
    first = book.hear(take("a", free=2), 100)
    assert book.hear(take("a", free=2), 101) == first
    assert one(book.hear(take("a", 2, seen=1, holding=(0, 1)), 102)) == ("a", Play("me", 2, (2,)))


def test_what_is_on_the_way_to_a_player_stays_its_own_and_what_it_does_not_hold_is_open_again():
    book = ledger()
    book.hear(take("a", free=2), 100)
    assert one(book.hear(take("a", free=0), 101)) == ("a", Wait("me", 1))  # sent before it had its answer
    assert one(book.hear(take("b", free=5), 101)) == ("b", Play("me", 1, (2, 3, 4)))
    assert one(book.hear(take("c"), 101)) == ("c", Wait("me", 1))
    assert ("c", Play("me", 1, (1,))) in book.hear(take("a", free=0, seen=1, holding=(0,)), 102)


def test_what_a_dead_player_held_is_played_again_by_who_waits():
    book = ledger()
    book.hear(take("a", free=4), 100)
    book.hear(take("b", free=1), 100)
    book.hear(take("a", 2, free=0, seen=1, holding=(1, 2, 3), results={0: (1.0, 1)}), 101)
    assert one(book.hear(take("b", 2, free=2, seen=1, results={4: (1.0, 1)}), 101)) == ("b", Wait("me", 2))
    assert set(book.holders()) == {"a"}
    assert one(book.lose("a", 102)) == ("b", Play("me", 2, (1, 2)))
    assert book.lose("a", 103) == []


def test_a_player_that_leaves_gives_back_what_it_holds():
    book = ledger()
    book.hear(take("a", free=5), 100)
    book.hear(take("b"), 100)
    answers = book.hear(take("a", 1, free=0, seen=1, results={0: (1.0, 1)}, leaving=True), 101)
    assert answers == [("b", Play("me", 1, (1,)))]


def test_a_player_that_lives_but_says_nothing_keeps_its_episodes_for_as_long_as_it_asked_for():
    book = ledger()
    book.hear(take("a", free=5, patience_s=60.0), 100)
    book.hear(take("b"), 100)
    assert book.look(160.0) == []
    assert book.look(160.1) == [("b", Play("me", 1, (0,)))]
    # it comes back: its result counts, and the other's later one does not
    book.hear(take("a", 2, free=0, seen=1, results={0: (7.0, 7)}), 161)
    book.hear(take("b", 2, free=0, seen=1, results={0: (8.0, 8)}), 162)
    assert book.results == {0: (7.0, 7)}


def test_who_was_silent_for_too_long_and_asks_the_same_again_is_not_given_what_others_hold_now():
    book = ledger()
    book.hear(take("a", free=2, patience_s=60.0), 100)
    book.hear(take("b", free=4), 100)
    assert book.look(160.1) == []
    assert one(book.hear(take("b", 2, free=2, seen=1, holding=(2, 3, 4)), 161)) == ("b", Play("me", 2, (0, 1)))
    assert one(book.hear(take("a", free=2), 162)) == ("a", Wait("me", 1))


def test_a_new_leader_hands_out_nothing_until_the_players_have_said_what_they_hold():
    kept = Kept(SETTINGS, {0: (1.0, 1)}, 30.0)
    book = ledger(kept=kept, opens=103.0)
    assert one(book.hear(take("a", free=2), 100)) == ("a", Wait("me", 1))
    book.hear(take("b", 7, free=0, seen=7, holding=(1, 3), results={2: (5.0, 5)}), 101)
    assert book.look(102.9) == []
    assert book.look(103.0) == [("a", Play("me", 1, (4,)))]
    assert book.kept(104.0) == Kept(SETTINGS, {0: (1.0, 1), 2: (5.0, 5)}, 34.0)


def test_a_player_that_knew_another_leader_must_tell_all_first():
    book = ledger()
    partly = take("a", 9, leader="the one before", results={3: (1.0, 1)})
    assert one(book.hear(partly, 100)) == ("a", Tell("me", 9))
    assert book.results == {}
    book.hear(dataclasses.replace(partly, leader=""), 100)
    assert book.results == {3: (1.0, 1)}


def test_a_finished_evaluation_stays_finished():
    kept = Kept(SETTINGS, dict.fromkeys(range(5), (1.0, 1)), 42.0)
    book = ledger(kept=kept)
    assert one(book.hear(take("a", free=0), 1e6)) == ("a", Done("me", 1, kept))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"episodes": 6}, "episodes 5 instead of 6"),
        ({"env_id": "Acrobot-v1"}, "env_id 'CartPole-v1' instead of 'Acrobot-v1'"),
        ({"policy": "bandit", "seed": -1}, "policy 'random' instead of 'bandit', seed 0 instead of -1"),
    ],
)
def test_other_settings_are_refused_and_said(change, named):
    book = ledger()
    other = dataclasses.replace(SETTINGS, **change)
    answer = one(book.hear(take("a", settings=other, results={0: (1.0, 1)}), 100))[1]
    assert answer == Refuse("me", 1, SETTINGS)
    assert answer.settings.differences(other) == named
    assert book.results == {}


def test_numbers_that_there_are_not_are_no_results():
    book = ledger()
    book.hear(take("a", holding=(-1, 5, 10**9), results={-1: (1.0, 1), 5: (1.0, 1), 2: (1.0, 1)}, free=0), 100)
    assert book.results == {2: (1.0, 1)}
    assert book.holders() == []


def test_two_that_claim_one_episode_may_both_play_it_and_nobody_else_does():
    book = ledger()
    for name in ("a", "b"):  # one player, before and after its connection broke
        book.hear(take(name, free=0, holding=(0, 1, 2, 3)), 100)
    assert one(book.hear(take("c", free=5), 100)) == ("c", Play("me", 1, (4,)))
    assert book.hear(take("c", 2, free=1, seen=1, holding=(4,)), 100) == [("c", Wait("me", 2))]
    assert book.lose("a", 101) == []  # what it held, the other one holds
    assert book.lose("b", 102) == [("c", Play("me", 2, (0,)))]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_dies_all_episodes_are_counted_once_and_everybody_is_told(seed):
    chance = random.Random(seed)
    settings = dataclasses.replace(SETTINGS, episodes=40)
    book, now, told = Ledger(settings, "me", 0.0), 0.0, set()
    players = {name: {"held": set(), "number": 0, "seen": 0, "asks": None, "new": {}} for name in "abcd"}

    def deliver(answers):
        for name, answer in answers:
            player = players.get(name)
            if player is None:
                continue
            if isinstance(answer, Play) and answer.take == player["asks"]:
                player.update(held=player["held"] | set(answer.episodes), seen=answer.take, asks=None)
            elif isinstance(answer, Done):
                told.add(name)

    for _ in range(2_000):
        now += 1.0
        if not players:
            break
        name = chance.choice(sorted(players))
        player = players[name]
        event = chance.random()
        if event < 0.01 and len(players) > 1:
            del players[name]
            deliver(book.lose(name, now))
        elif event < 0.5 and player["held"]:
            number = player["held"].pop()
            player["new"][number] = (float(number), number)
        else:
            if player["asks"] is None:
                player["number"] += 1
                player["asks"] = player["number"]
            deliver(book.hear(take(
                name, player["asks"], 2, seen=player["seen"], holding=tuple(player["held"]), results=player["new"],
                settings=settings,
            ), now))  # fmt: skip
    assert book.results == {number: (float(number), number) for number in range(40)}
    assert told >= set(players)
