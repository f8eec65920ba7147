"""The rules of a world of seats that act at once, without queue, thread or clock; of those that take turns: test_turns.
"""

from __future__ import annotations

import numpy as np
import pytest

from env_worker.host import Refused
from protocol.errors import ErrorCode
from tests.support.tables import A, B, C, T, Table
from tests.support.worlds import Nim, Sum


def seen(reply):
    """The observation of ``Sum`` in a percept: count of steps, sum of the actions, a draw."""
    return np.frombuffer(reply["observation"], np.int64).tolist()


# Who act at once.


def test_a_run_begins_when_all_have_asked_for_it_and_each_sees_its_own():
    table = Table(Sum(agents=3))
    table.reset(A, B)
    assert table.told(A) is table.told(B) is None
    table.reset(C)
    replies = [table.told(seat) for seat in (A, B, C)]
    assert [seen(reply)[:2] for reply in replies] == [[0, 0]] * 3
    assert all((reply["reward"], reply["terminated"], reply["truncated"]) == (0.0, False, False) for reply in replies)


def test_the_env_steps_once_for_each_full_set_of_actions_whatever_their_order():
    table = Table(Sum())
    table.reset(A, B)
    table.told(A), table.told(B)
    table.act(player_1=2)
    assert (table.env.count, table.told(B)) == (0, None)
    table.act(player_0=1)
    assert table.env.count == 1
    for seat, action in ((A, 1), (B, 2)):
        reply = table.told(seat)
        assert seen(reply)[:2] == [1, 3]
        assert (reply["reward"], reply["info"]) == (float(action), {"did": action})


def test_the_seed_and_the_options_are_those_of_the_first_seat_that_gave_some():
    table = Table(Sum(agents=3))
    table.reset(C, seed=3, options={"c": 3})
    table.reset(A)
    table.reset(B, seed=2)
    assert table.told(A)["info"] == {"seed": 2, "options": {"c": 3}}


def test_who_is_dead_is_told_so_and_waits_for_the_others_before_the_next_run():
    table = Table(Sum(limit=2, dies={A: 1}))
    table.reset(A, B)
    table.told(A), table.told(B)
    table.act(player_0=1, player_1=1)
    assert table.told(A)["terminated"]
    assert not table.told(B)["terminated"]
    table.reset(A)
    assert table.told(A) is None
    table.act(player_1=5)
    reply = table.told(B)
    assert (reply["truncated"], seen(reply)[:2]) == (True, [2, 5])
    table.reset(B)
    assert seen(table.told(A))[0] == seen(table.told(B))[0] == 0


@pytest.mark.parametrize("policy", ["default", "forfeit"])
def test_who_acts_after_its_end_is_refused_by_name(policy):
    table = Table(Sum(limit=1), policy)
    table.reset(A, B)
    table.act(player_0=1, player_1=1)
    with pytest.raises(Refused, match="reset") as caught:
        table.act(player_0=1)
    assert caught.value.code is ErrorCode.RESET_NEEDED


# Who is missing, with default actions.


def test_a_run_begins_without_who_has_not_come_in_time_and_says_so():
    table = Table(Sum(), join=False)
    table.world.join(A)
    table.reset(A)
    table.pass_by(T - 1)
    assert table.told(A) is None
    table.pass_by(1)
    assert table.told(A)["info"]["missing_seats"] == [B]
    table.act(player_0=4)
    reply = table.told(A)
    assert (seen(reply)[:2], reply["info"]["missing_seats"]) == ([1, 4], [B])


def test_who_has_not_come_once_is_not_waited_for_again_until_it_comes():
    table = Table(Sum(limit=1), join=False)
    table.world.join(A)
    table.reset(A)
    table.pass_by(T)
    table.told(A)
    table.act(player_0=1)
    assert table.told(A)["truncated"]
    table.reset(A)
    assert seen(table.told(A))[0] == 0
    table.act(player_0=1)
    table.told(A)
    table.world.join(B)
    table.reset(A)
    assert table.told(A) is None


def test_the_clock_runs_from_when_the_first_waits():
    table = Table(Sum(agents=3))
    table.pass_by(100)
    table.reset(A)
    table.pass_by(T - 1)
    table.reset(B)
    assert table.told(A) is None
    table.pass_by(1)
    assert table.told(A) is not None
    assert table.told(B) is not None
    table.pass_by(100)  # nobody waits: thinking is free
    assert table.env.count == 0
    table.act(player_0=1)
    table.pass_by(T - 1)
    assert table.env.count == 0
    table.pass_by(1)
    assert (table.env.count, table.told(A)["info"]["missing_seats"]) == (1, [B, C])


