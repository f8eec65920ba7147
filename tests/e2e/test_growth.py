"""A worker and an agent that have opened and closed many episodes hold no more than before."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from agent_worker import RemoteEnv, RemoteVectorEnv
from agent_worker.errors import BadKwargs
from broker import shared
from tests.support.commands import eventually
from tests.support.holdings import held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from env_worker import EmbeddedWorker

COUNTING = "tests.support.envs:Counting"

EPISODES = 100

OURS = ("agent_worker", "broker", "env_worker", "protocol")

SLACK = 60
"""So many objects may come and go; what is left of each episode would be more than ``EPISODES``."""


def play(url: str, worker: EmbeddedWorker, episodes: int, *, breaks: bool) -> None:
    """Open, step and close ``episodes`` envs; with ``breaks`` every tenth loses a connection on one side, in turn."""
    for number in range(episodes):
        with RemoteEnv(COUNTING, url, make_timeout=30.0, step_timeout=30.0) as env:
            env.reset()
            if breaks and number % 10 == 5:
                lose(worker._stepper._connection if number % 20 == 5 else shared(url, timeout_s=10.0))
            assert env.step(0)[0] == [1]


def play_lanes(url: str, episodes: int) -> None:
    """The same with envs of two lanes."""
    for _ in range(episodes):
        with closing(RemoteVectorEnv(COUNTING, 2, url, make_timeout=30.0, step_timeout=30.0)) as env:
            env.reset()
            env.step([0, 0])


def lose(connection: object) -> None:
    """End a connection as a network failure would."""
    wire = getattr(connection, "wire", None)
    if wire is not None:
        wire.shut_down()
    else:
        connection.lose("the test says so")


def settled(url: str, worker: EmbeddedWorker) -> tuple[Counter[str], int]:
    """What both sides hold, and how many files are open, when nothing is under way any more."""
    eventually(lambda: not worker._stepper.slots, "no slot is taken")
    connection = shared(url, timeout_s=10.0)
    connection.publish("gym.presence", "nobody", b"", deadline=time.monotonic() + 10.0)  # all before it is answered
    return held(worker, connection), len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("breaks", [False, True], ids=["quiet", "connections break"])
def test_many_episodes_leave_nothing(serve, broker_url, breaks, caplog):
    caplog.set_level(logging.CRITICAL, "gymbroker")  # pytest keeps what is logged
    worker = serve(COUNTING, lease=0.5)
    play(broker_url, worker, 30, breaks=breaks)
    before, files = settled(broker_url, worker)
    play(broker_url, worker, EPISODES, breaks=breaks)
    after, _ = settled(broker_url, worker)
    more = after - before
    assert more.total() < SLACK, more.most_common(8)
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= files, f"no more than {files} files are open")


def test_many_openings_that_fail_leave_nothing(serve, broker_url):
    worker = serve(COUNTING)

    def fail(times: int) -> None:
        for _ in range(times):
            with pytest.raises(BadKwargs):
                RemoteEnv(COUNTING, broker_url, make_timeout=30.0, nonsense=1).open()

    fail(30)
    before, _ = settled(broker_url, worker)
    fail(EPISODES)
    after, _ = settled(broker_url, worker)
    more = after - before
    assert more.total() < SLACK, more.most_common(8)


@contextmanager
def cycles() -> Iterator[Counter[str]]:
    """At the end it counts what of ours the collector of cycles has found meanwhile, by type."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith(OURS))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize("lanes", [False, True], ids=["one env", "lanes"])
def test_nothing_of_an_episode_waits_for_the_collector(serve, broker_url, isolation, lanes):
    """It looks at all there is once in thousands of episodes: a worker has many objects besides."""
    worker = serve(COUNTING, isolation=isolation)
    some = (lambda: play_lanes(broker_url, 20)) if lanes else lambda: play(broker_url, worker, 20, breaks=False)
    some()
    settled(broker_url, worker)
    with cycles() as found:
        some()
        settled(broker_url, worker)
    assert found.total() < 6, found


def test_nothing_of_a_connection_that_has_ended_waits_for_the_collector(serve, broker_url, caplog):
    caplog.set_level(logging.CRITICAL, "gymbroker")
    worker = serve(COUNTING, lease=0.5)
    play(broker_url, worker, 10, breaks=True)
    settled(broker_url, worker)
    with cycles() as found:
        play(broker_url, worker, 60, breaks=True)
        settled(broker_url, worker)
    assert found.total() < 6, found
