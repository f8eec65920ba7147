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
