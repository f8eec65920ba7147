"""``on_worker_loss="replay"``: a run goes on at another worker as if nothing had been, over both transports."""

from __future__ import annotations

import pickle

import gym
import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import gymbroker
from agent_worker import RemoteEnv, RemoteVectorEnv
from agent_worker.errors import (
    EnvClosed,
    EnvError,
    InvalidArgument,
    ReplayDiverged,
    StepTimeout,
    WorkerLost,
)
from agent_worker.gym_env import GymRemoteEnv
from agent_worker.running import Run, play
from env_worker import Allowed
from tests.support.equal import identical
from tests.support.losing import ADJUSTABLE, DRIFTING, Adjustable, vanish
from tests.support.many import ARENA, TICTACTOE
from tests.support.paced import GATED, RAISE, SIZED, TELLING, WAIT, Gated, Telling

CARTPOLE, COUNTING = "CartPole-v1", "tests.support.envs:Counting"
TURNS = f"{TICTACTOE}:env"
REPLAY = {"on_worker_loss": "replay", "resume_window": 0.0}
ALLOWED = Allowed(call=("push",), get=("gain", "count"), set=("gain",))
LOCAL = {CARTPOLE: lambda: gymnasium.make(CARTPOLE, disable_env_checker=True), TELLING: Telling}


