"""Threads, forks, broken connections, hostile bytes, strangers' versions, two users: one broker, many hands."""

from __future__ import annotations

import os
import signal
import threading
import time

import msgpack
import pytest

from agent_worker import RemoteEnv
from agent_worker.errors import BadKwargs, EnvClosed, WorkerLost
from broker import shared, topology
from broker.errors import AccessRefused, ConnectionForked
from broker.permissions import rabbitmqctl_commands
from protocol.codec import encode
from protocol.errors import ErrorCode
from protocol.messages import OUTSIDE, Accepted, Error, Percept, Reset, Status
from tests.support.commands import eventually, worker
from tests.support.stranger import Stranger

COUNTING = "tests.support.envs:Counting"


@pytest.fixture
def stranger(broker_url, serve):
    """A stranger at a broker where a worker serves."""
    serve(COUNTING)
    one = Stranger(broker_url)
    yield one
    one.connection.close()


def test_many_threads_share_one_connection(serve, remote, broker_url):
    serve(COUNTING, capacity=40)
    failures: list[BaseException] = []

    def play() -> None:
        try:
            env = remote(COUNTING)
            env.reset()
            for turn in range(1, 60):
                assert env.step(0)[0] == [turn]
            env.close()
        except BaseException as failure:  # noqa: BLE001 - shown by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=play) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert failures == []


def test_after_a_fork_the_child_gets_a_named_error_or_a_connection_of_its_own(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING):
        env = RemoteEnv(COUNTING, rabbit.url)
        env.reset()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            said = b"nothing"
            try:
                env.step(0)
            except ConnectionForked:
                own = RemoteEnv(COUNTING, rabbit.url)
                own.reset()
                said = b"forked, own %d" % own.step(0)[0][0]
                own.close()
            except BaseException as failure:  # noqa: BLE001 - told to the parent
                said = repr(failure).encode()
            finally:
                os.write(write, said)
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            assert pipe.read() == b"forked, own 1"
        os.waitpid(child, 0)
        assert env.step(0)[0] == [1]
        env.close()


def test_a_reset_by_another_thread_than_the_one_that_closes_is_refused_as_after_it(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    assert env._session.begin_close()
    with pytest.raises(EnvClosed, match="reset after the episode has ended"):
        env.reset()
    with pytest.raises(EnvClosed, match="act after the episode has ended"):
        env.step(0)
    env.close()


def test_a_connection_that_breaks_is_resumed_without_stepping_twice(serve, remote, broker_url):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    env.step(0)
    connection = shared(broker_url, timeout_s=5.0)
    if hasattr(connection, "lose"):
        connection.lose("a test")
    else:
        connection.close()
    assert env.step(0)[0] == [2]
    assert shared(broker_url, timeout_s=5.0) is not connection
    assert env.step(0)[0] == [3]


def test_both_sides_come_back_when_the_broker_breaks_all_connections(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING) as one:
        env = RemoteEnv(COUNTING, rabbit.url)
        env.reset()
        for round_ in range(1, 4):
            assert env.step(0)[0] == [round_]
            rabbit.ctl("close_all_connections", "--vhost", "/", "a test")
            eventually(lambda round_=round_: one.said.count("connecting again") >= round_, "the worker noticed")
        assert env.step(0)[0] == [4]
        env.close()


def test_a_worker_s_stepper_that_pauses_is_not_lost(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING) as one:
        env = RemoteEnv(COUNTING, rabbit.url)
        env.reset()
        pid = one.steppers()[0]
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(2.5, os.kill, (pid, signal.SIGCONT))
        timer.start()
        assert env.step(0)[0] == [1]
        timer.join()
        env.close()


def test_resume_window_0_raises_at_once(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING):
        env = RemoteEnv(COUNTING, rabbit.url, resume_window=0.0, trouble={"1": "exit"})
        env.reset()
        with pytest.raises(WorkerLost):
            env.step(0)
        env.close()


def test_versions_that_nobody_speaks_are_refused_with_both_named(stranger):
    stranger.ask(COUNTING, encode(stranger.make(COUNTING, versions=[98, 99])))
    assert isinstance(stranger.hear(), Accepted)
    error = stranger.hear()
    assert isinstance(error, Error)
    assert (error.code, error.ends) == (ErrorCode.UNSUPPORTED_VERSION.value, True)
    assert "[98, 99]" in error.text
    assert error.text.endswith("this worker speaks [1]")


def test_a_make_of_another_wire_version_is_answered_at_the_control_key(stranger):
    stranger.ask(COUNTING, msgpack.packb([99, "make", stranger.episode, -1, {"all": "new"}]))
    error = stranger.hear()
    assert (error.code, error.ends) == (ErrorCode.UNSUPPORTED_VERSION.value, True)
    assert "99" in error.text


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, os.urandom(64), b"\x80"],
    ids=["nothing", "no msgpack", "too long", "too deep", "noise", "a map"],
)
def test_hostile_bytes_to_the_queue_of_requests_harm_nobody(stranger, remote, body):
    stranger.ask(COUNTING, body)
    assert remote(COUNTING).reset()[0] == [0]


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, b"\x80"])
def test_hostile_bytes_in_an_episode_are_answered_by_name_and_the_episode_goes_on(stranger, body):
    key = stranger.open(COUNTING)
    stranger.connection.send(topology.ACTS, key, body)
    error = stranger.hear()
    assert (error.code, error.fault, error.step_id) == (ErrorCode.MALFORMED.value, "agent", OUTSIDE)
    stranger.connection.send(topology.ACTS, key, encode(Reset(stranger.episode, 0, stranger.incarnation)))
    assert isinstance(stranger.hear(), Percept)


