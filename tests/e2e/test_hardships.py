"""What envs, agents, collectors of garbage and brokers do in the wild, and who must not suffer from it."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import weakref

import gymnasium
import pytest

import gymbroker
from agent_worker import RemoteEnv, RemoteVectorEnv
from agent_worker.errors import BadKwargs, Busy, EnvClosed, EnvError, InvalidArgument, StepTimeout, WorkerLost
from agent_worker.session import Session
from broker import BrokerUnreachable, connect, shared, topology
from broker.port import Arrival, Kind
from protocol.agent_dialogue import AgentDialogue
from tests.support.commands import ROOT, Worker, as_child, environment, eventually, worker
from tests.support.paced import GATED, WAIT, Gated

COUNTING = "tests.support.envs:Counting"
RAISING = "tests.support.envs:Raising"
KINDS = ["surrogate", "huge", "no text", "exiting text", "stop", "cancelled", "exit", "odd arguments"]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_an_env_raises_costs_nobody_else_anything(serve, remote, kind):
    serve(RAISING, COUNTING)
    env, neighbour = remote(RAISING, kind=kind), remote(COUNTING)
    env.reset()
    neighbour.reset()
    with pytest.raises(EnvError, match="step raised"):
        env.step(0)
    assert env.step(0)[0] == [2]
    assert neighbour.step(0)[0] == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_an_env_raises_when_it_is_closed_costs_nobody_anything(serve, remote, kind):
    serve(RAISING, capacity=1)
    for _ in range(2):
        env = remote(RAISING, kind=kind, where="close")
        env.reset()
        env.close()


def test_arguments_with_enormous_names_are_refused_and_the_worker_lives_on(serve, remote):
    serve(COUNTING)
    with pytest.raises(BadKwargs):
        remote(COUNTING, **{"A" * 40_000: 1}).open()
    assert remote(COUNTING).reset()[0] == [0]


def test_a_connection_that_breaks_while_one_stands_in_line_costs_nothing(serve, remote, broker_url):
    env = remote(COUNTING, make_timeout=30.0)
    waiting = threading.Thread(target=env.open)
    waiting.start()
    shared(broker_url, timeout_s=5.0).close()
    serve(COUNTING)
    waiting.join(40)
    assert env.reset()[0] == [0]


def test_a_broker_that_breaks_the_new_connection_too_costs_nothing(serve, remote, broker_url, flapping):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    shared(broker_url, timeout_s=5.0).close()
    flapping(2)
    assert env.step(0)[0] == [1]


def test_a_resume_that_is_lost_with_its_connection_is_said_by_the_next(serve, remote, broker_url, monkeypatch):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    move, moves = Session._move, []

    def losing(session, connection, *rest):
        moves.append(connection)
        if len(moves) == 1:
            send = connection.send
            connection.send = lambda *_: (connection.close(), send(*_))  # what it says first goes down with it
        move(session, connection, *rest)

    monkeypatch.setattr(Session, "_move", losing)
    shared(broker_url, timeout_s=5.0).close()
    assert env.step(0)[0] == [1]
    assert len(moves) == 2


def test_a_dead_agent_loses_its_slot_however_often_the_worker_s_connection_breaks(serve, remote, monkeypatch):
    monkeypatch.setattr("env_worker.slot.RETURN_S", 1.0)
    monkeypatch.setattr(Session, "revive", lambda _: None)  # it is dead: nobody brings it back
    stepper = serve(COUNTING, resume_window=0.0)._stepper
    env = remote(COUNTING)
    env.reset()
    env._session.connection.close()

    (slot,) = stepper.slots.values()
    given = []  # until when it may come back
    for _ in range(3):
        broken = stepper._connection
        broken.close()
        eventually(
            lambda broken=broken: (
                not stepper.slots or (stepper._connection is not broken and slot.lost_since is not None)
            ),
            "the agent cannot be reached by the new connection",
        )
        given.append(slot.return_by)
    assert len(set(given)) == 1, "a connection that breaks again gives it no new time"
    eventually(lambda: not stepper.slots, "its slot is free")


def test_a_request_goes_again_once_after_connections_that_broke_one_after_the_other(
    serve, remote, broker_url, monkeypatch
):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    move, moves, repeats, repeat = Session._move, [], [], AgentDialogue.repeat

    def losing(session, connection, *rest):
        moves.append(connection)
        if len(moves) <= 12:
            send = connection.send
            connection.send = lambda *_: (connection.close(), send(*_))
        move(session, connection, *rest)

    def repeating(dialogue):
        repeats.append(dialogue)
        return repeat(dialogue)

    monkeypatch.setattr(Session, "_move", losing)
    monkeypatch.setattr(AgentDialogue, "repeat", repeating)
    monkeypatch.setattr("agent_worker.session.backoff", lambda _: 0.0)
    monkeypatch.setattr(Session, "revive", lambda _: None)  # the step is what comes back
    shared(broker_url, timeout_s=5.0).close()
    assert env.step(0)[0] == [1]
    assert env.step(0)[0] == [2]
    assert (len(moves), len(repeats)) == (13, 1)


def test_a_worker_whose_connection_breaks_while_it_takes_its_last_slot_keeps_nothing_of_that(
    serve, remote, monkeypatch
):
    stepper, broken = serve(COUNTING, capacity=1)._stepper, []
    leave = stepper._requests.leave

    def breaking():
        if not broken:
            broken.append(stepper._connection)
            stepper._connection.close()
        leave()

    monkeypatch.setattr(stepper._requests, "leave", breaking)
    assert remote(COUNTING, make_timeout=60.0).reset()[0] == [0]
    assert broken


def test_what_comes_back_from_the_former_name_of_an_agent_does_not_mean_that_it_is_gone(serve, remote):
    stepper = serve(COUNTING)._stepper
    remote(COUNTING).reset()
    (slot,) = stepper.slots.values()
    former = topology.percept_key(slot.episode.dialogue.episode, "0" * 16)
    for key, gone in ((former, False), (slot.key, True)):
        stepper.handle(Arrival(Kind.RETURNED, slot, b"", key))
        assert (slot.lost_since is not None) is gone


def test_a_queue_of_requests_that_an_operator_deletes_is_made_anew(rabbit, tmp_path):
    ids = "gymbroker/Deleted-v0", "gymbroker/Kept-v0"
    code = "import gymnasium\nfrom tests.support.envs import Counting\n"
    code += "".join(f"gymnasium.register({env_id!r}, entry_point=Counting)\n" for env_id in ids)
    (tmp_path / "two_envs.py").write_text(code)
    with worker(rabbit.url, tmp_path / "log", *ids, "--import", "two_envs", cwd=tmp_path):
        running = RemoteEnv(ids[0], rabbit.url)
        running.reset()
        rabbit.ctl("delete_queue", f"requests.{ids[0]}")
        for env_id in ids:
            env = RemoteEnv(env_id, rabbit.url, make_timeout=60.0)
            assert env.reset()[0] == [0]
            env.close()
        assert running.step(0)[0] == [1]
        running.close()


def test_a_full_queue_of_requests_is_busy_at_once(monkeypatch):
    monkeypatch.setattr(topology, "REQUESTS_LENGTH", 0)
    url = "memory://full"
    connection = connect(url, timeout_s=5.0)
    connection.declare_exchanges(time.monotonic() + 5.0)
    serving = connection.serve(COUNTING, connection.mailbox(), None, time.monotonic() + 5.0)
    connection.cancel(serving)  # the queue stays, and nobody takes from it
    with pytest.raises(Busy, match="the queue of requests for it is full"):
        RemoteEnv(COUNTING, url, make_timeout=20.0).open()
    connection.close()


def test_an_info_that_is_no_dict_is_the_env_s_fault_and_the_episode_goes_on(serve, remote):
    serve("tests.support.envs:Mute")
    env = remote("tests.support.envs:Mute")
    env.reset()
    for _ in range(2):
        with pytest.raises(EnvError, match="percept.info: expected dict, got None.*fault of the env"):
            env.step(0)


TIMES = ["make_timeout", "step_timeout", "resume_window", "connect_timeout", "reconnect_timeout"]


@pytest.mark.parametrize("kind", [RemoteEnv, RemoteVectorEnv])
@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(
    "value", [None, "3", -1, float("nan"), float("inf"), 10**400], ids=lambda value: f"{value!r:.4}"
)
def test_a_time_to_wait_that_is_none_is_refused_before_anything_is_sent(kind, name, value):
    with pytest.raises(InvalidArgument, match=f"{name}: expected seconds, 0 or more, but not for ever, got"):
        kind(COUNTING, broker="amqp://127.0.0.1:1/", **{name: value})


def test_what_cannot_be_sent_is_refused_before_it_is(serve, remote, broker_url):
    serve(COUNTING)
    with pytest.raises(BadKwargs, match=r"x.1 \(a threading.Event|x.1 \(a .*Event"):
        remote(COUNTING, x=[0, threading.Event()])
    with pytest.raises(InvalidArgument, match="env_id: expected a str, got int"):
        remote(3)
    with pytest.raises(InvalidArgument, match="env_id"):
        remote("\udcff")
    with pytest.raises(BadKwargs, match="render_mode"):
        RemoteEnv(COUNTING, broker_url, render_mode=7).open()
    env = remote(COUNTING)
    with pytest.raises(InvalidArgument, match="options: a"):
        env.reset(options={"a": object()})
    with pytest.raises(InvalidArgument, match="options"):
        env.reset(options=[1])
    assert env.reset(seed=True)[1]["seed"] == 1


def test_what_is_known_of_an_env_stays_known_after_close(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    spaces = env.action_space, env.observation_space
    env.close()
    assert (env.action_space, env.observation_space) == spaces
    assert env.metadata["render_fps"] == 4
    assert env.spec.kwargs["env_id"] == COUNTING
    assert COUNTING in str(env)
    with pytest.raises(EnvClosed):
        env.reset()


def test_an_env_whose_spaces_cannot_be_built_here_leaves_no_episode_behind(serve, broker_url):
    one = serve("tests.support.envs:Everything", capacity=1)
    for _ in range(2):
        with pytest.raises(InvalidArgument, match="gym 0.26 has not"):
            gymbroker.make("tests.support.envs:Everything", broker_url, api="gym", make_timeout=20.0)
    eventually(lambda: one._stepper.slots == {}, "the slot is free")


def test_a_dropped_env_in_a_cycle_is_closed_wherever_the_collector_strikes(serve, broker_url):
    one = serve(COUNTING, capacity=100)
    env = RemoteEnv(COUNTING, broker_url)
    env.reset()
    former = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for turn in range(1, 60):
            dropped = RemoteEnv(COUNTING, broker_url).open()
            dropped.itself = dropped
            del dropped
            assert env.step(0)[0] == [turn]
    finally:
        gc.set_threshold(*former)
    gc.collect()
    eventually(lambda: len(one._stepper.slots) == 1, "the dropped ones are closed")
    env.close()


def test_a_session_that_the_caretaker_has_looked_at_is_freed_when_it_is_closed(serve, remote, monkeypatch):
    looked, revive = threading.Event(), Session.revive
    monkeypatch.setattr(Session, "revive", lambda session: (revive(session), looked.set()))
    serve(COUNTING)
    env = remote(COUNTING).open()
    assert looked.wait(20)
    session = weakref.ref(env._session)
    env.close()
    eventually(lambda: gc.collect() >= 0 and session() is None, "the session is gone", timeout=10.0)


def test_an_env_can_be_closed_while_the_caretaker_looks_for_its_broker(serve, remote, monkeypatch):
    serve(COUNTING)
    env = remote(COUNTING).open()
    looking, found = threading.Event(), threading.Event()

    def look(*_: object, **__: object) -> None:
        looking.set()
        found.wait(60)
        raise BrokerUnreachable("not there")

    monkeypatch.setattr("agent_worker.session.shared", look)
    env._session.connection.close()
    assert looking.wait(20)
    closing = threading.Thread(target=env.close)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    assert not found.is_set()
    found.set()


class ClosesWhenCollected(gymnasium.Wrapper):
    """As the wrappers of TorchRL do."""

    def __del__(self):
        self.env.close()


@pytest.mark.parametrize(
    "make",
    [lambda url: ClosesWhenCollected(RemoteEnv(COUNTING, url).open()), lambda url: RemoteVectorEnv(COUNTING, 2, url)],
    ids=["wrapper", "lanes"],
)
def test_a_close_by_the_collector_in_the_middle_of_a_request_waits_for_nobody(serve, broker_url, make, monkeypatch):
    monkeypatch.setattr("agent_worker.remote.CLOSE_TIMEOUT_S", 1000.0)
    monkeypatch.setattr("agent_worker.remote_vector_env.CLOSE_TIMEOUT_S", 1000.0)
    one = serve(COUNTING, capacity=100)
    env = RemoteEnv(COUNTING, broker_url)
    env.reset()
    dice, former = random.Random(1), gc.get_threshold()
    try:
        for turn in range(1, 100):
            gc.disable()
            dropped = make(broker_url)
            dropped.itself = dropped
            del dropped
            gc.set_threshold(gc.get_count()[0] + dice.randrange(1, 60), 1, 1)
            gc.enable()
            assert env.step(0)[0] == [turn]
    finally:
        gc.set_threshold(*former)
        gc.enable()
    gc.collect()
    eventually(lambda: len(one._stepper.slots) == 1, "the dropped ones are closed")
    monkeypatch.undo()
    env.close()


def test_a_signal_handler_may_close_an_env_that_waits(serve, broker_url, gate):
    serve(GATED)
    env = RemoteEnv(GATED, broker_url)
    env.reset()

    heard = threading.Event()

    def close(*_):
        heard.set()
        env.close()
        gate.set()

    def strike():
        assert Gated.waiting.acquire(timeout=20)
        os.kill(os.getpid(), signal.SIGUSR1)
        while not heard.wait(0.1):  # Python hears a signal that comes right before its wait after that wait only
            os.kill(os.getpid(), signal.SIGUSR1)

    former = signal.signal(signal.SIGUSR1, close)
    sender = threading.Thread(target=strike)
    sender.start()
    try:
        assert env.step(WAIT)[0] == [1]
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, former)
    with pytest.raises(EnvClosed):
        env.step(0)


@pytest.mark.parametrize("strikes", range(5))
def test_ctrl_c_over_memory_leaves_an_env_that_can_be_reset(strikes):
    """In the main thread of a program of its own: the signal strikes at random in 40 ms of stepping."""
    code = f"""
