"""Seats of a world in one process, over both transports: what is refused, what breaks, and who goes on."""

from __future__ import annotations

import pickle
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from agent_worker import RemoteEnv
from agent_worker.errors import (
    BadKwargs,
    EnvError,
    EpisodeEnded,
    InvalidAction,
    InvalidArgument,
    NotReset,
    SeatsMissing,
    SeatTaken,
    StepTimeout,
    UnknownSeat,
    WorkerLost,
)
from agent_worker.gym_env import GymRemoteEnv
from agent_worker.remote_vector_env import RemoteVectorEnv
from broker import Receipt, connect, shared, topology
from env_worker import worlds
from protocol.agent_dialogue import AgentDialogue
from protocol.codec import decode
from protocol.messages import Error
from tests.support.commands import eventually
from tests.support.many import ARENA, AUCTION

SUM, NIM, COUNTING = "tests.support.worlds:Sum", "tests.support.worlds:Nim", "tests.support.envs:Counting"
SEATS = ["player_0", "player_1"]


@pytest.fixture
def table(remote):
    """``table(SUM)`` gives a remote env for each seat of one new world, not yet opened."""

    def sit(env_id=SUM, seats=SEATS, world=None, **kwargs):
        world = world or f"world-{secrets.token_hex(4)}"
        return [remote(env_id, world=world, seat=seat, **kwargs) for seat in seats]

    return sit


def together(*calls):
    """Make all calls at once; gives what they gave, in order, or the exceptions that they raised."""

    def outcome(call):
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def begin(envs, **kwargs):
    """Reset all at once."""
    return together(*(lambda env=env: env.reset(**kwargs) for env in envs))


def step(envs, *actions):
    """Step all at once."""
    pairs = zip(envs, actions, strict=True)
    return together(*(lambda env=env, action=action: env.step(action) for env, action in pairs))


def test_a_seat_is_a_plain_env_that_says_where_it_is(serve, table):
    serve(SUM, seat_timeout=12.0, missing_seat="forfeit")
    envs = table(world="here")
    (first, info), _ = begin(envs, seed=4, options={"easy": True})
    assert envs[0].observation_space.contains(first)
    assert info == {"seed": 4, "options": {"easy": True}}
    assert envs[0].action_space == gymnasium.spaces.Discrete(10)
    assert envs[1].description.world == {
        "name": "here", "seat": "player_1", "seats": SEATS, "turns": False,
        "missing_seat": "forfeit", "seat_timeout_s": 12.0,
    }  # fmt: skip
    (observation, reward, terminated, truncated, info), other = step(envs, 3, 4)
    assert (observation[:2].tolist(), reward, terminated, truncated, info) == ([1, 7], 3.0, False, False, {"did": 3})
    assert other[1] == 4.0


def test_a_world_of_one_seat_passes_the_checks_of_gymnasium(serve, table):
    serve(SUM, env_kwargs={"agents": 1})
    (env,) = table(seats=["player_0"])
    check_env(env.open(), skip_render_check=True)


@pytest.mark.parametrize(
    ("seat", "error", "words"),
    [
        ("player_0", SeatTaken, "seat 'player_0' is taken.*seat_taken, fault of the agent"),
        ("player_9", UnknownSeat, "this world has player_0, player_1; got 'player_9'"),
    ],
)
def test_a_seat_that_is_taken_or_unknown_is_refused_and_the_others_go_on(serve, remote, table, seat, error, words):
    serve(SUM)
    envs = table(world="w")
    begin(envs)
    with pytest.raises(error, match=words):
        remote(SUM, world="w", seat=seat).open()
    assert step(envs, 1, 2)[1][1] == 2.0


def test_a_world_whose_seats_are_all_taken_says_so(serve, remote, table):
    serve(SUM)
    begin(table(world="w"))
    with pytest.raises(SeatTaken, match="all 2 seats are taken"):
        remote(SUM, world="w").open()