def test_a_truncated_act_is_answered_and_the_whole_one_after_it_is_executed(stranger):
    key = stranger.open(COUNTING)
    body = encode(Reset(stranger.episode, 0, stranger.incarnation, seed=1))
    stranger.connection.send(topology.ACTS, key, body[:-1])
    assert stranger.hear().code == ErrorCode.MALFORMED.value
    stranger.connection.send(topology.ACTS, key, body)
    assert isinstance(stranger.hear(), Percept)


def test_a_make_for_an_env_of_another_queue_is_refused(stranger):
    stranger.ask(COUNTING, encode(stranger.make("os:system")))
    error = stranger.hear()
    assert (error.code, error.ends) == (ErrorCode.UNKNOWN_ENV.value, True)
    assert "'os:system' is not served here; served: tests.support.envs:Counting" in error.text


@pytest.mark.parametrize("fields", [{"num_envs": 5000}, {"world": "w"}, {"seat": "s"}])
def test_what_this_worker_can_not_host_is_refused_by_name(stranger, fields):
    stranger.ask(COUNTING, encode(stranger.make(COUNTING, **fields)))
    assert isinstance(stranger.hear(), Accepted)
    assert stranger.hear().code == ErrorCode.BAD_KWARGS.value


@pytest.mark.parametrize("num_envs", [0, -1, True, 2.0, "4"])
def test_a_number_of_lanes_that_makes_no_sense_is_answered_by_name_and_nobody_is_harmed(stranger, remote, num_envs):
    fields = msgpack.unpackb(encode(stranger.make(COUNTING, num_envs=77)))
    fields[fields.index(77)] = num_envs
    stranger.ask(COUNTING, msgpack.packb(fields))
    error = stranger.hear()
    assert (error.code, error.fault, error.ends) == (ErrorCode.MALFORMED.value, "agent", True)
    assert "num_envs" in error.text
    assert remote(COUNTING).reset()[0] == [0]


def test_a_repeated_request_is_answered_from_memory_through_the_broker(stranger):
    key = stranger.open(COUNTING)
    body = encode(Reset(stranger.episode, 0, stranger.incarnation))
    replies = []
    for _ in range(3):
        stranger.connection.send(topology.ACTS, key, body)
        replies.append(stranger.hear())
    assert replies[0].info["draw"] == replies[1].info["draw"] == replies[2].info["draw"]


def test_a_flood_of_makes_of_one_episode_opens_one(stranger, remote):
    for _ in range(10):
        stranger.ask(COUNTING, encode(stranger.make(COUNTING)))
    assert isinstance(stranger.hear(), Accepted)
    assert isinstance(stranger.hear(), Status)
    assert remote(COUNTING).reset()[0] == [0]


def test_kwargs_that_are_no_keyword_arguments_are_refused(serve, remote):
    serve(COUNTING)
    with pytest.raises(BadKwargs):
        remote(COUNTING, **{"not an identifier": 1}).open()


def test_each_side_works_under_a_user_of_its_own_and_is_refused_what_is_the_other_s(rabbit, tmp_path):
    try:
        for command in rabbitmqctl_commands("/", env_user="owner", agent_user="learner"):
            rabbit.ctl(*command, *[f"{command[1]}-password"] * (command[0] == "add_user"))
        owner, learner = (rabbit.url_of(user, f"{user}-password") for user in ("owner", "learner"))
        with worker(owner, tmp_path / "log", COUNTING):
            env = RemoteEnv(COUNTING, learner)
            env.reset()
            assert env.step(0)[0] == [1]
            mailbox, deadline = shared(learner, timeout_s=5.0).mailbox(), time.monotonic() + 10.0
            with pytest.raises(AccessRefused):
                shared(learner, timeout_s=5.0).serve(COUNTING, mailbox, None, deadline)
            assert env.step(0)[0] == [2]
            env.close()
    finally:
        for user in ("owner", "learner"):
            rabbit.ctl("delete_user", user)
