"""A Ctrl-C over ``memory://``, where the agent's thread does the worker's work: at every point where it can strike."""

from __future__ import annotations

import secrets
import time

import numpy as np
import pytest

from agent_worker import RemoteEnv, RemoteVectorEnv
from broker import connect
from env_worker import EmbeddedWorker, WorkerSettings
from env_worker.catalogue import Catalogue
from env_worker.pulse import Pulse
from env_worker.stepper import Stepper
from protocol.codec import encode
from protocol.messages import Percept, Reset
from tests.support.envs import Counting
from tests.support.hosting import site
from tests.support.stranger import Stranger
from tests.support.strikes import every

COUNTING = "tests.support.envs:Counting"
STRUCK = "tests.e2e.test_strikes:Struck"

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


class Struck(Counting):
    """A Ctrl-C strikes while the first of it is made."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Struck.made += 1
        if Struck.made == 1:
            raise KeyboardInterrupt


def test_a_make_that_was_struck_in_the_thread_of_another_agent_is_handled_again_as_if_it_had_not_been():
    url, settings = f"memory://{secrets.token_hex(4)}", WorkerSettings((STRUCK,))
    stepper = Stepper(settings, Catalogue(settings), Pulse())
    stepper.attach(connect(url, timeout_s=1.0))
    agent = Stranger(url)
    agent.ask(STRUCK, encode(agent.make(STRUCK)))
    make = stepper._mailbox.get(time.monotonic())
    with pytest.raises(KeyboardInterrupt):
        stepper.handle(make)
    stepper.handle(make)
    said = [type(agent.hear()).__name__ for _ in range(3)]
    assert said == ["Accepted", "Accepted", "Status"]

    agent.key = stepper.slots[agent.episode].inbox.queue
    for body in (encode(Reset(agent.episode, 0, agent.incarnation)), agent.act(1), agent.act(2)):
        agent.send(body)
        stepper.handle(stepper._mailbox.get(time.monotonic()))
        assert isinstance(agent.hear(), Percept)
