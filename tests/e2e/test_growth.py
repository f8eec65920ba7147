"""A worker and an agent that have opened and closed many episodes hold no more than before."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import pytest

from agent_worker import RemoteEnv
from broker import shared
from tests.support.commands import eventually
from tests.support.holdings import held

if TYPE_CHECKING:
    from collections import Counter

    from env_worker import EmbeddedWorker

COUNTING = "tests.support.envs:Counting"

EPISODES = 100

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


def lose(connection: object) -> None:
    """End a connection as a network failure would."""
    wire = getattr(connection, "wire", None)
    if wire is not None:
        wire.shut_down()
    else:
        connection.lose("the test says so")  # type: ignore[attr-defined]


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
