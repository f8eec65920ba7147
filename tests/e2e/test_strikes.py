"""A Ctrl-C over ``memory://``, where the agent's thread does the worker's work: at every point where it can strike."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from agent_worker import RemoteEnv, RemoteVectorEnv
from env_worker import EmbeddedWorker, WorkerSettings
from tests.support.hosting import site
from tests.support.strikes import every

COUNTING = "tests.support.envs:Counting"

POINTS = 50
"""A request has so many points at least: fewer would mean that the strikes do not reach what they are to reach."""


@pytest.fixture
def far():
    """``far(COUNTING)`` gives a remote env; its worker serves it until the test ends."""
    with site(COUNTING) as served:
        yield served


@pytest.mark.parametrize("asked", ["step", "reset"])
def test_one_env_outlives_a_ctrl_c_at_every_point_of_a_request(far, asked):
    """All strike one and the same episode: what each of them lost of it, a turn or a settlement, would add up."""
    with far(COUNTING, step_timeout=10.0) as env:

        def lives(where: str) -> None:
            env.reset()
            assert env.step(0)[0] == [1], where

        env.reset()
        assert every({"step": lambda: env.step(0), "reset": env.reset}[asked], lives) > POINTS


def test_lanes_outlive_a_ctrl_c_at_every_point_of_a_step(far):
    envs = far(COUNTING, 2, kind=RemoteVectorEnv, step_timeout=10.0)
    actions = np.zeros(2, np.int64)

    def live(where: str) -> None:
        envs.reset()
        assert envs.step(actions)[0].tolist() == [[1], [1]], where

    envs.reset()
    assert every(lambda: envs.step(actions), live) > POINTS
    envs.close()


def test_an_env_whose_close_was_struck_anywhere_frees_its_slot_when_it_is_closed_again():
    url, settings = f"memory://{secrets.token_hex(4)}", {"lease": 0.1, "resume_window": 0.05}
    with EmbeddedWorker(WorkerSettings((COUNTING,), broker=url, capacity=1, **settings)):
        env = RemoteEnv(COUNTING, url, make_timeout=10.0).open()

        def another_has_the_slot(where: str) -> None:
            nonlocal env
            env.close()
            env = RemoteEnv(COUNTING, url, make_timeout=10.0)
            assert env.reset()[0] == [0], where

        assert every(lambda: env.close(), another_has_the_slot, step=3) > POINTS
        env.close()
