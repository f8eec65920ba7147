"""What would arrive as something else is found before it is sent."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from protocol.sendable import opaque_in


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (deque(), "(a collections.deque)"),
        ({"a": [1, {2}]}, "a.1 (a builtins.set)"),
        ({"a": (1, deque())}, "a.1 (a collections.deque)"),
        ({frozenset(): 1}, "a key (a builtins.frozenset)"),
        (np.array([None, {1}], object), "(1,) (a builtins.set)"),
    ],
)
def test_the_place_of_what_cannot_be_sent_is_named(value, place):
    assert opaque_in(value) == place


@pytest.mark.parametrize("value", [None, 2**100, np.float32(1), {"a": (1, [np.zeros(3)])}, np.array([{}], object)])
def test_what_arrives_as_it_is_may_be_sent(value):
    assert opaque_in(value) is None


def test_what_is_too_deep_to_be_sent_is_named():
    value: list = []
    for _ in range(100):
        value = [value]
    assert "nest deeper than 16" in str(opaque_in(value))
