"""The rules of a world of seats that take turns; and what holds of any world, whatever its agents do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env_worker.host import Refused
from protocol.errors import ErrorCode
from tests.support.tables import A, B, C, T, Table
from tests.support.worlds import Nim, Sum


def sticks(reply):
    """What is seen of ``Nim`` in a percept."""
    return np.frombuffer(reply["observation"][0], np.int64).tolist()[0]


def test_who_takes_turns_is_answered_when_it_is_its_turn_again():
    table = Table(Nim(sticks=5))
    table.reset(A, B)
    assert sticks(table.told(A)) == 5
    assert table.told(B) is None
    table.act(player_0=0)
    assert table.told(A) is None
    assert sticks(table.told(B)) == 4
    table.act(player_1=1)
    assert sticks(table.told(A)) == 2
    table.act(player_0=1)  # the last two: player_0 wins
    won, lost = table.told(A), table.told(B)
    assert (won["reward"], won["terminated"]) == (1.0, True)
    assert (lost["reward"], lost["terminated"], sticks(lost)) == (-1.0, True, 0)


def test_who_does_not_take_its_turn_in_time_has_it_played_by_the_first_legal_action():
    table = Table(Nim(sticks=2))
    table.reset(A, B)
    table.told(A)
    table.pass_by(T)  # B waits for its first turn
    reply = table.told(B)
    assert (sticks(reply), reply["info"]["missing_seats"]) == (1, [A])


def test_what_is_played_too_late_is_not_played_but_answered_by_how_things_stand():
    table = Table(Nim(sticks=9))
    table.reset(A, B)
    table.told(A)
    table.pass_by(T)
    table.told(B)
    table.act(player_1=2)
    assert table.told(B) is None
    table.pass_by(T / 2)
    table.act(player_0=2)  # it has seen 9 sticks; now there are 5
    reply = table.told(A)
    assert (sticks(reply), reply["info"]["missed_steps"]) == (5, 1)
    assert table.env.sticks == 5
    table.pass_by(T - 1)  # it has its time anew
    table.act(player_0=1)
    assert sticks(table.told(B)) == 3


def test_what_is_played_too_late_in_the_turn_of_another_is_answered_when_it_is_its_turn():
    table = Table(Nim(sticks=9))
    table.reset(A, B)
    table.told(A)
    table.pass_by(T)
    table.told(B)
    table.act(player_0=2)
    assert table.told(A) is None
    table.act(player_1=2)
    assert sticks(table.told(A)) == 5


def test_a_forfeit_ends_the_game_of_who_has_had_no_turn_yet_by_its_first_act():
    table = Table(Nim(sticks=9), "forfeit")
    table.reset(A, B)
    table.told(A)
    table.pass_by(T)
    reply = table.told(B)
    assert (sticks(reply), reply["truncated"], "forfeit" in reply["info"]) == (9, False, False)
    table.act(player_1=0)
    reply = table.told(B)
    assert (reply["truncated"], reply["info"]["forfeit"]) == (True, [A])


def test_what_is_gained_before_the_first_turn_is_told_with_the_first_act():
    class Gift(Nim):
        def step(self, action):
            super().step(action)
            if self.count == 1:
                self._cumulative_rewards[B] += 7.0

    table = Table(Gift(sticks=9))
    table.reset(A, B)
    table.told(A)
    table.act(player_0=0)
    assert table.told(B)["reward"] == 0.0  # a reset gives none
    table.act(player_1=0)
    table.act(player_0=0)
    assert table.told(B)["reward"] == 7.0


def test_who_comes_back_to_a_game_of_turns_goes_on_when_it_is_its_turn():
    table = Table(Nim(agents=2, sticks=12))
    table.reset(A, B)
    table.leave(B)
    table.told(A)
    table.act(player_0=0)
    assert sticks(table.told(A)) == 10  # one stick was taken for B
    table.world.join(B)
    table.reset(B)
    assert table.told(B) is None
    table.act(player_0=0)
    reply = table.told(B)
    assert (sticks(reply), reply["info"]["joined_at_step"]) == (9, 2)


@dataclass(frozen=True)
class Action:
    """One that is known by its number; it stands for 0, which is always legal."""

    number: int


class Random:
    """Agents that do what agents may do, in any order; and what must hold of it."""

    def __init__(self, env, policy) -> None:
        self.table = Table(env, policy, join=False)
        self.asked: dict[str, str] = {}
        """What each seat waits for."""
        self.playing: dict[str, bool] = {}
        """Seats that are taken; whether they are in a run, as far as they know."""
        self.given: list[int] = []
        game, step = self.table.world.game, self.table.world.game.step

        def counted(actions):
            self.given += [action.number for action in actions.values() if isinstance(action, Action)]
            return step({seat: 0 if isinstance(action, Action) else action for seat, action in actions.items()})

        game.step = counted
        self.acted = 0

    def do(self, what, seat, seconds):
        world, table = self.table.world, self.table
        taken = seat in self.playing
        if what == "join" and not taken:
            world.join(seat)
            self.playing[seat] = False
        elif what == "leave" and taken:
            world.leave(seat)
            self.playing.pop(seat), self.asked.pop(seat, None)
        elif what == "reset" and taken:
            world.reset(seat, None, None)
            self.asked[seat] = "reset"
        elif what == "act" and taken and seat not in self.asked:
            self.act(seat)
        table.pass_by(seconds if what == "wait" else 0.0)
        self.hear()

    def act(self, seat):
        world = self.table.world
        action = Action(self.acted)
        self.acted += 1
        if self.playing[seat]:
            world.act(seat, action)
            self.asked[seat] = "act"
        else:
            with pytest.raises(Refused) as caught:
                world.act(seat, action)
            assert caught.value.code is ErrorCode.RESET_NEEDED

    def hear(self):
        for seat, replies in self.table.heard.items():
            for reply in replies:
                asked = self.asked.pop(seat)  # a reply to nobody, or a second one, would fail here
                if isinstance(reply, Refused):
                    assert (reply.code, asked) == (ErrorCode.SEATS_MISSING, "reset")
                    self.playing[seat] = False
                else:
                    over = reply["terminated"] or reply["truncated"]
                    assert not (asked == "reset" and (over or reply["reward"]))
                    self.playing[seat] = not over
            replies.clear()


OPERATIONS = st.tuples(
    st.sampled_from(["join", "join", "reset", "reset", "act", "act", "act", "leave", "wait"]),
    st.sampled_from([A, B, C]),
    st.sampled_from([0.0, T / 2, T]),
)


@pytest.mark.parametrize("policy", ["default", "forfeit"])
@pytest.mark.parametrize("make", [lambda: Sum(3, limit=3, dies={A: 1}), lambda: Nim(3, sticks=5)], ids=["sum", "nim"])
@given(operations=st.lists(OPERATIONS, max_size=60))
@settings(max_examples=150)
def test_every_request_is_answered_once_and_nobody_waits_for_ever(make, policy, operations):
    random = Random(make(), policy)
    for operation in operations:
        random.do(*operation)
    assert len(set(random.given)) == len(random.given), "an action was played twice"
    for _ in range(12):  # more than a run has steps: each T brings one at least
        random.do("wait", A, T)
    assert random.asked == {}
