"""Fixtures for all tests: a private RabbitMQ, started when first asked for, and the addresses of both transports."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from tools.rabbit import Rabbit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def rabbit() -> Iterator[Rabbit]:
    """A RabbitMQ of our own, with a TLS listener. Tests may make users and virtual hosts; they never stop it."""
    with Rabbit(tls=True) as node:
        yield node


@pytest.fixture(scope="session")
def amqp_url(request: pytest.FixtureRequest) -> str:
    """A broker for tests: what ``GYMBROKER_TEST_URL`` names, or our own."""
    named = os.environ.get("GYMBROKER_TEST_URL")
    if named:
        return named
    url: str = request.getfixturevalue("rabbit").url
    return url


@pytest.fixture(params=["memory", "amqp"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """Each test that takes it runs over both transports."""
    if request.param == "memory":
        return f"memory://{secrets.token_hex(4)}"
    url: str = request.getfixturevalue("amqp_url")
    return url


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
