"""Remote envs in an event loop, at the broker of the test."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent_worker import aio
from tests.support.commands import eventually
from tests.support.paced import Gated


@pytest.fixture
def gate():
    """The gate of ``Gated``: closed when a test begins, and opened when it ends, so that its workers can stop."""
    Gated.gate.clear()
    while Gated.waiting.acquire(blocking=False):
        pass
    yield Gated.gate
    Gated.gate.set()


@pytest.fixture
def make(broker_url):
    """``await make("CartPole-v1")`` at the broker of the test. All threads that it needed have ended after the test."""

    def start(env_id, **kwargs):
        return aio.make(env_id, broker_url, **{"make_timeout": 20.0, "step_timeout": 20.0, **kwargs})

    yield start
    eventually(lambda: not _threads(), "no thread that works for a loop is left")


def _threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("agent worker aio")]


def run(main):
    """Run a coroutine in a loop that says what is wrong with it."""
    asyncio.run(asyncio.wait_for(main, 100), debug=True)


def empty(one):
    """Whether the worker has no episode."""
    return not one._stepper.slots
