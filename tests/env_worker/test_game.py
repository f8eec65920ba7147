"""Envs that act at once and envs that take turns look alike to a world, whatever PettingZoo lets them do."""

from __future__ import annotations

import numpy as np
import pytest

from env_worker.game import game_of
from env_worker.multi import kind_of
from protocol.errors import DecodeError, EncodeError
from tests.support.games import Arena, Auction, Stranger
from tests.support.many import near
from tests.support.worlds import Nim, Sum


def game(env):
    return game_of(kind_of(env), env)


def told(turns):
    """Who hears what, without what they see."""
    return [(turn.seat, turn.reward, turn.terminated, turn.truncated) for turn in turns]


def test_who_act_at_once_are_all_awaited_and_all_hear():
    one = game(Sum(limit=2, dies={"player_0": 1}))
    assert not one.turns
    turns = one.reset(3, None)
    assert [turn.seat for turn in turns] == one.awaits == one.living == ["player_0", "player_1"]
    assert told(one.step({"player_0": 4, "player_1": 5})) == [
        ("player_0", 4.0, True, False),
        ("player_1", 5.0, False, False),
    ]
    assert one.awaits == ["player_1"]
    assert told(one.step({"player_1": 6})) == [("player_1", 6.0, False, True)]
    assert one.living == one.awaits == []


def test_who_take_turns_are_awaited_one_by_one_and_hear_in_their_turn_or_when_they_are_dead():
    one = game(Nim(sticks=3))
    assert one.turns
    assert told(one.reset(None, None)) == [("player_0", 0.0, False, False)]
    assert one.awaits == ["player_0"]
    assert told(one.step({"player_0": 0})) == [("player_1", 0.0, False, False)]
    assert told(one.step({"player_1": 1})) == [("player_0", -1.0, True, False), ("player_1", 1.0, True, False)]
    assert one.living == []


def test_who_is_taken_out_without_a_word_hears_that_it_is_over():
    class Abrupt(Sum):
        def step(self, actions):
            observations, rewards, _, _, infos = super().step(actions)
            self.agents = self.agents[:1] if self.count == 1 else []
            return observations, rewards, {}, {}, infos

    one = game(Abrupt())
    one.reset(None, None)
    assert [turn[2] for turn in told(one.step({"player_0": 0, "player_1": 0}))] == [False, True]

    class Ended(Nim):
        def step(self, action):
            super().step(action)
            self._cumulative_rewards["player_1"] = 3.0
            self.truncations["player_1"] = True
            self.agents = []

    one = game(Ended())
    for _ in range(2):
        one.reset(None, None)
        assert told(one.step({"player_0": 0})) == [("player_0", 0.0, True, False), ("player_1", 3.0, False, True)]


def test_who_was_dead_in_one_run_hears_of_the_end_of_the_next():
    class Once(Nim):
        def step(self, action):
            super().step(action)
            if self.first == 9 and action is not None:
                self.agents = []

    one = game(Once(sticks=1))
    one.reset(None, None)
    assert [turn[2] for turn in told(one.step({"player_0": 0}))] == [True, True]
    one.env.first = 9
    one.reset(None, None)
    assert [turn[2] for turn in told(one.step({"player_0": 0}))] == [True, True]


def test_who_was_in_one_run_and_is_not_in_the_next_has_nothing_to_see():
    class Fewer(Sum):
        def reset(self, seed=None, options=None):
            found = super().reset(seed, options)
            self.agents = self.agents[: options["agents"]]
            return found

    one = game(Fewer())
    one.reset(None, {"agents": 2})
    assert one.glance("player_1") is not None
    one.reset(None, {"agents": 1})
    assert one.glance("player_1") is None


def test_a_glance_at_who_takes_turns_holds_what_it_has_not_heard_and_nothing_twice():
    one = game(Nim())
    one.reset(None, None)
    one.env._cumulative_rewards.update(player_0=1.0, player_1=2.0)
    assert [one.glance(seat).reward for seat in one.seats] == [0.0, 2.0]  # the first has its turn: it has heard


@pytest.mark.parametrize(("env", "never"), [(Arena(), "late"), (Auction(), "never")])
def test_who_has_not_come_into_the_run_has_nothing_to_see(env, never):
    one = game(env)
    turns = one.reset(3, None)
    assert one.glance(never) is None
    assert one.glance(turns[0].seat) is not None


def test_an_agent_that_cannot_be_is_named():
    one = game(Stranger())
    one.reset(3, None)
    with pytest.raises(EncodeError, match="expected possible agents only, got 'nobody' too"):
        one.step({agent: one.default(agent) for agent in one.awaits})


def test_rewards_of_any_shape_of_one_number_are_numbers():
    one = game(Arena())
    one.reset(3, None)
    turns = one.step({agent: one.default(agent) for agent in one.awaits})
    assert all(type(turn.reward) is float for turn in turns)


def test_the_default_is_legal_where_a_mask_says_what_is():
    one = game(Nim(sticks=5))
    one.reset(None, None)
    assert one.default("player_0") == 0
    one.env.observe = lambda agent: {"observation": np.zeros(2, np.int64), "action_mask": np.array([0, 1, 1], np.int8)}
    assert one.default("player_0") == 1
    one.env.infos["player_0"] = {"action_mask": np.array([0, 0, 1], np.int8)}
    assert one.default("player_0") == 2


def test_an_action_is_checked_by_the_space_of_its_seat():
    one = game(Sum())
    with pytest.raises(DecodeError, match="action"):
        one.decode("player_0", 10)


@pytest.mark.parametrize(
    "env_id", ["pettingzoo.classic.rps.rps:parallel_env", "pettingzoo.classic.connect_four.connect_four:env"]
)
def test_a_whole_game_of_pettingzoo_can_be_played_by_defaults(env_id):
    one = game(near(env_id))
    over = {turn.seat for turn in one.reset(1, None) if turn.terminated or turn.truncated}
    for _ in range(200):
        if not one.living:
            break
        turns = one.step({seat: one.default(seat) for seat in one.awaits})
        over |= {turn.seat for turn in turns if turn.terminated or turn.truncated}
    assert over == set(one.seats)


def test_flags_of_a_list_are_no_flag_of_a_seat_and_are_called_so():
    class Listed(Sum):
        def step(self, actions):
            observations, rewards, _, truncations, infos = super().step(actions)
            return observations, rewards, {agent: [False] for agent in rewards}, truncations, infos

    one = game(Listed())
    one.reset(3, None)
    with pytest.raises(EncodeError, match=r"terminations\['player_0'\]: expected one bool, got list of length 1"):
        one.step({"player_0": 4, "player_1": 5})