import os, random, signal, threading, gymbroker
random.seed({strikes})
env = gymbroker.make({COUNTING!r}, "memory://ctrl-c", step_timeout=5.0)
for _ in range(5):
    env.reset()
    threading.Timer(0.02 + random.random() / 50, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            env.step(0)
    except KeyboardInterrupt:
        pass
env.reset()
assert env.step(0)[0] == [1]
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=as_child,
    )
    assert done.returncode == 0, done.stderr


def test_memory_works_in_a_forked_child():
    env = gymbroker.make(COUNTING, "memory://before-the-fork")
    env.reset()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        said = b"failed"
        try:
            own = gymbroker.make(COUNTING, "memory://before-the-fork", make_timeout=5.0)
            own.reset()
            said = b"%d" % own.step(0)[0][0]
        finally:
            os.write(write, said)
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"1"
    os.waitpid(child, 0)
    assert env.step(0)[0] == [1]
    env.close()


def test_a_program_that_ends_with_an_env_open_frees_its_slot(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1"):
        code = f"import gymbroker; gymbroker.make({COUNTING!r}, {rabbit.url!r}).reset()"
        for _ in range(2):
            done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def test_an_import_that_raises_ends_the_worker_with_a_text(rabbit, tmp_path):
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('no licence')")
    os.environ["PYTHONPATH"] = str(tmp_path)
    try:
        one = Worker(rabbit.url, tmp_path / "log", COUNTING, "--import", "broken_module")
        one.process.wait(30)
    finally:
        del os.environ["PYTHONPATH"]
    assert one.process.returncode == 1
    assert "cannot import 'broken_module'" in one.said


def test_an_env_that_holds_the_interpreter_is_killed_and_its_agent_learns_it(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", "tests.support.envs:HoldsTheLock", "--step-timeout", "3") as one:
        env = RemoteEnv("tests.support.envs:HoldsTheLock", rabbit.url, resume_window=0.5)
        env.reset()
        with pytest.raises(WorkerLost):
            env.step(0)
        one.wait_for("serving", 2)
        env.close()


@pytest.mark.parametrize("broker_url", ["amqp"], indirect=True)
def test_a_close_after_a_step_that_was_given_up_finds_a_worker_that_has_come_back(serve, remote):
    """Over ``memory://`` who waits for a step may be who does it, and gives nothing up."""
    stepper = serve(COUNTING, lease=1000.0)._stepper
    env = remote(COUNTING, trouble={"1": 2.0})
    env.reset()
    env.step_timeout = 0.2
    with pytest.raises(StepTimeout):
        env.step(0)
    broken = stepper._connection
    broken.close()

    def back() -> bool:
        with stepper._turn:  # not half way
            return stepper._connection is not broken

    eventually(back, "the worker is back")
    env.close()
    eventually(lambda: stepper.slots == {}, "the slot is free", timeout=20.0)