def test_what_the_first_seat_made_is_what_the_others_get_or_are_refused(serve, remote):
    serve(SUM)
    first = remote(SUM, world="w", agents=3, limit=2, render_mode="ansi").open()
    assert remote(SUM, world="w").open().description.world["seats"] == ["player_0", "player_1", "player_2"]
    assert remote(SUM, world="w", limit=2, agents=3).open().description.world["seat"] == "player_2"
    with pytest.raises(BadKwargs, match="the first seat gave others"):
        remote(SUM, world="w", agents=4).open()
    with pytest.raises(BadKwargs, match="this world has 'ansi', got 'rgb_array'"):
        remote(SUM, world="w", render_mode="rgb_array").open()
    first.close()


def test_a_world_of_an_env_of_one_agent_and_kwargs_that_it_refuses_leave_nothing_behind(serve, remote):
    worker = serve(SUM, COUNTING)
    for env_id, kwargs, words in ((COUNTING, {}, "an env of one agent"), (SUM, {"nonsense": 1}, "nonsense")):
        with pytest.raises(BadKwargs, match=words):
            remote(env_id, world="w", **kwargs).open()
    eventually(lambda: worker._stepper._worlds.hosted == worker._stepper.slots == {}, "worlds and slots are free")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seat": "player_0"}, "name the world"),
        ({"world": ""}, "world: expected 1 to 255 characters"),
        ({"world": 7}, "world: expected 1 to 255 characters, got 7"),
        ({"world": "\ud800"}, "world"),
        ({"world": "w", "seat": "x" * 256}, "seat: expected 1 to 255 characters"),
    ],
)
def test_names_that_make_no_sense_are_refused_before_anything_is_sent(given, words):
    with pytest.raises(InvalidArgument, match=words):
        RemoteEnv(SUM, "memory://nobody-is-here", **given)


def test_lanes_and_seats_do_not_mix(serve, broker_url):
    serve(SUM)
    with pytest.raises(BadKwargs, match="world"):
        RemoteVectorEnv(SUM, 2, broker_url, world="w", make_timeout=10.0)
    connection = connect(broker_url, timeout_s=10.0)
    try:
        for fields, words in (({"num_envs": 2, "world": "w"}, "num_envs"), ({"seat": "player_0"}, "no world is named")):
            assert words in refusal(connection, fields).text
    finally:
        connection.close()


def refusal(connection, fields) -> Error:
    """What a worker says to a ``make`` that our own agents would not send."""
    dialogue, mailbox = AgentDialogue(secrets.token_hex(16), connection.incarnation), connection.mailbox()
    key, deadline = topology.percept_key(dialogue.episode, dialogue.incarnation), time.monotonic() + 10
    connection.inbox(topology.PERCEPTS, [key], mailbox, "", prefetch=0, deadline=deadline)
    connection.publish(topology.REQUESTS, SUM, dialogue.make(SUM, **fields), deadline=deadline)
    while (arrival := mailbox.get(deadline)) is not None:
        message = decode(arrival.body)
        if isinstance(message, Error):
            return message
    raise AssertionError("no error came")


def test_an_action_that_is_not_in_the_space_is_refused_and_nobody_else_hears_of_it(serve, table):
    serve(SUM)
    envs = table()
    begin(envs)
    with pytest.raises(InvalidAction):
        envs[0].step(10)
    assert [reply[1] for reply in step(envs, 1, 2)] == [1.0, 2.0]


@pytest.mark.parametrize(("env_id", "kwargs"), [(SUM, {"limit": 2}), (NIM, {"sticks": 2})])
def test_who_acts_after_its_end_is_told_to_reset(serve, table, env_id, kwargs):
    serve(env_id, env_kwargs=kwargs)

    def play_on(env):
        env.reset()
        while True:
            env.step(0)

    for outcome in together(*(lambda env=env: play_on(env) for env in table(env_id))):
        assert isinstance(outcome, NotReset)
        assert isinstance(outcome, gymnasium.error.ResetNeeded)
        assert "plays in no run now: reset() joins the next one" in str(outcome)


