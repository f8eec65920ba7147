"""What ``on_worker_loss`` makes of processes that are killed, hang, drain or come back, over a real RabbitMQ."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack

import gymnasium
import pytest
from gymnasium.vector import SyncVectorEnv

from agent_worker import RemoteVectorEnv
from agent_worker.errors import EpisodeEnded, GivenUp, WorkerLost
from agent_worker.opening import open_episode
from agent_worker.wish import Wish
from broker import shared, topology
from broker.port import Receipt
from protocol.codec import encode
from protocol.messages import Percept
from tests.support.commands import Worker, eventually, worker
from tests.support.equal import identical
from tests.support.hosting import Site
from tests.support.losing import DOOMED, JOURNALED, kill, lives, stepper_of, vanish

COUNTING, CARTPOLE = "tests.support.envs:Counting", "CartPole-v1"
REPLAY = {"on_worker_loss": "replay", "resume_window": 0.2}


@pytest.fixture
def start(rabbit, tmp_path):
    """``start(COUNTING, processes=2)`` starts an env worker that serves until the test ends."""
    with ExitStack() as workers:

        def begin(*arguments: str, processes: int = 1) -> Worker:
            return workers.enter_context(worker(rabbit.url, tmp_path / "log", *arguments, processes=processes))

        yield begin


@pytest.fixture
def far(rabbit):
    """``far(COUNTING)`` gives a remote env at that broker; close it."""
    return Site(rabbit.url)


def test_a_step_that_kills_its_worker_stops_after_three_and_the_fleet_lives(start, far):
    one = start(COUNTING)
    env = far(COUNTING, trouble={"2": "exit"}, **REPLAY)
    env.reset(seed=1)
    env.step(0)
    with pytest.raises(WorkerLost, match="its env is lost; 3 workers were lost over one request; not asking more"):
        env.step(0)
    one.wait_for("serving", 4)
    assert one.said.count("serving") == 4
    assert far(COUNTING).reset()[0] == [0]
    env.close()


@pytest.mark.parametrize("once", [True, False])
def test_a_worker_that_is_lost_while_it_replays_counts_as_one_of_three(start, far, tmp_path, once):
    one, flag = start(DOOMED, COUNTING), tmp_path / "flag"
    env = far(DOOMED, flag=str(flag), once=once, **REPLAY)
    env.reset(seed=1)
    for _ in range(4):
        env.step(0)
    flag.touch()
    kill(env.description)
    if once:
        assert env.step(0)[0] == [5]
        one.wait_for("serving", 3)
    else:
        with pytest.raises(WorkerLost, match="3 workers were lost over one request; not asking more"):
            env.step(0)
        one.wait_for("serving", 4)
    assert far(COUNTING).reset()[0] == [0]
    env.close()


def test_who_stood_beside_an_env_that_hung_goes_on_elsewhere_and_the_hung_one_does_not(start, far):
    start(COUNTING, "--step-timeout", "5")
    hung, beside = far(COUNTING, trouble={"2": 600}, **REPLAY), far(COUNTING, **REPLAY)
    for env in (hung, beside):
        env.reset(seed=1)
        env.step(0)
    with pytest.raises(EpisodeEnded, match="step timeout of 5 s"):
        hung.step(0)
    assert beside.step(0)[0] == [2]
    for env in (hung, beside):
        env.close()


def test_a_worker_that_is_drained_hands_its_runs_on(start, far, rabbit, tmp_path):
    one = start(COUNTING, "--drain-timeout", "0.2")
    env = far(COUNTING, **REPLAY)
    env.reset(seed=1)
    env.step(0)
    assert one.stop() == 0
    with worker(rabbit.url, tmp_path / "other", COUNTING):
        assert env.step(0)[0] == [2]
    env.close()


def test_a_worker_that_was_stopped_and_comes_back_cannot_answer_for_what_another_one_has(start, rabbit, tmp_path):
    journal = tmp_path / "journal"
    one = start(JOURNALED, "--capacity", "1", processes=2)
    env = RemoteVectorEnv(JOURNALED, 1, rabbit.url, game=CARTPOLE, journal=str(journal), make_timeout=60.0, **REPLAY)
    local = SyncVectorEnv([lambda: gymnasium.make(CARTPOLE, disable_env_checker=True)])
    assert identical(env.reset(seed=1)[0], local.reset(seed=1)[0])
    assert identical(env.step([1])[0], local.step([1])[0])
    former = env.description.worker
    stopped = stepper_of(env.description)
    os.kill(stopped, signal.SIGSTOP)
    try:
        env.step_async([0])  # it lies in the socket of who is stopped
        close_connection_of(rabbit, former)
        assert identical(env.step_wait()[0], local.step([0])[0])
        assert env.description.worker != former
    finally:
        os.kill(stopped, signal.SIGCONT)
    one.wait_for("connecting again")
    for turn in range(20):
        assert identical(env.step([turn % 2])[0], local.step([turn % 2])[0])
    env.close()
    first, second = lives(journal)
    assert second[: len(first)] == first  # each executed a step once, the same ones
    assert len(second) == 23


def close_connection_of(rabbit, name):
    """Break the connection of the env worker of that name."""
    for line in rabbit.ctl("list_connections", "pid", "client_properties").splitlines():
        if f"env worker {name}" in line:
            rabbit.ctl("close_connection", line.split()[0], "a test")
            return
    raise AssertionError(f"no connection of {name}")


def test_what_a_former_worker_says_is_not_taken_for_an_answer(serve, remote, broker_url):
    one = serve(COUNTING)
    env = remote(COUNTING, on_worker_loss="replay", resume_window=0.0)
    env.reset(seed=1)
    former = env._session.token
    vanish(one)
    assert env.step(0)[0] == [1]
    new = env._session.token
    assert (former.episode != new.episode, former.worker != new.worker) == (True, True)
    connection, deadline = shared(broker_url, timeout_s=5.0), time.monotonic() + 20.0
    answer = {"reward": 9.0, "terminated": True, "truncated": True, "info": {}, "observation": bytes(8)}
    for episode in (former.episode, new.episode):  # to the next act, and in the queue before the worker's own answer
        late = encode(Percept(episode, new._next, former.worker, **answer))
        key = topology.percept_key(new.episode, connection.incarnation)
        assert connection.publish(topology.PERCEPTS, key, late, deadline=deadline) is Receipt.ROUTED
    observation, reward, *_ = env.step(0)
    assert (observation, reward) == ([2], 0.0)
    assert {"another episode", "another incarnation"} & set(new.ignored)


def test_an_opening_that_is_given_up_in_the_moment_when_a_worker_has_opened_it_frees_the_slot(serve, broker_url):
    one = serve(COUNTING, lease=600.0, resume_window=600.0)  # it is told, or would not know
    stepper, opened = one._stepper, threading.Event()
    announce = stepper._announce

    def announced():
        announce()
        if stepper.slots:
            opened.set()

    stepper._announce = announced

    class Late(threading.Event):
        def is_set(self):
            return opened.wait(20)

    with pytest.raises(GivenUp):
        open_episode(Wish(broker=broker_url, env_id=COUNTING), Late())
    eventually(lambda: not stepper.slots, "the slot is free")
