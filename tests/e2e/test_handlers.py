"""Signal handlers of the program that raise: what people bound a call by (``signal.alarm``)."""

from __future__ import annotations

import signal

import pytest

from agent_worker import RemoteEnv
from env_worker import EmbeddedWorker, WorkerSettings

COUNTING = "tests.support.envs:Counting"


class MyLimit(Exception):
    """What the program's handler raises."""


@pytest.fixture
def struck():
    """``struck(wire, "receive", error)``: the next ``wire.receive`` is struck by a handler that raises ``error``."""
    former = signal.getsignal(signal.SIGUSR1)

    def arrange(wire, name, error):
        def handler(number, frame):
            raise error

        def strike(*arguments):
            delattr(wire, name)
            signal.raise_signal(signal.SIGUSR1)
            return getattr(wire, name)(*arguments)

        signal.signal(signal.SIGUSR1, handler)
        setattr(wire, name, strike)

    yield arrange
    signal.signal(signal.SIGUSR1, former)


@pytest.mark.parametrize("name", ["receive", "write"])
@pytest.mark.parametrize("error", [TimeoutError("my limit"), MyLimit("my limit")], ids=["os-error", "other"])
def test_what_a_handler_raises_in_the_middle_of_a_step_is_raised_and_the_episode_goes_on(rabbit, struck, name, error):
    with EmbeddedWorker(WorkerSettings((COUNTING,), broker=rabbit.url)):
        env = RemoteEnv(COUNTING, rabbit.url)
        env.reset()
        struck(env._session.connection.adapter.wire, name, error)
        with pytest.raises(type(error), match="my limit"):
            env.step(0)
        assert env.wait(20.0)[0] == [1]
        assert env.step(0)[0] == [2]
        env.close()
