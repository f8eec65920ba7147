"""Who looks after open sessions waits for none that is in use."""

from __future__ import annotations

import signal
import threading
from weakref import WeakSet

import pytest

from agent_worker import caretaker
from broker.errors import ConnectionForked
from tests.support.commands import eventually
from tests.support.forks import in_a_child

COUNTING = "tests.support.envs:Counting"


class Dropped:
    """A session that a signal handler has closed, maybe in the middle of a request."""

    def __init__(self, *, in_use):
        self.in_use, self.closed = in_use, threading.Event()

    def close(self, timeout, reason=""):
        assert not self.in_use
        self.closed.set()


def test_what_is_dropped_in_the_middle_of_a_request_is_closed_when_that_is_over_and_others_meanwhile(serve, remote):
    serve(COUNTING)
    remote(COUNTING).reset()  # there is a caretaker now
    busy, idle = Dropped(in_use=True), Dropped(in_use=False)
    caretaker.drop(busy)
    caretaker.drop(idle)
    assert idle.closed.wait(20)
    assert not busy.closed.is_set()
    busy.in_use = False
    assert busy.closed.wait(20)


def test_at_exit_no_request_of_a_thread_is_waited_for(serve, remote, monkeypatch):
    worker = serve(COUNTING)
    busy, idle = remote(COUNTING), remote(COUNTING)
    for env in (busy, idle):
        env.reset()
    monkeypatch.setattr(caretaker, "_open", WeakSet([busy._session, idle._session]))
    with busy._session._using:
        caretaker._close_all()
    assert [env._session.ended for env in (busy, idle)] == [False, True]
    caretaker._close_all()
    eventually(lambda: not worker._stepper.slots, "both have ended")


def test_a_child_is_told_that_it_was_forked_also_of_an_env_that_a_thread_was_using(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()

    def step() -> str:
        signal.alarm(30)  # should it wait for a thread that is not there
        with pytest.raises(ConnectionForked):
            env.step(0)
        env.close()
        return "told"

    with env._session._using:
        assert in_a_child(step) == "told"
    assert env.step(0)[0] == [1]


def test_what_is_closed_in_the_thread_of_an_embedded_worker_does_not_wait_for_it(serve, remote, monkeypatch):
    """As by the collector, which strikes in any thread."""
    monkeypatch.setattr("agent_worker.remote.CLOSE_TIMEOUT_S", 1000.0)
    stepper = serve(COUNTING)._stepper
    env = remote(COUNTING)
    env.reset()
    tick = stepper._worlds.tick

    def struck(now):
        monkeypatch.setattr(stepper._worlds, "tick", tick)
        env.close()
        return tick(now)

    monkeypatch.setattr(stepper._worlds, "tick", struck)
    eventually(lambda: not stepper.slots, "it is closed")
