"""Percepts of lanes, as a worker sends them."""

from __future__ import annotations

import numpy as np
import pytest

from agent_worker.batches import Batches
from agent_worker.errors import ProtocolFailure
from protocol.description import Description
from protocol.messages import Percept
from protocol.specs import BoxSpec, DiscreteSpec

BATCHES = Batches(
    Description(1, "host/1", "Env-v0", BoxSpec((3,), "float32", -1.0, 1.0), DiscreteSpec(2, 0, "int64")), "Env-v0"
)


def percept(**odd):
    """Of two lanes."""
    two = {"reward": bytes(16), "terminated": b"\0\1", "truncated": bytes(2), "info": {}, "observation": [2, bytes(24)]}
    return Percept("e" * 32, 0, "0" * 16, **{**two, **odd})


def test_a_percept_is_of_the_lanes_that_were_asked_for():
    observations, rewards, terminated, truncated, _ = BATCHES.five(percept(), 2)
    assert (observations.shape, rewards.shape) == ((2, 3), (2,))
    assert np.array_equal(terminated, [False, True])
    assert np.array_equal(truncated, [False, False])


@pytest.mark.parametrize(
    "odd",
    [
        {"reward": bytes(8)},
        {"reward": 0.0},
        {"terminated": bytes(3)},
        {"truncated": False},
        {"observation": [3, bytes(36)]},
        {"observation": [1, bytes(12)]},
        {"observation": [0, b""]},
    ],
    ids=str,
)
def test_what_is_of_other_lanes_is_refused(odd):
    with pytest.raises(ProtocolFailure, match="not of 2 lanes"):
        BATCHES.five(percept(**odd), 2)