@pytest.mark.parametrize("trouble", [{"reset": "raise"}, {"1": "raise"}])
def test_what_the_env_raises_is_told_to_every_seat_and_the_world_goes_on(serve, table, trouble):
    serve(SUM, COUNTING, env_kwargs={SUM: {"trouble": trouble}})
    envs = table()
    outcomes = begin(envs)
    if "1" in trouble:
        assert not any(isinstance(outcome, Exception) for outcome in outcomes)
        outcomes = step(envs, 1, 1)
    assert all(isinstance(outcome, EnvError) for outcome in outcomes), outcomes
    method = "reset" if "reset" in trouble else "step"
    assert f"{method} raised RuntimeError: trouble at step" in str(outcomes[0])
    assert all(isinstance(outcome, (EnvError, tuple)) for outcome in begin(envs))


def test_a_reset_overtakes_a_step_that_nobody_answers(serve, table):
    serve(SUM)
    envs = table()
    begin(envs)
    envs[0].step_timeout = 0.3
    with pytest.raises(StepTimeout):
        envs[0].step(1)
    envs[0].step_timeout = 20.0
    assert [outcome[0][0] for outcome in begin(envs)] == [0, 0]


def test_a_step_that_was_overdue_can_be_waited_for(serve, table):
    serve(SUM)
    envs = table()
    begin(envs)
    envs[0].step_timeout = 0.3
    with pytest.raises(StepTimeout):
        envs[0].step(5)
    (late, other) = together(lambda: envs[0].wait(20.0), lambda: envs[1].step(1))
    assert (late[0][:2].tolist(), late[1], other[1]) == ([1, 6], 5.0, 1.0)


def test_who_waits_long_asks_whether_its_host_lives_and_acts_once(serve, table, monkeypatch):
    monkeypatch.setattr("agent_worker.episode.FIRST_PROBE_S", 0.1)
    serve(SUM)
    envs = table()
    begin(envs)
    pending = ThreadPoolExecutor(1).submit(envs[0].step, 4)
    probed = time.monotonic() + 1.0
    eventually(lambda: time.monotonic() > probed, "several probes have been answered")
    assert envs[1].step(1)[0][:2].tolist() == [1, 5]
    assert pending.result(20)[0][:2].tolist() == [1, 5]
    assert [outcome[0][0] for outcome in step(envs, 1, 1)] == [2, 2]


def test_seats_that_close_leave_nothing_behind_and_the_name_can_be_used_anew(serve, table):
    stepper = serve(SUM, capacity=1)._stepper
    for _ in range(5):
        envs = table(world="again")
        assert [outcome[0][0] for outcome in begin(envs)] == [0, 0]
        assert stepper.free == 0
        for env in envs:
            env.close()
        eventually(lambda: (stepper.slots, stepper._worlds.hosted, stepper.free) == ({}, {}, 1), "all is gone")


def test_a_full_host_takes_the_seats_of_its_world_and_nothing_else(serve, table, remote):
    serve(SUM, COUNTING, capacity=1)
    first, second = table(world="w")
    first.open()
    assert second.open().description.worker == first.description.worker
    assert [outcome[0][0] for outcome in begin([first, second])] == [0, 0]
    waiting = ThreadPoolExecutor(1).submit(remote(COUNTING).reset)
    step([first, second], 1, 1)
    assert not waiting.done()
    first.close()
    second.close()
    assert waiting.result(20)[0] == [0]


@pytest.mark.parametrize("fields", [{}, {"world": "another"}])
def test_a_world_is_asked_for_its_seats_and_for_nothing_else(serve, table, broker_url, fields):
    worker = serve(SUM, capacity=1)
    envs = table(world="w")
    begin(envs)
    connection = connect(broker_url, timeout_s=10.0)
    dialogue = AgentDialogue(secrets.token_hex(16), connection.incarnation)
    deadline = time.monotonic() + 10
    key = topology.world_key(SUM, "w")
    sent = connection.publish(topology.WORLDS, key, dialogue.make(SUM, **fields), deadline=deadline)
    assert sent is Receipt.ROUTED
    assert [outcome[0][0] for outcome in step(envs, 1, 1)] == [1, 1]
    assert len(worker._stepper.slots) == 2
    connection.close()


