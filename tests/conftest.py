"""Fixtures for all tests: a private RabbitMQ, started when first asked for, and the addresses of both transports."""

from __future__ import annotations

import os
import secrets
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tools.rabbit import Rabbit

if TYPE_CHECKING:
    from collections.abc import Iterator


# No test asserts on wall-clock speed, and so no example of one.
settings.register_profile("unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

MOST_PROCESSES = 8


def pytest_configure() -> None:
    """A shell that starts the suite in the background has Ctrl-C ignored; so would all processes that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto``: two processes for each core, as tests mostly wait; each has its own ``rabbit``.

    With a named broker none: tests in several processes would take each other's requests there.
    """
    if os.environ.get("GYMBROKER_TEST_URL"):
        return 0
    return min(2 * (os.cpu_count() or 1), MOST_PROCESSES)


@pytest.fixture(scope="session")
def rabbit() -> Iterator[Rabbit]:
    """A RabbitMQ of our own, with a TLS listener. Tests may make users and virtual hosts; they never stop it.

    It is gone with the process of the tests, also where that is killed.
    """
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
