"""Players of one evaluation, over both transports: each episode is played once, whoever dies; nobody waits for ever."""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from contextlib import ExitStack
from itertools import chain

import pytest

import broker
from agent_worker import evaluation, evaluation_leader, evaluation_seat
from agent_worker.errors import UnknownEnv
from agent_worker.evaluation import Evaluation, EvaluationError, OtherSettings
from agent_worker.evaluation_messages import Kept, Settings, encode
from broker import topology
from broker.port import Arrival, Kind
from tests.support.commands import eventually

SETTINGS = Settings("CartPole-v1", "{}", "random", False, 12, 0)


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


def result_of(number: int) -> tuple[float, int]:
    """Equal seeds give equal results."""
    return number * 1.5, number + 1


@pytest.fixture
def site(broker_url):
    """A connection to the broker of the test, where an env worker has been."""
    connection = broker.connect(broker_url, timeout_s=10)
    connection.declare_exchanges(soon())
    yield connection
    connection.close()


@pytest.fixture
def join(broker_url, site, monkeypatch):
    """``join("name")`` gives one more player; all leave at the end."""
    monkeypatch.setattr(evaluation_leader, "TAKEOVER_S", 0.6)
    monkeypatch.setattr(evaluation_leader, "PROBE_S", 0.2)
    with ExitStack() as players:

        def one(name: str, settings: Settings = SETTINGS, **more) -> Evaluation:
            found = Evaluation(name, settings, broker_url, **{"join_timeout": 20.0, **more})
            players.callback(found.leave)
            return found

        yield one


@pytest.fixture
def name():
    return secrets.token_hex(4)


def play(player: Evaluation, lanes: int = 1, most: int | None = None) -> list[int]:
    """Play as a rollout does, up to ``most`` episodes; gives the numbers of those that were begun."""
    begun: list[int] = []
    while most is None or len(begun) < most:
        taken = player.take(lanes, wait=True)
        if not taken:
            break
        begun += taken
        for number in taken:
            player.tick()
            player.finish(number, *result_of(number))
    return begun


