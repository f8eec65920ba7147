"""Times to wait, as users give them."""

from __future__ import annotations

from fractions import Fraction
from threading import TIMEOUT_MAX

import numpy as np
import pytest

from agent_worker import RemoteEnv, RemoteVectorEnv

COUNTING = "tests.support.envs:Counting"
TIMES = ["make_timeout", "step_timeout", "resume_window", "connect_timeout", "reconnect_timeout"]
GIVEN = {"1e9": 1e9, "numpy": np.float32(60), "Fraction": Fraction(60)}


@pytest.mark.parametrize("kind", [RemoteEnv, RemoteVectorEnv])
@pytest.mark.parametrize("value", GIVEN.values(), ids=GIVEN)
def test_a_time_to_wait_may_be_very_long_and_of_any_kind_of_number(serve, broker_url, kind, value):
    serve(COUNTING)
    env = kind(COUNTING, broker=broker_url, **dict.fromkeys(TIMES, value))
    env.reset()
    env.step(env.action_space.sample())
    env.close()


def test_an_embedded_worker_may_be_given_as_long_as_there_is(serve):
    times = ["connect_timeout", "step_timeout", "idle_timeout", "drain_timeout", "resume_window", "lease"]
    assert serve(COUNTING, **dict.fromkeys(times, TIMEOUT_MAX)).alive
