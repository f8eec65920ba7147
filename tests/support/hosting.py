"""Env workers in a thread of this process, and remote envs, over the broker of the test."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import agent_worker.session
from agent_worker import RemoteEnv, RemoteVectorEnv
from broker import shared
from env_worker import EmbeddedWorker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


ISOLATION = {"isolation": os.environ.get("GYMBROKER_TEST_ISOLATION", "none")}
"""How workers of tests isolate envs. With ``process`` what fails is refused by design, or the test shares objects."""


@dataclass(frozen=True)
class Site:
    """Where a worker of this process serves, over a ``memory://`` of its own. Call it for a remote env there."""

    url: str

    def __call__(self, env_id: str, *arguments: Any, kind: type = RemoteEnv, **kwargs: Any) -> Any:
        timeouts = {"make_timeout": 60.0, "step_timeout": 60.0}
        return kind(env_id, *arguments, broker=self.url, **{**timeouts, **kwargs})


@contextmanager
def site(*env_ids: str, **settings: Any) -> Iterator[Site]:
    """``with site("CartPole-v1") as far, far("CartPole-v1") as env``: for more than one test."""
    url = f"memory://{secrets.token_hex(4)}"
    with EmbeddedWorker(WorkerSettings(env_ids, broker=url, **ISOLATION | settings)):
        yield Site(url)


@pytest.fixture
def serve(broker_url):
    """``serve("CartPole-v1", capacity=2)`` starts a worker that serves until the test ends; gives the worker."""
    with ExitStack() as workers:

        def start(*env_ids: str, **settings) -> EmbeddedWorker:
            given = {"broker": broker_url, "connect_timeout": 10.0, **ISOLATION, **settings}
            return workers.enter_context(EmbeddedWorker(WorkerSettings(env_ids, **given)))

        yield start


@pytest.fixture
def patience(broker_url):
    """Seconds to wait for a worker that does not come. Who is there, and the broker, have to answer in that time."""
    return 5.0 if broker_url.startswith("amqp") else 2.0


@pytest.fixture
def remote(broker_url):
    """``remote("CartPole-v1")`` gives a ``RemoteEnv`` at the test's broker, closed when the test ends."""
    with ExitStack() as envs:

        def make(env_id: str, **kwargs) -> RemoteEnv:
            env = RemoteEnv(env_id, broker_url, **{"make_timeout": 20.0, "step_timeout": 20.0, **kwargs})
            envs.callback(env.close)
            return env

        yield make


@pytest.fixture
def lanes(broker_url):
    """``lanes("CartPole-v1", 4)`` gives a ``RemoteVectorEnv`` at the test's broker, closed when the test ends."""
    with ExitStack() as envs:

        def make(env_id: str, num_envs: int, **kwargs) -> RemoteVectorEnv:
            timeouts = {"make_timeout": 20.0, "step_timeout": 20.0}
            env = RemoteVectorEnv(env_id, num_envs, broker_url, **{**timeouts, **kwargs})
            envs.callback(env.close)
            return env

        yield make


@pytest.fixture
def flapping(monkeypatch):
    """``flapping(2)``: the next two connections that a session comes back on break before it can use them."""

    def flap(times: int) -> None:
        left = iter(range(times))

        def breaking(url: str, **settings):
            connection = shared(url, **settings)
            if next(left, None) is not None:
                connection.close()
            return connection

        monkeypatch.setattr(agent_worker.session, "shared", breaking)

    return flap