def in_threads(*tasks) -> list:
    """What each of them gives, or raises."""
    found = [None] * len(tasks)

    def call(at):
        try:
            found[at] = tasks[at]()
        except Exception as error:  # noqa: BLE001 - shown by the test's own assertion
            found[at] = error

    threads = [threading.Thread(target=call, args=(at,)) for at in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return found


def lose(player: Evaluation) -> None:
    """Its process dies: the connection is gone, and nobody said good-bye."""
    player._seat._connection.close()


def whole(player: Evaluation) -> list[float]:
    assert player.result is not None
    return player.summary().returns.tolist()


ALL = [result_of(number)[0] for number in range(12)]


def test_a_player_whose_queue_somebody_deletes_comes_back_and_leads_no_evaluation_twice(join, name):
    player = join(name)
    connection, leader, mailbox = player._seat._connection, player._seat.leading, player._seat._mailbox
    mailbox.put(Arrival(Kind.CANCELLED, None, b""))
    play(player)
    assert whole(player) == ALL
    assert connection.closed
    eventually(lambda: leader.over, "its former self leads no more")


def test_players_share_the_episodes_and_all_get_the_whole(join, name):
    players = [join(name) for _ in range(3)]
    begun = in_threads(*(lambda one=one: play(one) for one in players))
    assert sorted(chain(*begun)) == list(range(12))
    assert [whole(one) for one in players] == [ALL] * 3
    summaries = [one.summary() for one in players]
    assert len({one.seconds for one in summaries}) == 1
    assert sum(one.played for one in summaries) == 12
    assert [one.lengths.tolist() for one in summaries] == [list(range(1, 13))] * 3


def test_a_player_with_many_lanes_takes_as_many_and_one_alone_gets_all(join, name):
    player = join(name)
    assert player.take(5, wait=True) == [0, 1, 2, 3, 4]
    assert player.take(3, wait=False) == [5, 6, 7]
    for number in range(8):
        player.finish(number, *result_of(number))
    assert play(player, lanes=10) == [8, 9, 10, 11]
    assert whole(player) == ALL


def test_who_has_lanes_that_play_does_not_wait_for_more(join, name):
    first, second = join(name), join(name)
    assert first.take(12, wait=True) == list(range(12))
    for _ in range(3):
        assert second.take(1, wait=False) == []
    for number in range(12):
        first.finish(number, *result_of(number))
    assert in_threads(lambda: play(first), lambda: play(second)) == [[], []]
    assert whole(first) == whole(second) == ALL


def test_who_comes_late_gets_the_result_and_plays_nothing(join, name):
    first = join(name)
    play(first)
    first.leave()
    late = join(name)
    assert whole(late) == ALL
    assert late.summary().seconds == first.summary().seconds
    assert (play(late), late.summary().played) == ([], 0)
    assert join(f"{name} anew").result is None


@pytest.mark.parametrize("finished", [False, True])
def test_a_newcomer_with_other_settings_is_refused_and_the_others_go_on(join, name, finished):
    first = join(name)
    if finished:
        play(first)
        first.leave()
    with pytest.raises(OtherSettings, match=rf"'{name}' is one of episodes 12 instead of 13; give yours another name"):
        join(name, dataclasses.replace(SETTINGS, episodes=13))
    assert finished or play(first) == list(range(12))
    assert whole(first) == ALL


def test_what_a_dead_player_held_is_played_by_another(join, name):
    leader, victim = join(name), join(name)
    held = victim.take(5, wait=True)
    victim.finish(held[0], *result_of(held[0]))
    begun = victim.take(1, wait=True)
    lose(victim)
    played = play(leader)
    assert sorted(played) == sorted({*range(12)} - {held[0]})
    assert begun[0] in played
    assert whole(leader) == ALL


def test_what_who_leaves_held_is_played_by_another_at_once(join, name, monkeypatch):
    leader, other = join(name), join(name)
    monkeypatch.setattr(evaluation_leader, "PROBE_S", 1e9)
    other.take(5, wait=True)
    other.leave()
    assert sorted(play(leader)) == list(range(12))


def test_a_player_that_lives_but_hangs_loses_its_episodes(join, name):
    leader, hanging = join(name), join(name, patience=0.5)
    assert hanging.take(2, wait=True) == [0, 1]
    assert sorted(play(leader)) == list(range(12))
    hanging.finish(0, -1.0, 1)  # too late: the other's counts
    assert play(hanging) == []
    assert whole(hanging) == whole(leader) == ALL


@pytest.mark.parametrize("dies", ["leave", "lose"])
def test_when_the_leader_is_gone_another_leads_and_nothing_that_lives_is_played_again(join, name, dies, monkeypatch):
    monkeypatch.setattr(evaluation_leader, "TAKEOVER_S", 3.0)  # time enough for the others to say what they hold
    monkeypatch.setattr(evaluation, "TICK_S", 0.0)
    leader, second, third = join(name), join(name), join(name)
    done = [*play(second, most=3), *play(third, lanes=2, most=2)]
    held = second.take(2, wait=True)
    leaders = leader.take(1, wait=True)
    leader.leave() if dies == "leave" else lose(leader)
    third.tick()  # notices, and leads
    eventually(lambda: second._seat.leading or third._seat.leading or third.tick() or second.tick(), "one leads")
    second.tick()  # says what it holds
    for number in held:
        second.finish(number, *result_of(number))
    begun = in_threads(lambda: play(second), lambda: play(third))
    again = sorted(chain(*begun))
    assert set(again) & {*done, *held} == set()
    assert set(leaders) <= set(again)
    assert len(again) == len(set(again))
    assert whole(second) == whole(third) == ALL
    assert (second._seat.leading is None) != (third._seat.leading is None)


def test_what_a_dead_leader_had_counted_is_not_lost(join, name, monkeypatch):
    monkeypatch.setattr(evaluation_leader, "KEEP_S", 0.0)
    leader, second = join(name), join(name)
    done = play(leader, most=4)
    leader.take(1, wait=True)  # answered after the leader has kept that
    assert not second.is_done()
    lose(leader)
    assert set(play(second)) & set(done) == set()
    assert whole(second) == ALL


def test_a_player_whose_connection_breaks_comes_back_with_what_it_has(join, name, monkeypatch):
    monkeypatch.setattr(evaluation, "TICK_S", 0.0)
    leader, other = join(name), join(name)
    mine = play(other, most=3)
    held = other.take(2, wait=True)
    lose(other)
    other.tick()
    for number in held:
        other.finish(number, *result_of(number))
    theirs = play(leader, most=2)
    rest = in_threads(lambda: play(leader), lambda: play(other))
    assert sorted([*mine, *held, *theirs, *chain(*rest)]) == list(range(12))
    assert whole(leader) == whole(other) == ALL


def test_all_may_die_and_who_comes_next_goes_on(join, name, monkeypatch):
    monkeypatch.setattr(evaluation_leader, "KEEP_S", 0.0)
    first = join(name)
    done = play(first, most=5)
    first.take(1, wait=True)
    lose(first)
    second = join(name)
    assert sorted([*done, *play(second)]) == list(range(12))
    assert whole(second) == ALL


def test_what_is_kept_and_cannot_be_read_is_overwritten(join, name, site):
    key = topology.evaluation_kept_key(topology.evaluation_key(name))
    site.keep(topology.EVALUATIONS, key, b"\x93nothing", soon())
    assert play(join(name)) == list(range(12))


def test_bytes_of_strangers_change_nothing(join, name, site):
    player = join(name)
    key = topology.evaluation_key(name)
    for body in (b"", b"\xc1", b"\x80", b"x" * 100_000, encode(Kept(SETTINGS, {}, 0.0))):
        site.send(topology.EVALUATIONS, key, body)
        site.send(topology.EVALUATIONS, topology.player_key(key, player._seat.player), body)
    assert play(player) == list(range(12))


def test_where_no_env_worker_has_ever_been_a_player_waits_and_then_says_so(empty_url, name):
    with pytest.raises(UnknownEnv, match="CartPole-v1.*no env worker has ever been there"):
        Evaluation(name, SETTINGS, empty_url, join_timeout=0.6)


def test_a_player_that_waits_for_the_first_env_worker_goes_on_when_one_comes(empty_url, name):
    joined = threading.Event()

    def come():
        joined.wait(0.7)  # meanwhile the player finds nothing
        connection = broker.connect(empty_url, timeout_s=10)
        connection.declare_exchanges(soon())
        connection.close()

    player, _ = in_threads(lambda: Evaluation(name, SETTINGS, empty_url, join_timeout=20.0), come)
    assert play(player) == list(range(12))
    player.leave()


def test_a_leader_that_does_not_answer_is_not_waited_for_for_ever(broker_url, site, name, monkeypatch, caplog):
    monkeypatch.setattr(evaluation, "SILENCE_S", 0.7)
    monkeypatch.setattr(evaluation, "TELL_S", 0.0)
    monkeypatch.setattr(evaluation, "AGAIN_S", 0.3)
    site.inbox(topology.EVALUATIONS, [topology.evaluation_key(name)], site.mailbox(), None, prefetch=0, deadline=soon())
    with pytest.raises(EvaluationError, match="its leader has said nothing for 0.7 s"):
        Evaluation(name, SETTINGS, broker_url, join_timeout=0.5)
    assert f"evaluation {name}: its leader has said nothing for" in caplog.text


def test_a_leader_that_falls_silent_is_not_waited_for_for_ever(join, name, monkeypatch):
    leader, other = join(name), join(name)
    monkeypatch.setattr(evaluation, "SILENCE_S", 1.0)
    monkeypatch.setattr(evaluation, "AGAIN_S", 0.3)
    monkeypatch.setattr(leader._seat.leading.ledger, "hear", lambda take, now: [])
    with pytest.raises(EvaluationError, match="its leader has said nothing for 1 s"):
        other.take(1, wait=True)


def test_a_fault_of_the_leader_is_raised_to_who_plays_beside_it(join, name, monkeypatch):
    leader = join(name)
    monkeypatch.setattr(leader._seat.leading.ledger, "hear", lambda take, now: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        leader.take(1, wait=True)


def test_leaving_twice_is_leaving_once(join, name):
    player = join(name)
    player.leave()
    player.leave()
    assert player.result is None
    assert player.summary(interrupted=True).to_json()["interrupted"] is True


@pytest.mark.parametrize("episodes", [0, 500_001])
def test_too_many_episodes_are_refused_before_anything_is_sent(episodes):
    with pytest.raises(ValueError, match="1 to 500000 episodes"):
        Evaluation("name", dataclasses.replace(SETTINGS, episodes=episodes), "amqp://nowhere.invalid/")


def test_the_seat_tells_who_waits_what_it_waits_for_and_not_too_often(join, name, caplog, monkeypatch):
    monkeypatch.setattr(evaluation_seat, "TELL_EVERY_S", 1e9)
    player = join(name)
    player._seat._told = -2e9
    with caplog.at_level("WARNING", logger="gymbroker"):
        player._seat.tell("first")
        player._seat.tell("second")
    assert [record.getMessage() for record in caplog.records] == [f"evaluation {name}: first"]
