"""The action that is played for who is missing is in the space, the plainest there is, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from env_worker.default_action import default_action
from protocol.coders import coder
from protocol.specs import BoxSpec, DictSpec, DiscreteSpec, MultiDiscreteSpec, OneOfSpec, TextSpec, TupleSpec
from tests.support.zoo import SPECS, same


@pytest.mark.parametrize("name", SPECS)
def test_it_is_in_every_space(name):
    spec = SPECS[name]
    action = coder(spec, bounds=True)
    played = action.decode(default_action(spec))  # checks that it is inside
    assert same(action.decode(action.encode(played)), played)


@pytest.mark.parametrize(
    ("spec", "played"),
    [
        (DiscreteSpec(3, start=-1), np.int64(-1)),
        (BoxSpec((3,), "float32", np.float32([-1, 2, -5]), np.float32([1, 3, -4])), np.float32([0, 2, -4])),
        (BoxSpec((2,), "uint8", 7, 9), np.uint8([7, 7])),
        (MultiDiscreteSpec(np.array([2, 3]), np.array([5, -6])), np.array([5, -6])),
        (TextSpec(2, 4, "xyz"), "xx"),
        (TupleSpec((DiscreteSpec(2, start=1), TextSpec(0, 1, "a"))), (np.int64(1), "")),
        (DictSpec((("a", DiscreteSpec(2)), ("b", DiscreteSpec(2, start=4)))), {"a": np.int64(0), "b": np.int64(4)}),
        (OneOfSpec((DiscreteSpec(2, start=3), TextSpec(0, 1, "a"))), (np.int64(0), np.int64(3))),
    ],
)
def test_it_is_the_plainest(spec, played):
    assert same(coder(spec, bounds=True).decode(default_action(spec)), played)


@pytest.mark.parametrize(
    ("mask", "played"),
    [
        (np.array([0, 0, 1, 1], np.int8), 12),
        ([True, False, False, False], 10),
        (np.array([[0, 1], [0, 0]]), 11),
        (np.zeros(4), 10),
        (np.array([0, 0, 0, 0, 1]), 10),
        (None, 10),
    ],
)
def test_it_is_the_first_that_is_legal(mask, played):
    assert default_action(DiscreteSpec(4, start=10), mask) == played