def test_a_seat_that_is_idle_for_too_long_is_given_free_and_the_others_go_on(serve, table):
    serve(SUM, idle_timeout=2.0, seat_timeout=30.0)
    envs = table()
    begin(envs)
    pending = ThreadPoolExecutor(1).submit(envs[0].step, 4)
    assert pending.result(20)[4]["missing_seats"] == ["player_1"]
    with pytest.raises(EpisodeEnded, match=r"no request for 2 s"):
        envs[1].step(1)


def test_seats_of_both_libraries_meet_in_one_world(serve, table, broker_url):
    serve(SUM)
    old = GymRemoteEnv(SUM, broker_url, world="w", seat="player_0", make_timeout=20.0, step_timeout=20.0)
    (new,) = table(world="w", seats=["player_1"])
    begin([old, new])
    assert [outcome[0][:2].tolist() for outcome in step([old, new], 3, 4)] == [[1, 7]] * 2
    old.close()


def test_missing_seats_are_named_and_may_be_waited_for_again(serve, table):
    serve(SUM, seat_timeout=2.0, missing_seat="forfeit")
    first, second = table(world="w")
    with pytest.raises(SeatsMissing, match="player_1 did not come within 2 s.*seats_missing, fault of the agent"):
        first.reset()
    second.open()
    assert [outcome[0][0] for outcome in begin([first, second])] == [0, 0]


def test_a_connection_that_breaks_while_seats_wait_costs_no_step(serve, table, broker_url):
    serve(SUM)
    envs = table()
    begin(envs)
    pending = ThreadPoolExecutor(1).submit(envs[0].step, 4)
    shared(broker_url, timeout_s=5.0).close()
    assert envs[1].step(1)[0][:2].tolist() == [1, 5]
    assert pending.result(20)[0][:2].tolist() == [1, 5]


def test_a_host_whose_connection_breaks_while_seats_wait_plays_what_they_asked_once(serve, table):
    worker = serve(SUM)
    envs = table()
    begin(envs)
    pending = ThreadPoolExecutor(1).submit(envs[0].step, 4)
    eventually(lambda: any(slot.episode.steps for slot in worker._stepper.slots.values()), "one has acted")
    worker._stepper._connection.close()
    assert envs[1].step(1)[0][:2].tolist() == [1, 5]
    assert pending.result(20)[0][:2].tolist() == [1, 5]
    assert [outcome[0][0] for outcome in step(envs, 1, 1)] == [2, 2]


def test_a_host_whose_connection_breaks_claims_the_name_of_its_world_again(serve, table):
    worker = serve(SUM)
    envs = table(world="w", seats=["player_0", "player_1", "player_2"], agents=3)
    envs[0].open()
    worker._stepper._connection.close()
    envs[1].open()
    envs[2].open()
    assert len({env.description.worker for env in envs}) == 1
    assert [outcome[0][0] for outcome in begin(envs)] == [0, 0, 0]
    assert len(worker._stepper._worlds.hosted) == 1


def test_a_host_that_does_not_get_the_name_back_ends_the_world(serve, table, broker_url, monkeypatch):
    monkeypatch.setattr(worlds, "NAMELESS_S", 0.3)
    monkeypatch.setattr(worlds, "CLAIM_S", 0.1)
    worker = serve(SUM)
    envs = table(world="w")
    begin(envs)
    thief = connect(broker_url, timeout_s=10.0)
    (world,) = worker._stepper._worlds.hosted.values()
    key = world.key

    def steal():
        try:
            thief.inbox(topology.WORLDS, [key], thief.mailbox(), "", prefetch=1, deadline=time.monotonic() + 5)
        except Exception:  # noqa: BLE001 - it is not free yet
            return False
        return True

    with worker._stepper._turn:  # else the worker could claim it again before the thief does
        worker._stepper._connection.cancel(world.inbox)
        eventually(steal, "somebody else has the name")
        worker._stepper._worlds.lose_name(world)
    with pytest.raises(WorkerLost, match="somebody else has taken the name of this world"):
        for _ in range(200):
            step(envs, 1, 1)
            envs[0].reset()
    thief.close()