def test_who_is_slow_acts_for_the_step_that_waits_then_and_hears_what_it_missed():
    table = Table(Sum())
    table.reset(A, B)
    table.told(A), table.told(B)
    for _ in range(2):
        table.act(player_0=3)
        table.pass_by(T)
        assert table.told(A)["info"]["missing_seats"] == [B]
    table.act(player_1=5)
    assert (table.env.count, table.told(B)) == (2, None)
    table.act(player_0=1)
    reply = table.told(B)
    assert (seen(reply)[:2], reply["reward"]) == ([3, 6], 5.0)
    assert reply["info"] == {"did": 5, "missing_seats": [B], "missed_steps": 2}
    assert table.told(A)["info"] == {"did": 1}


def test_rewards_that_a_slow_seat_has_missed_are_summed_up():
    class Paid(Sum):
        def step(self, actions):
            observations, rewards, *rest = super().step(actions)
            return observations, {agent: reward + 1 for agent, reward in rewards.items()}, *rest

    table = Table(Paid())
    table.reset(A, B)
    table.told(A), table.told(B)
    for _ in range(2):
        table.act(player_0=0)
        table.pass_by(T)
    table.act(player_0=0, player_1=4)
    assert table.told(B)["reward"] == 7.0


def test_who_is_slow_hears_of_an_end_that_it_missed_before_anything_else():
    table = Table(Sum(limit=1))
    table.reset(A, B)
    table.told(A), table.told(B)
    table.act(player_0=1)
    table.pass_by(T)
    assert table.told(A)["truncated"]
    table.reset(A)
    table.pass_by(T)
    assert seen(table.told(A))[0] == 0  # the next run is under way
    table.act(player_1=7)
    reply = table.told(B)
    assert (seen(reply)[:2], reply["truncated"], reply["reward"]) == ([1, 1], True, 0.0)
    assert reply["info"]["missed_steps"] == 1
    assert table.env.count == 0
    table.reset(B)  # it was not in this run, and comes in
    assert table.told(B)["info"]["joined_at_step"] == 0


def test_who_has_closed_its_seat_is_not_waited_for():
    table = Table(Sum())
    table.reset(A, B)
    table.told(A), table.told(B)
    table.act(player_0=1)
    table.leave(B)
    assert table.told(A)["info"]["missing_seats"] == [B]
    table.act(player_0=1)
    assert table.told(A)["info"]["missing_seats"] == [B]


def test_who_has_closed_its_seat_is_not_waited_for_before_the_next_run_either():
    table = Table(Sum(limit=1))
    table.reset(A, B)
    table.told(A)
    table.act(player_0=1, player_1=1)
    table.told(A)
    table.leave(B)
    table.reset(A)
    assert table.told(A)["info"]["missing_seats"] == [B]


def test_who_comes_back_takes_its_seat_over_in_the_middle_of_the_run():
    table = Table(Sum())
    table.reset(A, B)
    table.leave(B)
    table.told(A)
    table.act(player_0=1)
    table.told(A)
    table.world.join(B)
    table.act(player_0=1)
    assert table.told(A)["info"]["missing_seats"] == [B]  # it has not asked for anything yet
    table.heard[B].clear()
    table.reset(B, seed=9)
    reply = table.told(B)
    assert (seen(reply)[0], reply["reward"], reply["info"]["joined_at_step"]) == (2, 0.0, 2)
    table.act(player_0=1)
    assert table.told(A) is None
    table.act(player_1=1)
    assert "missing_seats" not in table.told(A)["info"]
    table.told(B)
    table.reset(B)  # once more: now it gives the run up as anybody else
    assert table.told(B) is None


def test_who_resets_in_the_middle_gives_the_run_up_and_waits_for_the_next():
    table = Table(Sum(limit=3))
    table.reset(A, B)
    table.told(A), table.told(B)
    table.reset(B)
    table.act(player_0=1)
    assert table.told(A)["info"]["missing_seats"] == [B]
    table.act(player_0=1)
    table.told(A)
    table.act(player_0=1)
    assert table.told(A)["truncated"]
    assert table.told(B) is None
    table.reset(A)
    assert seen(table.told(B)) == seen(table.told(A))


def test_when_all_reset_in_the_middle_a_new_run_begins_at_once():
    table = Table(Sum(limit=10**9))  # to play the rest by default would take for ever
    table.reset(A, B)
    table.told(A), table.told(B)
    table.act(player_0=1, player_1=1)
    table.told(A), table.told(B)
    table.reset(A, B, seed=1)
    assert seen(table.told(A))[:2] == seen(table.told(B))[:2] == [0, 0]


def test_a_dead_seat_that_waits_for_the_next_run_waits_no_longer_than_that_for_silent_ones():
    table = Table(Sum(limit=3, dies={A: 1}))
    table.reset(A, B)
    table.act(player_0=1, player_1=1)
    table.heard = {A: [], B: []}
    table.reset(A)
    for _ in range(3):
        assert table.told(A) is None
        table.pass_by(T)
    assert seen(table.told(A))[0] == 0


# Who is missing forfeits.


