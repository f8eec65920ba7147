"""Agents in processes of their own meet in one world, over RabbitMQ: ``env-worker serve`` and a process for a seat."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from agent_worker import RemoteEnv
from agent_worker.errors import SeatTaken, WorkerLost
from broker.permissions import rabbitmqctl_commands
from tests.support.commands import eventually, run, worker
from tests.support.many import near
from tests.support.seats import Player, beside
from tools.rabbit import Rabbit

SUM, NIM = "tests.support.worlds:Sum", "tests.support.worlds:Nim"
RPS, TICTACTOE = "pettingzoo.classic.rps.rps:parallel_env", "pettingzoo.classic.tictactoe.tictactoe:env"


@pytest.fixture
def start(rabbit, tmp_path):
    """``start(SUM, "--missing-seat", "forfeit")``: a context manager of a worker at the private RabbitMQ."""

    def begin(*arguments, url=rabbit.url):
        return worker(url, tmp_path / f"worker-{secrets.token_hex(2)}.log", *arguments)

    return begin


@pytest.fixture
def players(rabbit, tmp_path):
    """``players(SUM, "player_0", "player_1", "--runs", "2")``: processes on seats of one new world."""
    folder = tmp_path / "players"
    folder.mkdir()
    with ExitStack() as running:

        def sit(env_id, *given, world=None, url=rabbit.url):
            seats = [one for one in given if one.startswith(("player", "any"))]
            rest = [one for one in given if one not in seats]
            world = world or f"world-{secrets.token_hex(4)}"
            found = [Player(url, folder, env_id, world, seat, *rest) for seat in seats]
            for player in found:
                running.callback(player.kill)
            return found

        yield sit


def worlds(rabbit) -> list[str]:
    """Names of the queues of worlds and episodes."""
    names = rabbit.ctl("list_queues", "-q", "name").split()
    return [name for name in names if name.startswith(("world.", "episode."))]


@pytest.mark.parametrize("env_id", [SUM, RPS, NIM, TICTACTOE], ids=["sum", "rps", "nim", "tictactoe"])
def test_agents_in_processes_of_their_own_see_what_they_would_see_beside_the_env(start, players, rabbit, env_id):
    expected = beside(near(env_id), runs=3, seed=5)
    with start(env_id):
        sitting = players(env_id, *sorted(expected), "--runs", "3", "--seed", "5")
        assert [player.end() for player in sitting] == [0, 0]
        for player, seat in zip(sitting, sorted(expected), strict=True):
            assert player.said[0][1] == seat
            assert player.percepts == expected[seat]
        eventually(lambda: worlds(rabbit) == [], "no queue of a world or a seat is left")


def test_workers_that_compete_never_split_a_world(start, rabbit):
    """Three seats for each of ten worlds, all asked for at once."""
    found: dict[int, list[str]] = {number: [] for number in range(10)}
    failures: list[BaseException] = []
    barrier = threading.Barrier(30)

    def sit(number: int) -> None:
        try:
            env = RemoteEnv(SUM, rabbit.url, world=f"table-{number}", agents=3, make_timeout=60.0, step_timeout=60.0)
            barrier.wait(30)
            found[number].append(env.open().description.worker)
            observation, _ = env.reset(seed=number)
            for _ in range(5):
                observation, *_ = env.step(1)
            assert observation.tolist()[:2] == [5, 3]
            env.close()
        except BaseException as failure:  # noqa: BLE001 - for the thread that judges
            failures.append(failure)

    with start(SUM, "--capacity", "5"), start(SUM, "--capacity", "5"):
        threads = [threading.Thread(target=sit, args=(number,)) for number in found for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
    assert failures == []
    assert [len(workers) for workers in found.values()] == [3] * 10
    assert [len(set(workers)) for workers in found.values()] == [1] * 10
    assert len({workers[0] for workers in found.values()}) == 2


def test_seats_find_their_world_also_where_its_host_has_no_slot_left(start, players):
    with start(SUM, "--capacity", "1"):
        first = players(SUM, "player_0", "--pause-at", "0", world="full")[0]
        first.wait_for("seat")
        second = players(SUM, "any", world="full")[0]
        second.wait_for("reset")
        first.go_on()
        assert (first.end(), second.end()) == (0, 0)
        assert second.said[0][1] == "player_1"


def test_a_seat_that_never_comes_is_played_by_default_or_keeps_the_others_from_beginning(start, players):
    with start(NIM, "--seat-timeout", "1"):
        (alone,) = players(NIM, "player_0")
        assert alone.end() == 0
        assert [line[-1]["missing_seats"] for line in alone.percepts[:-1]] == [["player_1"]] * (len(alone.percepts) - 1)
        assert any(alone.percepts[-1][3:5])
    with start(SUM, "--seat-timeout", "1", "--missing-seat", "forfeit"):
        (alone,) = players(SUM, "player_0")
        assert alone.end() == 1
        kind, text = alone.percepts[-1][1:]
        assert kind == "SeatsMissing"
        assert "player_1 did not come within 1 s" in text


def begin(*players):
    """Those who pause before their first reset begin together: not one when another has not even been imported."""
    for player in players:
        player.wait_for("pause")
    for player in players:
        player.go_on()


@pytest.mark.parametrize(("env_id", "policy"), [(SUM, "default"), (NIM, "forfeit")], ids=["sum", "nim"])
def test_when_an_agent_is_killed_the_others_go_on_or_are_told_who_forfeits(start, players, env_id, policy):
    with start(env_id, "--seat-timeout", "2", "--missing-seat", policy):
        (living,) = players(env_id, "player_0", "--seed", "1", "--pause-at", "-1", world="deadly")
        (dying,) = players(env_id, "player_1", "--seed", "1", "--pause-at", "-1", "--die-at", "1", world="deadly")
        begin(living, dying)
        assert dying.end() == -signal.SIGKILL
        assert living.end() == 0
        last = living.percepts[-1]
        assert "missing_seats" not in living.percepts[1][-1]
        if policy == "default":
            assert ["player_1"] in [line[-1].get("missing_seats") for line in living.percepts]
            assert last[3] or last[4]
        else:
            assert (last[3], last[4], last[5]["forfeit"]) == (False, True, ["player_1"])


def seated(url, world, seat, env_id=SUM):
    """A remote env on that seat, or None while it is taken."""
    env = RemoteEnv(env_id, url, world=world, seat=seat, make_timeout=30.0, step_timeout=30.0)
    try:
        return env.open()
    except SeatTaken:
        return None


def test_who_comes_back_after_a_crash_takes_its_seat_over(start, players, rabbit):
    with start(SUM, "--seat-timeout", "2", "--env-kwargs", '{"limit": 1000}'):
        (living,) = players(SUM, "player_0", "--pause-at", "-1", "--pause-at", "3", world="again")
        (dying,) = players(SUM, "player_1", "--pause-at", "-1", "--die-at", "2", world="again")
        begin(living, dying)
        dying.end()
        eventually(lambda: living.said.count(["pause"]) == 2, "the other has paused again")
        back = eventually(lambda: seated(rabbit.url, "again", "player_1"), "the seat of the dead is free")
        observation, info = back.reset()
        assert (observation[0], info["joined_at_step"]) == (3, 3)
        living.go_on()
        observation, reward, *_, info = back.step(7)
        assert (observation[0], reward, "missing_seats" in info) == (4, 7.0, False)
        back.close()


def test_when_the_host_dies_every_seat_learns_it(start, players):
    with start(SUM, "--env-kwargs", '{"limit": 1000000}') as host:
        sitting = players(SUM, "player_0", "player_1")
        for player in sitting:
            player.wait_for("reset")
        for stepper in host.steppers():
            os.kill(stepper, signal.SIGKILL)
        for player in sitting:
            assert player.end() == 1
            assert player.percepts[-1][1] == "WorkerLost"


def test_a_step_that_hangs_is_told_to_every_seat_of_its_world_and_to_its_neighbours(start, players, rabbit):
    with start(SUM, "--step-timeout", "3", "--env-kwargs", '{"trouble": {"1": 600}}') as host:
        neighbour = seated(rabbit.url, "another", None)
        sitting = players(SUM, "player_0", "player_1")
        for player in sitting:
            assert player.end() == 1
            assert player.percepts[-1][1] == "EpisodeEnded"
            assert "step timeout of 3 s" in player.percepts[-1][2]
        with pytest.raises(WorkerLost, match="another env of the same process hung"):
            neighbour.reset()
        host.wait_for("serving", 2)


def test_ctrl_c_gives_the_seat_free_and_the_others_go_on(start, players, rabbit):
    with start(SUM, "--env-kwargs", '{"limit": 100000}'):
        (staying,) = players(SUM, "player_0", world="c", url=rabbit.url)
        (leaving,) = players(SUM, "player_1", world="c", url=rabbit.url)
        leaving.wait_for("reset")
        leaving.process.send_signal(signal.SIGINT)
        assert leaving.end() != 0
        eventually(lambda: "missing_seats" in staying.said[-1][-1], "the others go on without it")
        eventually(lambda: seated(rabbit.url, "c", "player_1"), "its seat is free")


def test_two_parties_with_the_least_rights_meet_in_a_world(start, players, rabbit):
    name = secrets.token_hex(4)
    vhost, env_user, agent_user = f"vhost-{name}", f"env-{name}", f"agent-{name}"
    for command in rabbitmqctl_commands(vhost, env_user, agent_user):
        rabbit.ctl(*command, stdin="secret" if command[0] == "add_user" else "")
    env_url, agent_url = (rabbit.url_of(user, "secret", vhost) for user in (env_user, agent_user))
    with start(SUM, "--capacity", "1", url=env_url), start(SUM, "--capacity", "1", url=env_url):
        sitting = players(SUM, "player_0", "player_1", "--runs", "2", url=agent_url)
        assert [player.end() for player in sitting] == [0, 0], [player.said for player in sitting]
        assert sitting[0].worker == sitting[1].worker


def test_a_restart_of_the_broker_costs_no_world_a_step_or_its_name(tmp_path):
    with Rabbit() as node, worker(node.url, tmp_path / "log", SUM, "--env-kwargs", '{"agents": 3}') as host:
        first, second = (seated(node.url, "w", f"player_{number}") for number in range(2))
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(env.reset) for env in (first, second)]
            eventually(lambda: all(env._session.pending for env in (first, second)), "both wait")
            node.stop()
            node.start()
            host.wait_for("connecting again")
            third = seated(node.url, "w", "player_2")
            assert third.description.worker == first.description.worker
            waiting.append(pool.submit(third.reset))
            assert [each.result(60)[0][0] for each in waiting] == [0, 0, 0]
            waiting = [pool.submit(env.step, 2) for env in (first, second, third)]
            assert [each.result(60)[0][:2].tolist() for each in waiting] == [[1, 6]] * 3
            for env in (first, second, third):
                env.close()


def test_two_agents_of_the_command_line_play_each_other(start, rabbit):
    results = {}

    def play(seat: str) -> None:
        results[seat] = run(
            "agent_worker", "run", SUM, "--world", "cli", "--seat", seat, "--episodes", "2", "--json", url=rabbit.url
        )

    with start(SUM):
        threads = [threading.Thread(target=play, args=(f"player_{number}",)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [done.returncode for done in results.values()] == [0, 0], results
    assert all('"episodes": 2' in done.stdout for done in results.values()), results

