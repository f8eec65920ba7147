"""Fixtures of the tests that run docker-compose.yml for real. They run only where asked for: ``make test-compose``."""

from __future__ import annotations

import pytest

from tests.compose.project import LONG_STEPS, STEPS, Project, build_image


def pytest_collection_modifyitems(config, items):
    # A plain `pytest` shall not fail for want of a Docker engine, nor skip in silence: these tests are not part of it.
    if not config.option.markexpr:
        chosen = [item for item in items if item.get_closest_marker("compose") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture(scope="session")
def image():
    """Name of the image that Dockerfile makes, built for these tests under a tag of its own."""
    return build_image()


@pytest.fixture
def project(image):
    """A Compose project that nobody has used; gone afterwards with all that it made."""
    with Project(GYMBROKER_STEPS=str(STEPS)) as one:
        yield one


@pytest.fixture
def evaluation(image):
    """A project whose agent workers share one evaluation."""
    with Project(GYMBROKER_EVALUATION="of compose", GYMBROKER_EPISODES="200") as one:
        yield one


@pytest.fixture
def long_project_with_passwords(image):
    """The same with longer work, and with passwords from the environment."""
    passwords = {"GYMBROKER_ENV_PASSWORD": "env-secret.1", "GYMBROKER_AGENT_PASSWORD": "agent_secret~2"}
    with Project(GYMBROKER_STEPS=str(LONG_STEPS), **passwords) as one:
        yield one