def test_a_run_whose_workers_are_lost_is_that_of_an_undisturbed_local_env(serve, remote):
    one, env, local = serve(CARTPOLE), remote(CARTPOLE, **REPLAY), LOCAL[CARTPOLE]()
    assert identical(env.reset(seed=3), local.reset(seed=3))
    ends = 0
    for turn in range(80):
        if turn % 16 == 9:
            vanish(one)
        ours, theirs = env.step(turn % 2), local.step(turn % 2)
        assert identical((ours[0], ours[2:]), (theirs[0], theirs[2:]))
        if ours[2]:
            ends += 1
            vanish(one)
            assert identical(env.reset(), local.reset())  # without a seed: it goes on with the same numbers
    assert ends


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("episodes", [1, 3])
def test_lanes_are_those_of_a_sync_vector_env_whoever_is_lost_in_all_autoreset_modes(serve, lanes, mode, episodes):
    workers = [serve(TELLING, capacity=1) for _ in range(episodes)]
    ours = lanes(TELLING, 6, episodes=episodes, autoreset_mode=mode, **REPLAY)
    theirs = SyncVectorEnv([Telling] * 6, autoreset_mode=mode)
    assert identical(ours.reset(seed=5), theirs.reset(seed=5))
    theirs.action_space.seed(1)
    for turn in range(40):
        if turn % 10 == 7:
            vanish(workers[turn // 10 % episodes])
        actions = theirs.action_space.sample()
        results = theirs.step(actions)
        assert identical(ours.step(actions), results)
        ended = results[2] | results[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            options = {"reset_mask": ended}
            assert identical(ours.reset(options=dict(options)), theirs.reset(options=dict(options)))
    theirs.close()


def test_by_send_and_recv_the_others_go_on_while_a_worker_is_looked_for(serve, lanes):
    first, second = (serve(COUNTING, capacity=1) for _ in range(2))
    env = lanes(COUNTING, 4, episodes=2, make_timeout=60.0, **REPLAY)
    env.async_reset(seed=3)
    ids = [env.recv()[4]["env_id"] for _ in range(2)]
    for one in ids:
        env.send([1, 1], one)
    for _ in ids:
        env.recv()
    first.stop()  # an orderly end, and nobody else has a slot
    for one in ids:
        env.send([1, 1], one)
    found, *_, infos = env.recv()
    kept = infos["env_id"]
    lost = next(one for one in ids if not np.array_equal(one, kept))
    for turn in range(3, 6):
        env.send([1, 1], kept)
        found, *_, infos = env.recv()
        assert (found.ravel().tolist(), infos["env_id"].tolist()) == ([turn] * 2, kept.tolist())
    with pytest.raises(StepTimeout, match=r"another one is looked for since, and was not there when .* had been"):
        env.recv(timeout=0.3)
    serve(COUNTING, capacity=1)
    found, *_, infos = env.recv(timeout=30.0)
    assert (found.ravel().tolist(), infos["env_id"].tolist()) == ([2, 2], lost.tolist())
    for one in ids:
        env.send([1, 1], one)
    assert sorted(env.recv()[0].ravel().tolist() for _ in ids) == [[3, 3], [6, 6]]
    assert not second._stepper.draining


def test_one_episode_of_lanes_can_change_between_step_and_recv_after_a_loss(serve, lanes):
    one = serve(COUNTING)
    env = lanes(COUNTING, 2, **REPLAY)
    env.reset(seed=1)
    vanish(one)
    assert env.step([0, 0])[0].ravel().tolist() == [1, 1]
    env.send([0, 0])
    assert env.recv()[0].ravel().tolist() == [2, 2]
    vanish(one)
    env.send([0, 0])
    assert env.recv()[0].ravel().tolist() == [3, 3]
    assert env.step([0, 0])[0].ravel().tolist() == [4, 4]


def test_whatever_is_asked_when_the_worker_is_lost_is_answered(serve, remote):
    one = serve(ADJUSTABLE, allowed=ALLOWED)
    env = remote(ADJUSTABLE, render_mode="ansi", **REPLAY)
    env.set_wrapper_attr("gain", 3.0)
    vanish(one)
    assert env.call("gain") == 3.0  # before any reset
    vanish(one)
    first = env.reset(seed=4, options={"a": 1})
    assert identical(first, Adjustable().reset(seed=4, options={"a": 1}))
    env.step(1)
    vanish(one)
    assert env.render() == "step 1"
    vanish(one)
    assert env.call("push", 5) == 6
    vanish(one)
    assert env.step(2)[:2] == (np.array([7]), 6.0)
    env.set_wrapper_attr("gain", 0.5)
    vanish(one)
    assert env.step(2)[:2] == (np.array([8]), 1.0)
    assert env.reset(seed=5)[0] == [0]
    vanish(one)
    assert env.step(2)[:2] == (np.array([1]), 1.0)  # what was set outlives the reset
    assert (env.call("gain"), env.call("count")) == (0.5, 1)


def test_what_an_env_raised_it_raises_again_and_the_run_goes_on(serve, remote):
    one = serve(GATED)
    env = remote(GATED, **REPLAY)
    env.reset(seed=1)
    env.step(0)
    with pytest.raises(EnvError, match="told to"):
        env.step(RAISE)
    vanish(one)
    assert env.step(0)[0] == [2]
    vanish(one)
    with pytest.raises(EnvError, match="told to"):
        env.step(RAISE)
    assert env.step(0)[0] == [3]


@pytest.mark.parametrize("broker_url", ["amqp"], indirect=True)
def test_a_step_that_is_overdue_when_its_worker_is_lost_can_be_waited_for(serve, remote, gate):
    one = serve(GATED)
    env = remote(GATED, **REPLAY)
    env.reset(seed=1)
    env.step_timeout = 0.3
    with pytest.raises(StepTimeout):
        env.step(WAIT)
    assert Gated.waiting.acquire(timeout=20)
    serve(GATED)
    one._stepper.slots.clear()  # as in vanish(), whose turn it would be after the step
    one._stepper._connection.close()
    gate.set()
    assert env.wait(20.0)[0] == [1]
    env.step_timeout = 20.0
    assert env.step(0)[0] == [2]


def test_a_lost_reset_without_a_seed_is_asked_again_as_nothing_was_promised_of_it(serve, remote):
    one = serve(COUNTING)
    env = remote(COUNTING, **REPLAY)
    vanish(one)
    assert env.reset()[0] == [0]
    env.step(0)
    vanish(one)
    assert env.reset()[0] == [0]
    assert env.step(0)[0] == [1]


def test_without_a_seed_the_loss_is_an_error_that_says_so(serve, remote):
    one = serve(COUNTING)
    env = remote(COUNTING, **REPLAY)
    env.reset()
    vanish(one)
    with pytest.raises(WorkerLost, match="its env is lost; it cannot be replayed: no reset .* had a seed") as caught:
        env.step(0)
    assert not caught.value.retry
    for ask in (lambda: env.step(0), lambda: env.reset(seed=1)):
        with pytest.raises(EnvClosed, match="ended .*no reset .* had a seed.*make a new env"):
            ask()


def test_without_a_seed_some_lanes_cannot_be_reset_elsewhere_while_others_go_on(serve, lanes):
    one = serve(COUNTING)
    env = lanes(COUNTING, 2, autoreset_mode="disabled", **REPLAY)
    env.reset()
    env.step([0, 0])
    vanish(one)
    with pytest.raises(WorkerLost, match="it cannot be replayed: no reset .* had a seed"):
        env.reset(options={"reset_mask": np.array([True, False])})


def test_beyond_the_limit_the_loss_is_an_error_that_says_so(serve, remote, lanes):
    one = serve(COUNTING)
    env = remote(COUNTING, replay_limit=5, **REPLAY)
    env.reset(seed=1)
    for _ in range(4):
        env.step(0)
    vanish(one)
    assert env.step(0)[0] == [5]  # the sixth request since the seed, of which five are kept
    vanish(one)
    for ask in (env.step, lambda _: env.reset()):
        with pytest.raises((WorkerLost, EnvClosed), match="there were more than replay_limit=5 requests since"):
            ask(0)
    many = lanes(COUNTING, 2, replay_limit=2, **REPLAY)
    many.reset(seed=1)
    many.step([0, 0])
    many.reset(seed=2)
    vanish(one)
    assert many.step([0, 0])[0].ravel().tolist() == [1, 1]


@pytest.mark.parametrize(("at", "what"), [(0, "the seeded reset itself"), (3, "step 3 after the seeded reset")])
def test_an_env_that_does_not_repeat_itself_is_named_with_the_first_step_that_differs(serve, remote, at, what):
    one = serve(DRIFTING)
    env = remote(DRIFTING, at=at, **REPLAY)
    env.reset(seed=1)
    for _ in range(5):
        env.step(0)
    vanish(one)
    with pytest.raises(ReplayDiverged, match=f"was lost, and {what} gave another percept") as caught:
        env.step(0)
    assert caught.value.step == at
    assert isinstance(caught.value, WorkerLost)
    with pytest.raises(EnvClosed, match=what):
        env.step(0)


def test_lanes_that_do_not_repeat_themselves_are_named_and_the_others_go_on(serve, lanes):
    workers = [serve(DRIFTING, capacity=1) for _ in range(2)]
    env = lanes(DRIFTING, 4, episodes=2, at=2, **REPLAY)
    env.reset(seed=1)
    for _ in range(3):
        env.step([0] * 4)
    vanish(workers[0])
    with pytest.raises(ReplayDiverged, match="step 2 after") as caught:
        env.step([0] * 4)
    assert caught.value.step == 2
    (kept,) = {0, 2} - {int(caught.value.env_id[0])}
    env.send([0, 0], [kept, kept + 1])
    assert env.recv()[0].ravel().tolist()[0] % 1000 == 5


def test_where_the_next_worker_serves_another_env_of_that_name_it_is_said(serve, remote):
    one = serve(SIZED, env_kwargs={"size": 1})
    env = remote(SIZED, **REPLAY)
    env.reset(seed=1)
    one.stop()
    serve(SIZED, env_kwargs={"size": 2})
    with pytest.raises(WorkerLost, match="could not be replayed: .*not serve the same env: it has another observation"):
        env.step(0)


def test_where_nobody_serves_any_more_it_is_said(serve, remote, patience):
    one = serve(COUNTING)
    env = remote(COUNTING, make_timeout=patience, **REPLAY)
    env.reset(seed=1)
    one.stop()
    with pytest.raises(WorkerLost, match="could not be replayed: .*no worker took the request within"):
        env.step(0)


def test_a_close_leaves_nothing_open_while_another_worker_is_looked_for(serve, lanes):
    one = serve(COUNTING, capacity=1)
    env = lanes(COUNTING, 2, **REPLAY)
    env.reset(seed=1)
    one.stop()
    env.step_async([0, 0])
    with pytest.raises(StepTimeout):
        env.step_wait(0.5)
    env.close()
    other = serve(COUNTING, capacity=1)
    assert lanes(COUNTING, 1).reset()[0].tolist() == [[0]]
    assert len(other._stepper.slots) == 1


def test_it_is_asked_for_by_every_door(serve, broker_url):
    one = serve(CARTPOLE)
    given = {"broker": broker_url, "make_timeout": 20.0, **REPLAY}
    envs = [
        gymbroker.make(CARTPOLE, **given),
        gymnasium.make("gymbroker:remote/CartPole-v1", **given),
        gym.make("gymbroker:remote/CartPole-v1", **given),
        GymRemoteEnv(CARTPOLE, **given),
        pickle.loads(pickle.dumps(RemoteEnv(CARTPOLE, **given))),
    ]
    for env in envs:
        first = env.reset(seed=8)[0]
        vanish(one)
        local = LOCAL[CARTPOLE]()
        assert identical(first, local.reset(seed=8)[0])
        assert identical(env.step(1)[0], local.step(1)[0])
        env.close()
    spec = RemoteEnv(CARTPOLE, **given).spec
    assert spec.kwargs["on_worker_loss"] == "replay"
    many = gymnasium.make_vec("gymbroker:remote/CartPole-v1", num_envs=2, **given)
    many.reset(seed=8)
    vanish(one)
    assert many.step(np.array([1, 1]))[0].shape == (2, 4)
    many.close()


def test_envs_of_many_agents_go_on_as_well(serve, far, far_aec):
    one = serve(ARENA, TURNS)
    alone = far(ARENA, **REPLAY)
    other = far(ARENA)
    ours, theirs = alone.reset(seed=2), other.reset(seed=2)
    assert identical(ours, theirs)
    while alone.agents:
        actions = {agent: alone.action_space(agent).sample() for agent in alone.agents}
        theirs = other.step(actions)
        other.close() if not other.agents else None
        vanish(one) if not other.agents else None
        assert identical(alone.step(actions), theirs)
    turns = far_aec(TURNS, **REPLAY)
    turns.reset(seed=1)
    for move in (0, 1, 3):
        turns.step(move)
        vanish(one)
    turns.step(2)
    turns.step(6)
    assert turns.terminations == {"player_1": True, "player_2": True}
    assert turns.rewards["player_1"] == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"on_worker_loss": "retry"}, "on_worker_loss: expected one of raise, truncate, replay, got 'retry'"),
        ({"on_worker_loss": None}, "on_worker_loss: expected one of"),
        ({"replay_limit": 0}, "replay_limit: expected a positive int, got 0"),
        ({"replay_limit": 1.5}, "replay_limit: expected a positive int"),
        ({"on_worker_loss": "replay", "world": "w"}, "a world ends with its worker for all of its seats"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(given, text):
    for make in (RemoteEnv, GymRemoteEnv):
        with pytest.raises(InvalidArgument, match=text):
            make(COUNTING, "amqp://127.0.0.1:1/", **given)


def test_many_agents_cannot_be_truncated(far):
    with pytest.raises(InvalidArgument, match="can be replayed, not truncated"):
        far(ARENA, on_worker_loss="truncate")


def test_the_command_line_plays_on(serve, broker_url, monkeypatch):
    one = serve(CARTPOLE)
    wanted = {"policy": "tests.support.policies:leaning", "broker": broker_url, "steps": 100, "seed": 5}
    undisturbed = play(Run(CARTPOLE, **wanted)).summary
    asked, steps = RemoteEnv.step, iter(range(1000))

    def losing(self, action):
        if next(steps) in (40, 70):
            vanish(one)
        return asked(self, action)

    monkeypatch.setattr(RemoteEnv, "step", losing)
    outcome = play(Run(CARTPOLE, on_worker_loss="replay", env_kwargs={"resume_window": 0.0}, **wanted))
    assert outcome.error is None
    assert next(steps) == 100
    assert outcome.summary.rewards.tolist() == undisturbed.rewards.tolist()
    with pytest.raises(ValueError, match="give --seed"):
        Run(CARTPOLE, on_worker_loss="replay")


def test_lanes_say_what_makes_no_sense_before_anything_is_sent():
    with pytest.raises(InvalidArgument, match="on_worker_loss: expected one of"):
        RemoteVectorEnv(COUNTING, 2, "amqp://127.0.0.1:1/", on_worker_loss="again")
