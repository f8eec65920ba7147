"""The info of a vector env, taken apart into those of its lanes."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import SyncVectorEnv

from agent_worker.lane_infos import by_lane
from tests.support.envs import Counting


def test_what_gymnasium_makes_of_the_infos_of_three_lanes_is_undone():
    given = [
        {"count": 1, "share": 0.5, "flag": True, "text": "one", "array": np.arange(3), "deep": {"er": {"x": 1.5}}},
        {},
        {"count": 3, "none": None, "deep": {"est": [1, 2]}, "_private": 7, 5: "an int key"},
    ]
    together = {}
    vector = SyncVectorEnv([Counting] * 3)
    for lane, info in enumerate(given):
        together = vector._add_info(together, info, lane)
    np.testing.assert_equal(by_lane(together, 3), given)


def test_numbers_become_those_of_python():
    infos = {"n": np.array([1, 2]), "_n": np.array([True, True])}
    assert [type(info["n"]) for info in by_lane(infos, 2)] == [int, int]


def test_a_key_without_a_mask_belongs_to_all_lanes():
    assert by_lane({"env_id": np.array([4, 5]), "deep": {"x": np.array([0.5, 1.5])}}, 2) == [
        {"env_id": 4, "deep": {"x": 0.5}},
        {"env_id": 5, "deep": {"x": 1.5}},
    ]
