"""The env worker that ``memory://`` brings along, where the program has none of its own for that env."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import gymbroker
from broker import BrokerUnreachable
from env_worker import EmbeddedWorker, WorkerSettings
from env_worker.embedded import served_here
from tests.support.paced import GATED, WAIT, Gated

COUNTING = "tests.support.envs:Counting"


def workers():
    """How many embedded workers this process runs."""
    return sum(thread.name == "embedded env worker" for thread in threading.enumerate())


@pytest.fixture
def url():
    """A broker in this process that no other test has."""
    return f"memory://{secrets.token_hex(4)}"


def test_no_second_worker_comes_beside_one_of_the_program_that_is_at_a_long_step(url, gate):
    """Another would know nothing of its factory and settings, and take half of the agents."""
    with EmbeddedWorker(WorkerSettings((GATED,), broker=url)), ThreadPoolExecutor(2) as pool:
        before = workers()
        first = gymbroker.make(GATED, broker=url)
        first.reset()
        step = pool.submit(first.step, WAIT)
        assert Gated.waiting.acquire(timeout=20)
        second = pool.submit(gymbroker.make, GATED, f"{url}/")  # it stands in line: the worker is at the step
        assert served_here(f"{url}/", GATED)
        gate.set()
        assert (second.result(20).reset()[0], step.result(20)[0], workers()) == ([0], [1], before)
        for env in (first, second.result()):
            env.close()


def test_one_worker_comes_for_each_env_and_another_when_the_program_has_ended_its_own(url):
    program = EmbeddedWorker(WorkerSettings((COUNTING,), broker=url)).start()
    assert served_here(url, COUNTING)
    assert not served_here(url, GATED)
    assert not served_here(f"{url}x", COUNTING)
    before = workers()
    for env_id, more in ((COUNTING, 0), (GATED, 1), (GATED, 1)):
        gymbroker.make(env_id, broker=url).close()
        assert workers() == before + more
    program.stop()
    assert not served_here(url, COUNTING)
    env = gymbroker.make(COUNTING, broker=url)
    assert env.reset()[0] == [0]
    env.close()
    assert workers() == before + 1


def test_a_worker_that_could_not_begin_serves_nothing(url):
    with pytest.raises(BrokerUnreachable):
        EmbeddedWorker(WorkerSettings((COUNTING,), broker="amqp://127.0.0.1:1/", connect_timeout=0.1)).start()
    assert not served_here("amqp://127.0.0.1:1/", COUNTING)
