"""Lanes spread over several episodes: one vector env to the user, whoever hosts its parts, over both transports."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections import Counter

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import gymbroker
from agent_worker import RemoteVectorEnv
from agent_worker.errors import (
    AlreadyPending,
    EnvClosed,
    EnvError,
    InvalidAction,
    InvalidArgument,
    NoFreeWorker,
    NothingPending,
    NotReset,
    ProtocolFailure,
    StepTimeout,
    WorkerLost,
)
from agent_worker.session import Session
from broker import ConnectionLost, shared
from protocol.messages import Render
from tests.support.commands import eventually, worker
from tests.support.envs import Everything
from tests.support.equal import identical
from tests.support.paced import ENDING, GATED, RAISE, SIZED, TELLING, WAIT, Gated, Telling
from tests.support.trajectories import compare_lanes

COUNTING = "tests.support.envs:Counting"
CARTPOLE = "CartPole-v1"
LOCAL = {CARTPOLE: lambda: gymnasium.make(CARTPOLE, disable_env_checker=True), TELLING: Telling}


@pytest.fixture
def two_workers(serve):
    """Two workers that serve ``Gated`` with one slot each, so that each gets one of two episodes."""
    return [serve(GATED, capacity=1) for _ in range(2)]


def free(*workers):
    """Whether no worker has an episode."""
    return all(not one._stepper.slots for one in workers)


def come_in(env, count):
    """Wait until so many episodes have replied; their replies wait to be taken."""
    session = env._gathering.sessions[0]

    def have_come():
        session.connection.mailbox().get(0.0)  # reads the socket
        return len(session.mailbox.items) == count

    eventually(have_come, f"{count} replies")


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("env_id", [CARTPOLE, TELLING])
def test_a_thousand_steps_are_those_of_one_sync_vector_env(serve, lanes, env_id, mode):
    serve(env_id)
    ours = lanes(env_id, 6, episodes=3, autoreset_mode=mode)
    theirs = SyncVectorEnv([LOCAL[env_id]] * 6, autoreset_mode=mode)
    compare_lanes(ours, theirs, steps=1000)
    theirs.close()


def test_every_space_travels_in_parts(serve, lanes):
    serve("tests.support.envs:Everything")
    ours, theirs = lanes("tests.support.envs:Everything", 4, episodes=2), SyncVectorEnv([Everything] * 4)
    assert identical(ours.reset(seed=2)[0], theirs.reset(seed=2)[0])
    for _ in range(10):
        actions = theirs.action_space.sample()
        assert identical(ours.step(actions)[0], theirs.step(actions)[0])
    theirs.close()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_space_ends_and_begins_in_parts_as_in_one_episode(serve, lanes, mode):
    serve(ENDING)
    spread, whole = lanes(ENDING, 6, episodes=3, autoreset_mode=mode), lanes(ENDING, 6, autoreset_mode=mode)
    assert identical(spread.reset(seed=5), whole.reset(seed=5))
    ends = 0
    for _ in range(60):
        actions = whole.action_space.sample()
        results = whole.step(actions)
        assert identical(spread.step(actions), results)
        ended = results[2] | results[3]
        ends += int(ended.sum())
        assert (mode is AutoresetMode.SAME_STEP and ended.any()) == ("final_obs" in results[4])
        if mode is AutoresetMode.DISABLED and ended.any():
            options = {"reset_mask": ended}
            assert identical(spread.reset(options=dict(options)), whole.reset(options=dict(options)))
    assert ends > 6


def test_seeds_of_each_lane_and_frames_of_all(serve, lanes):
    serve(CARTPOLE, COUNTING)
    ours, theirs = lanes(CARTPOLE, 4, episodes=2), SyncVectorEnv([LOCAL[CARTPOLE]] * 4)
    seeds = [11, 5, 7, 3]
    assert identical(ours.reset(seed=seeds), theirs.reset(seed=seeds))
    drawing = lanes(COUNTING, 4, episodes=2, render_mode="rgb_array")
    drawing.reset()
    assert identical(drawing.render(), (np.zeros((4, 6, 3), np.uint8),) * 4)
    theirs.close()


def test_episodes_land_on_all_workers_that_are_there(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "2", processes=2):
        env = RemoteVectorEnv(COUNTING, 8, rabbit.url, episodes=4, make_timeout=30.0)
        hosts = Counter(description.worker for description in env.descriptions)
        assert list(hosts.values()) == [2, 2]
        env.reset()
        assert env.step(np.zeros(8, int))[0].ravel().tolist() == [1] * 8
        env.close()


def test_make_vec_takes_the_number_of_episodes(serve, broker_url):
    serve(CARTPOLE)
    env = gymnasium.make_vec("gymbroker:remote/CartPole-v1", num_envs=64, episodes=2, broker=broker_url)
    assert env.reset(seed=1)[0].shape == (64, 4)
    assert env.step(np.zeros(64, np.int64))[0].shape == (64, 4)
    env.close()
    env.close()


def test_on_memory_the_embedded_worker_has_room_for_all_episodes():
    env = gymbroker.make_vec(CARTPOLE, num_envs=64, broker="memory://spread", episodes=32)
    assert env.reset()[0].shape == (64, 4)
    env.close()


def test_who_is_ready_first_is_received_first_while_the_other_still_steps(two_workers, lanes, gate):
    env = lanes(GATED, 4, episodes=2)
    env.async_reset(seed=3)
    first, second = (env.recv()[4]["env_id"] for _ in range(2))
    assert sorted([*first, *second]) == [0, 1, 2, 3]
    env.send([WAIT, 0], first)
    for turn in range(1, 4):
        env.send([0, 0], second)
        observations, rewards, terminated, truncated, infos = env.recv()
        assert identical(infos["env_id"], second)
        assert observations.ravel().tolist() == [turn] * 2
        assert (rewards.shape, terminated.shape, truncated.shape) == ((2,), (2,), (2,))
    with pytest.raises(StepTimeout, match=f"lanes {first[0]} to {first[1]}: .*waited .* act"):
        env.recv(timeout=0.1)
    gate.set()
    observations, rewards, *_, infos = env.recv()
    assert identical(infos["env_id"], first)
    assert (observations.ravel().tolist(), rewards.tolist()) == ([1, 1], [2.0, 0.0])


def test_one_episode_can_be_driven_by_send_and_recv_as_well(serve, lanes):
    serve(CARTPOLE)
    ours, theirs = lanes(CARTPOLE, 3), SyncVectorEnv([LOCAL[CARTPOLE]] * 3)
    ours.async_reset(seed=3)
    (observations, infos), (*found, named) = theirs.reset(seed=3), ours.recv()
    assert named.pop("env_id").tolist() == [0, 1, 2]
    assert identical(found[0], observations)
    assert (infos, named, found[1].tolist(), found[2].any(), found[3].any()) == ({}, {}, [0.0] * 3, False, False)
    for _ in range(100):
        actions = theirs.action_space.sample()
        ours.send(actions)
        found = ours.recv()
        del found[4]["env_id"]
        assert identical(found, theirs.step(actions))
    assert identical(ours.step(actions), theirs.step(actions))
    theirs.close()


def test_what_was_sent_is_received_before_more_is_asked(two_workers, lanes):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    for ids in ([0, 1], [2, 3]):
        env.send([0, 0], np.array(ids))
    for ask in (lambda: env.step([0] * 4), lambda: env.step_async([0] * 4), lambda: env.send([0, 0], [0, 1])):
        with pytest.raises(AlreadyPending, match="lanes 0 to 1: .*has no reply"):
            ask()
    received = env.recv()[4]["env_id"].tolist()
    other = [lane for lane in range(4) if lane not in received]
    with pytest.raises(gymnasium.error.AlreadyPendingCallError, match=f"lanes {other[0]} to"):
        env.step([0] * 4)
    assert env.recv()[4]["env_id"].tolist() == other
    assert env.step([0] * 4)[0].ravel().tolist() == [2] * 4


def test_waiting_for_nothing_is_a_named_error(two_workers, lanes):
    env = lanes(GATED, 4, episodes=2)
    for wait in (env.recv, env.step_wait):
        with pytest.raises(NothingPending):
            wait()
    env.reset()
    env.send([0, 0], [0, 1])
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="not every episode"):
        env.step_wait()
    env.recv()
    with pytest.raises(NothingPending, match="nothing has been asked"):
        env.recv()


@pytest.mark.parametrize("ids", [[0], [0, 1, 2], [1, 0], [1, 2], [4, 5], [-2, -1], [0.0, 1.0], "01", 0, [0, 1, 2, 3]])
def test_lanes_that_recv_did_not_give_are_refused_before_anything_is_sent(two_workers, lanes, ids):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    with pytest.raises(InvalidArgument, match="env_id: expected the 2 lanes of one episode"):
        env.send([0, 0], ids)
    with pytest.raises(InvalidArgument, match="the lanes of the last recv"):
        env.send([0, 0])
    with pytest.raises(NothingPending):
        env.recv()


@pytest.mark.parametrize("actions", [[0, 0, 0], [0] * 5, [0, 0, 0, 7], [0, 0, 0, "left"], 0])
def test_actions_that_do_not_fit_are_refused_before_any_episode_is_sent_any(two_workers, lanes, actions):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    with pytest.raises(InvalidAction, match="actions"):
        env.step(actions)
    with pytest.raises(InvalidAction, match="actions"):
        env.send(actions, [2, 3])
    assert env.step([0] * 4)[0].ravel().tolist() == [1] * 4


@pytest.mark.parametrize(("num_envs", "episodes"), [(256, 3), (2, 4)])
def test_lanes_that_cannot_be_spread_evenly_are_refused_with_both_numbers(num_envs, episodes):
    with pytest.raises(ValueError, match=f"each of {episodes} episodes, got {num_envs} lanes"):
        RemoteVectorEnv(CARTPOLE, num_envs, "amqp://127.0.0.1:1/", episodes=episodes)


@pytest.mark.parametrize("episodes", [0, -1, 2.0, True])
def test_a_number_of_episodes_that_makes_no_sense_is_refused(episodes):
    with pytest.raises(ValueError, match="episodes: expected a positive int"):
        gymbroker.make_vec(CARTPOLE, 2, "amqp://127.0.0.1:1/", episodes=episodes)


def test_a_step_that_is_overdue_can_be_waited_for_again_and_nothing_is_lost(two_workers, lanes, gate):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    env.step_async([0, 0, 0, WAIT])
    assert Gated.waiting.acquire(timeout=20)
    come_in(env, 1)
    for _ in range(2):
        with pytest.raises(StepTimeout, match="lanes 2 to 3: .*waited") as caught:
            env.step_wait(0.3)
        assert caught.value.env_id.tolist() == [2, 3]
    gate.set()
    assert env.step_wait()[0].ravel().tolist() == [1] * 4


def test_frames_that_were_overdue_are_dropped_when_they_come_and_stepping_goes_on(two_workers, lanes, gate):
    env = lanes(GATED, 4, episodes=2, render_mode="rgb_array")
    env.reset()
    env.send([WAIT, 0], [0, 1])
    with pytest.raises(AlreadyPending, match="lanes 0 to 1: .*render is not legal while act"):
        env.render()
    gate.set()
    assert env.recv()[0].ravel().tolist() == [1, 1]
    env._spread._ask(Render, {0: {}, 1: {}}, 20.0)  # as render() does before it waits
    with pytest.raises(NothingPending, match="the frame that was overdue has come, and is dropped"):
        env.step_wait()
    assert env.step([0] * 4)[0].ravel().tolist() == [2, 2, 1, 1]


def test_a_reset_overtakes_what_is_overdue(two_workers, lanes, gate):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    env.step_async([0, 0, 0, WAIT])
    assert Gated.waiting.acquire(timeout=20)
    with pytest.raises(StepTimeout):
        env.step_wait(0.3)
    gate.set()
    assert env.reset()[0].ravel().tolist() == [0] * 4
    assert env.step([0] * 4)[0].ravel().tolist() == [1] * 4


def test_what_one_episode_raises_names_its_lanes_and_the_others_go_on(two_workers, lanes):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    with pytest.raises(EnvError, match="lanes 2 to 3: .*told to") as caught:
        env.step([0, 0, 0, RAISE])
    assert caught.value.env_id.tolist() == [2, 3]
    env.send([0, 0], [0, 1])
    env.send([RAISE, 0], [2, 3])
    received = {}
    for _ in range(3):  # in any order: who is ready first
        try:
            observations, *_, infos = env.recv()
            received[tuple(infos["env_id"])] = observations.ravel().tolist()
        except EnvError as error:
            env.async_reset(env_id=error.env_id)
    assert received == {(0, 1): [2, 2], (2, 3): [0, 0]}
    assert env.step([0] * 4)[0].ravel().tolist() == [3, 3, 1, 1]


def test_lanes_of_an_episode_without_a_run_cannot_be_left_out_of_a_reset(two_workers, lanes):
    env = lanes(GATED, 4, episodes=2, autoreset_mode="disabled")
    mask = np.array([True, True, False, False])
    with pytest.raises(NotReset, match="lanes 2 to 3: .*call reset"):
        env.reset(options={"reset_mask": mask})
    env.reset()
    env.step([0] * 4)
    assert env.reset(options={"reset_mask": mask})[0].ravel().tolist() == [0, 0, 1, 1]


def test_a_worker_that_is_killed_takes_its_own_lanes_with_it_and_nobody_hangs(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1", processes=2):
        env = RemoteVectorEnv(COUNTING, 4, rabbit.url, episodes=2, make_timeout=30.0, resume_window=0.5)
        env.reset()
        os.kill(int(env.descriptions[1].worker.rpartition("/")[2]), signal.SIGKILL)
        with pytest.raises(WorkerLost, match="lanes 2 to 3: .*its env is lost") as caught:
            env.step([0] * 4)
        assert caught.value.env_id.tolist() == [2, 3]
        with pytest.raises(EnvClosed, match="lanes 2 to 3: .*its env is lost"):
            env.step([0] * 4)
        env.send([0, 0], [0, 1])
        assert env.recv()[0].ravel().tolist() == [2, 2]
        env.close()


def test_a_connection_that_breaks_is_resumed_by_all_episodes_without_stepping_twice(two_workers, lanes, broker_url):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    for turn in range(1, 4):
        if turn < 3:
            env.step_async([0] * 4)
        shared(broker_url, timeout_s=5.0).close()
        five = env.step_wait() if turn < 3 else env.step([0] * 4)
        assert five[0].ravel().tolist() == [turn] * 4


def test_a_broker_that_breaks_the_new_connection_too_costs_no_lane_anything(two_workers, lanes, broker_url, flapping):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    shared(broker_url, timeout_s=5.0).close()
    flapping(2)
    assert env.step([0] * 4)[0].ravel().tolist() == [1] * 4


def test_after_a_broker_that_was_away_the_wait_goes_on_for_all_episodes(
    two_workers, lanes, broker_url, flapping, monkeypatch
):
    monkeypatch.setattr(Session, "revive", lambda _: None)  # the step is what comes back
    env = lanes(GATED, 4, episodes=2, reconnect_timeout=0.0)
    env.reset()
    shared(broker_url, timeout_s=5.0).close()
    flapping(1)
    with pytest.raises(ConnectionLost):
        env.step([0] * 4)
    assert env.step_wait()[0].ravel().tolist() == [1] * 4


def test_a_reply_that_has_come_counts_before_a_worker_is_taken_for_lost(two_workers, lanes):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    env.step_async([0] * 4)
    come_in(env, 2)
    for session in env._gathering.sessions:
        session.lost_until = env._gathering._look_at = 0.0  # as if its queue had been away, while nobody waited
    assert env.step_wait()[0].ravel().tolist() == [1] * 4


def test_a_connection_that_breaks_while_nobody_waits_is_mended_by_the_caretaker(two_workers, lanes, broker_url):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    sessions = env._gathering.sessions
    shared(broker_url, timeout_s=5.0).close()
    eventually(lambda: not any(session.connection.closed for session in sessions), "both came back")
    assert env.step([0] * 4)[0].ravel().tolist() == [1] * 4


def test_if_one_episode_cannot_be_opened_none_is(serve, lanes, patience):
    one = serve(GATED, capacity=2)
    with pytest.raises(NoFreeWorker, match="2 of 3 episodes had been opened, and are closed again"):
        lanes(GATED, 3, episodes=3, make_timeout=patience)
    eventually(lambda: free(one), "the slots are free")
    assert lanes(GATED, 2, episodes=2).reset()[0].ravel().tolist() == [0, 0]


def test_where_one_thread_cannot_be_had_no_episode_is_left_open(serve, lanes, monkeypatch):
    one, start = serve(GATED, capacity=2), threading.Thread.start
    left = iter(range(1))

    def refusing(thread):
        if thread.name == "opening an episode" and next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)
    with pytest.raises(RuntimeError, match="can't start"):
        lanes(GATED, 2, episodes=2)
    eventually(lambda: free(one), "the slots are free")


def test_an_episode_that_is_being_made_when_another_fails_is_closed_when_it_is_there(serve, lanes, gate, patience):
    workers = [serve(GATED, capacity=1), serve(GATED, capacity=1, env_kwargs={"slow": True})]
    with pytest.raises(NoFreeWorker, match="1 of 3 episodes had been opened"):
        lanes(GATED, 3, episodes=3, make_timeout=patience)
    assert Gated.waiting.acquire(timeout=20)
    gate.set()
    eventually(lambda: free(*workers), "the slots are free")


def test_what_a_user_writes_into_long_observations_is_not_observed_again(serve, lanes):
    serve(SIZED, env_kwargs={"size": 20_000})
    env = lanes(SIZED, 4, episodes=2, autoreset_mode="disabled")
    env.reset()
    for _ in range(2):
        env.send([1, 1], env_id=[0, 1])
        seen = env.recv()[0]
        assert seen.flags.writeable
        seen[:] = -5
    env.send([1, 1], env_id=[2, 3])
    env.recv()
    whole = env.reset(options={"reset_mask": np.array([False, False, True, False])})[0]
    assert whole[:, 0].tolist() == whole[:, -1].tolist() == [2, 2, 0, 1]


def test_workers_that_do_not_serve_the_same_env_are_named(serve, lanes):
    workers = [serve(SIZED, capacity=1, env_kwargs={"size": size}) for size in (1, 2)]
    with pytest.raises(ProtocolFailure, match="do not serve the same env: it has another observation_space"):
        lanes(SIZED, 2, episodes=2)
    eventually(lambda: free(*workers), "the slots are free")


def test_slots_are_free_after_close_and_after_the_env_is_dropped(two_workers, lanes, broker_url):
    env = lanes(GATED, 4, episodes=2)
    env.reset()
    env.close()
    eventually(lambda: free(*two_workers), "the slots are free")  # the answer to a close is sent a moment before
    with pytest.raises(EnvClosed):
        env.step([0] * 4)
    env = RemoteVectorEnv(GATED, 4, broker_url, episodes=2, make_timeout=20.0)
    env.reset()
    del env
    gc.collect()
    eventually(lambda: free(*two_workers), "the slots are free")
