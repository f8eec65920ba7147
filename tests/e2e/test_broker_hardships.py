"""A RabbitMQ that stops, starts and stalls, and the workers and agents that must outlast it."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pika
import pytest

from agent_worker import RemoteEnv
from broker import topology
from env_worker import EmbeddedWorker, WorkerSettings
from gymbroker import NoFreeWorker
from gymbroker.doctor import workers_at
from tests.support.commands import eventually, worker
from tools.rabbit import Rabbit

COUNTING = "tests.support.envs:Counting"
DUEL = "tests.support.duels:Duel"


@pytest.fixture
def own_rabbit():
    """A RabbitMQ that a test may stop."""
    with Rabbit() as node:
        yield node


def test_a_restart_of_the_broker_costs_neither_a_busy_nor_an_idle_agent_its_env(own_rabbit, tmp_path):
    with worker(own_rabbit.url, tmp_path / "log", COUNTING) as one:
        busy, idle = (RemoteEnv(COUNTING, own_rabbit.url) for _ in range(2))
        for env in (busy, idle):
            env.reset()
        assert busy.step(0)[0] == [1]
        own_rabbit.stop()
        with ThreadPoolExecutor(1) as pool:
            step = pool.submit(busy.step, 0)
            one.wait_for("connecting again")
            own_rabbit.start()  # in this thread: it lives no longer than the one that starts it
            assert step.result(90)[0] == [2]
        eventually(lambda: not idle._session._connection.closed, "the idle agent came back by itself")
        assert idle.step(0)[0] == [1]
        for env in (busy, idle):
            env.close()


def test_a_broker_that_stalls_during_a_make_does_not_end_the_worker(own_rabbit, tmp_path):
    with worker(own_rabbit.url, tmp_path / "log", COUNTING, processes=2) as one:
        env = RemoteEnv(COUNTING, own_rabbit.url, make_timeout=60.0)
        env.reset()
        failures: list[BaseException] = []

        def open_another() -> None:
            try:
                RemoteEnv(COUNTING, own_rabbit.url, make_timeout=60.0).open().close()
            except BaseException as failure:  # noqa: BLE001 - shown below
                failures.append(failure)

        threads = [threading.Thread(target=open_another) for _ in range(3)]
        for thread in threads:
            thread.start()
        os.kill(own_rabbit.pid, signal.SIGSTOP)
        resumed = threading.Timer(12.0, os.kill, (own_rabbit.pid, signal.SIGCONT))
        resumed.start()
        resumed.join()
        for thread in threads:
            thread.join(90)
        assert one.process.poll() is None, one.said
        assert failures == []
        started = time.monotonic()
        assert RemoteEnv(COUNTING, own_rabbit.url, make_timeout=60.0).reset()[0] == [0], started
        env.close()


def test_a_queue_of_questions_who_is_there_that_an_operator_deletes_is_made_anew(rabbit):
    with EmbeddedWorker(WorkerSettings((COUNTING,), broker=rabbit.url)) as one:
        incarnation = one._stepper._connection.incarnation
        rabbit.ctl("delete_queue", topology.observer_queue(incarnation, 1))
        anew = topology.observer_queue(incarnation, 2)
        eventually(lambda: anew in rabbit.ctl("list_queues", "name").split(), "there is another")


@pytest.mark.parametrize("exchange", [topology.REQUESTS, topology.ACTS, topology.PERCEPTS, topology.PRESENCE])
def test_an_exchange_that_an_operator_deletes_is_made_anew_and_envs_are_served_again(rabbit, tmp_path, exchange):
    with worker(rabbit.url, tmp_path / "log", COUNTING) as one:
        before = RemoteEnv(COUNTING, rabbit.url, make_timeout=60.0)
        before.reset()
        with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as operator:
            operator.channel().exchange_delete(exchange)
        after = RemoteEnv(COUNTING, rabbit.url, make_timeout=60.0)
        assert after.reset()[0] == [0]
        assert after.step(0)[0] == [1]
        eventually(lambda: workers_at(rabbit.url, 5.0), "the worker is found by who asks")
        after.close()
        before.close()
        assert one.process.poll() is None, one.said


def test_the_line_for_a_full_worker_is_found_again_after_an_operator_has_deleted_it(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1"):
        first = RemoteEnv(COUNTING, rabbit.url, make_timeout=20.0)
        first.open()
        with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as operator:
            operator.channel().exchange_delete(topology.REQUESTS)
            operator.channel().queue_delete(topology.requests_queue(COUNTING))
        with pytest.raises(NoFreeWorker):
            RemoteEnv(COUNTING, rabbit.url, make_timeout=8.0).open()
        first.close()


def test_a_world_of_a_full_worker_is_found_again_after_an_operator_has_deleted_the_exchange_of_worlds(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", DUEL, "--capacity", "1"):
        named = [f"agent_{number}" for number in (0, 1)]
        seats = [RemoteEnv(DUEL, rabbit.url, world="table", seat=seat, make_timeout=20.0) for seat in named]
        seats[0].open()
        with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as operator:
            operator.channel().exchange_delete(topology.WORLDS)
        seats[1].open()
        for seat in seats:
            seat.close()