def test_where_seats_forfeit_no_run_begins_without_all_and_who_waits_is_told_why():
    table = Table(Sum(agents=3), "forfeit", join=False)
    table.world.join(A)
    table.reset(A)
    table.pass_by(T)
    refusal = table.told(A)
    assert isinstance(refusal, Refused)
    assert (refusal.code, refusal.retry) == (ErrorCode.SEATS_MISSING, True)
    assert "player_1, player_2 did not come within 30 s" in str(refusal)
    table.world.join(B), table.world.join(C)
    table.reset(A, B, C)
    assert seen(table.told(A))[0] == 0


@pytest.mark.parametrize("how", ["silent", "leaves", "resets"])
def test_where_seats_forfeit_one_that_is_missing_ends_the_run_for_all(how):
    table = Table(Sum(agents=3), "forfeit")
    table.reset(A, B, C)
    table.heard = {A: [], B: [], C: []}
    table.act(player_0=1, player_1=1)
    if how == "silent":
        table.pass_by(T)
    elif how == "leaves":
        table.leave(C)
    else:
        table.reset(C)
    for seat in (A, B):
        reply = table.told(seat)
        assert (reply["truncated"], reply["terminated"], reply["info"]["forfeit"]) == (True, False, [C])
    assert table.env.count == 0
    assert table.told(C) is None
    if how == "silent":
        table.act(player_2=1)
        reply = table.told(C)
        assert (reply["truncated"], reply["info"]["forfeit"]) == (True, [C])
    if how == "leaves":
        table.world.join(C)
    table.reset(*((A, B) if how == "resets" else (A, B, C)))
    assert [seen(table.told(seat))[0] for seat in (A, B, C)] == [0, 0, 0]
    table.act(player_0=1, player_1=1, player_2=1)
    assert [table.told(seat)["truncated"] for seat in (A, B, C)] == [False] * 3


def test_where_seats_forfeit_one_that_is_dead_may_wait_for_the_next_run_or_leave():
    table = Table(Sum(agents=3, limit=3, dies={A: 1, C: 1}), "forfeit")
    table.reset(A, B, C)
    table.act(player_0=1, player_1=1, player_2=1)
    table.heard = {A: [], B: [], C: []}
    table.reset(A)
    table.leave(C)
    table.act(player_1=1)
    assert not table.told(B)["truncated"]
    table.act(player_1=1)
    assert table.told(B)["info"] == {"did": 1}
    table.reset(B)
    assert table.told(A) is None  # nobody sits on the third seat
    table.pass_by(T)
    assert "player_2 did not come" in str(table.told(A))


# What envs do.


@pytest.mark.parametrize("policy", ["default", "forfeit"])
def test_when_the_env_raises_all_who_wait_are_told_and_who_does_not_hears_it_next(policy):
    class Broken(Sum):
        def _observe(self, total):
            if self.count == 1:
                raise RuntimeError("trouble")
            return super()._observe(total)

    table = Table(Broken(), policy)
    table.reset(A, B)
    table.told(A), table.told(B)
    table.act(player_0=1)
    if policy == "default":
        table.pass_by(T)
        assert str(table.told(A)) == "trouble"
    table.act(player_1=1)
    assert str(table.told(B)) == "trouble"
    if policy == "forfeit":
        assert str(table.told(A)) == "trouble"
    with pytest.raises(Refused, match="reset"):
        table.act(player_1=1)
    table.reset(A, B)
    assert seen(table.told(A)) == seen(table.told(B))


def test_when_a_reset_raises_all_who_asked_for_it_are_told():
    table = Table(Sum(trouble={"reset": "raise"}))
    table.reset(A, B)
    assert [str(table.told(seat)) for seat in (A, B)] == ["trouble at step 0"] * 2


def test_an_interrupt_is_told_to_all_and_goes_on_to_who_struck():
    class Struck(Nim):
        def step(self, action):
            raise KeyboardInterrupt

    table = Table(Struck())
    table.reset(A, B)
    table.told(A)
    with pytest.raises(KeyboardInterrupt):
        table.act(player_0=0)
    table.pass_by()
    assert isinstance(table.told(A), KeyboardInterrupt)
    assert isinstance(table.told(B), KeyboardInterrupt)


# Seats.


def test_a_seat_is_had_by_its_name_or_by_the_next_that_is_free():
    table = Table(Sum(agents=3), join=False)
    join = table.world.join
    assert [join(B), join(None), join(None)] == [B, A, C]
    for wanted, code, words in (
        (None, ErrorCode.SEAT_TAKEN, "all 3 seats are taken"),
        (B, ErrorCode.SEAT_TAKEN, "'player_1' is taken"),
        ("nobody", ErrorCode.UNKNOWN_SEAT, "this world has player_0, player_1, player_2; got 'nobody'"),
        ("", ErrorCode.UNKNOWN_SEAT, "got ''"),
    ):
        with pytest.raises(Refused, match=words) as caught:
            join(wanted)
        assert caught.value.code is code
    table.leave(B)
    assert join(None) == B