def test_a_host_that_is_shut_down_tells_every_seat_why(serve, table):
    worker = serve(SUM)
    envs = table()
    begin(envs)
    pending = ThreadPoolExecutor(1).submit(envs[0].step, 4)
    eventually(lambda: any(slot.episode.steps for slot in worker._stepper.slots.values()), "one has acted")
    worker.stop()
    with pytest.raises(EpisodeEnded, match="being shut down"):
        pending.result(20)
    with pytest.raises(EpisodeEnded, match="being shut down"):
        envs[1].step(1)


def test_any_seat_may_look_at_a_world_that_was_made_to_be_seen(serve, table):
    serve(SUM)
    envs = table(render_mode="ansi")
    begin(envs)
    step(envs, 1, 1)
    assert [env.render() for env in envs] == ["step 1"] * 2


def test_a_seat_can_be_pickled_and_made_by_its_spec(serve, remote):
    serve(SUM)
    env = pickle.loads(pickle.dumps(remote(SUM, world="w", seat="player_1")))
    assert env.spec.kwargs["world"] == "w"
    env.close()
    again = gymnasium.make(env.spec).unwrapped
    assert again.open().description.world["seat"] == "player_1"
    again.close()


@pytest.mark.parametrize("env_id", [ARENA, AUCTION])
def test_agents_that_come_late_or_never_are_answered(serve, table, env_id):
    serve(env_id, seat_timeout=1.0)
    names = ["red", "green", "blue", "late", "never"] if env_id == ARENA else ["ann", "bob", "cid", "never"]
    envs = table(env_id, seats=names)

    def play(env):
        observation, info = env.reset(seed=3)
        assert env.observation_space.contains(observation)
        env.action_space.seed(1)
        over = False
        while not over:
            mask = observation.get("action_mask") if isinstance(observation, dict) else None
            action = env.action_space.sample() if mask is None else int(mask.nonzero()[0][0])
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        return info

    *told, never = together(*(lambda env=env: play(env) for env in envs))
    assert all(isinstance(info, dict) for info in told), told
    assert isinstance(never, EnvError)
    assert "before never had anything to see" in str(never)


@pytest.fixture
def hold(broker_url):
    """``hold("w")`` owns the name of that world of ``SUM``, and is not to be reached by it; gives what frees it."""
    holder = connect(broker_url, timeout_s=10.0)

    def own(world):
        key = topology.world_key(SUM, world)
        held = holder.inbox(topology.ACTS, [key], holder.mailbox(), "", prefetch=1, deadline=time.monotonic() + 10)
        return lambda: holder.cancel(held)

    yield own
    holder.close()


def test_a_world_whose_host_is_about_to_go_is_hosted_anew(serve, remote, hold):
    worker = serve(SUM)
    release = hold("w")
    waiting = ThreadPoolExecutor(1).submit(remote(SUM, world="w").open)
    eventually(lambda: worker._stepper._worlds._refuse_at, "it can be neither hosted nor reached")
    release()
    assert waiting.result(20).description.world["name"] == "w"
    assert worker._stepper._worlds._refuse_at == {}


def test_a_world_whose_name_is_held_by_who_cannot_be_reached_is_refused_and_the_line_moves_on(
    serve, remote, hold, monkeypatch
):
    monkeypatch.setattr(worlds, "UNDECIDED_S", 2.0)
    worker = serve(SUM)
    hold("w")
    waiting = ThreadPoolExecutor(1).submit(remote(SUM, world="w").open)
    eventually(lambda: worker._stepper._worlds._refuse_at, "it can be neither hosted nor reached")
    assert remote(SUM, world="other").open().description.world["seat"] == "player_0"
    with pytest.raises(WorkerLost, match="somebody holds the name of this world"):
        waiting.result(20)
