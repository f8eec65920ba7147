"""Connections to the broker of the test, closed when it ends."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import broker
from tests.broker.site import Site, soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def connect(broker_url: str) -> Iterator[Callable[[], broker.Connection]]:
    """``connect()`` opens one more connection to the broker of the test."""
    with ExitStack() as connections:

        def open_one() -> broker.Connection:
            connection = broker.connect(broker_url, timeout_s=10, name="test")
            connections.callback(connection.close)
            return connection

        yield open_one


@pytest.fixture
def site(connect: Callable[[], broker.Connection]) -> Site:
    """An env side that has declared the exchanges, an agent side, and a name for an env that no other test has."""
    env, agent = connect(), connect()
    env.declare_exchanges(soon())
    return Site(env, agent, f"Env-{secrets.token_hex(4)}")


@pytest.fixture
def empty_url(broker_url: str, request: pytest.FixtureRequest) -> str:
    """Like ``broker_url``, at a broker where no env worker has ever been. Of RabbitMQ: our own, as it needs a vhost."""
    if broker_url.startswith("memory"):
        return broker_url
    rabbit = request.getfixturevalue("rabbit")
    vhost = f"empty-{secrets.token_hex(4)}"
    rabbit.ctl("add_vhost", vhost)
    rabbit.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
    url: str = rabbit.url_of("guest", "guest", vhost)
    return url
