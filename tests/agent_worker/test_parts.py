"""Lanes split into parts and joined again."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import VectorEnv

from agent_worker.parts import join, join_infos, join_percepts, split, split_seeds
from protocol.coders import coder
from protocol.errors import DecodeError
from protocol.messages import Percept
from protocol.specs import DictSpec, SequenceSpec, TextSpec, TupleSpec
from tests.support.equal import identical
from tests.support.paced import Telling
from tests.support.zoo import CARTPOLE, SPECS, same, stacked


@pytest.mark.parametrize("name", SPECS)
def test_values_of_any_space_are_split_by_lanes_and_joined_to_what_they_were(name):
    spec = SPECS[name]
    lanes = coder(SequenceSpec(spec, stack=True), bounds=True)
    value = stacked(spec, 6, np.random.default_rng(1))
    _, wire = lanes.encode(value)
    halves = [split(spec, half, 3) for half in split(spec, wire, 2)]
    one_by_one = [part for half in halves for part in half]
    assert join(spec, one_by_one) == join(spec, split(spec, wire, 3)) == wire
    for lane, part in enumerate(one_by_one):
        (alone,) = _lanes_of(spec, lanes.decode([1, part]), 1)
        assert same(alone, _lanes_of(spec, value, 6)[lane])


def _lanes_of(spec, value, count):
    """The value of each lane: along the first axis of arrays, however deep they are."""
    if isinstance(spec, TupleSpec):
        parts = [_lanes_of(part, value[at], count) for at, part in enumerate(spec.spaces)]
        return [tuple(part[lane] for part in parts) for lane in range(count)]
    if isinstance(spec, DictSpec):
        found = {key: _lanes_of(part, value[key], count) for key, part in spec.items}
        return [{key: part[lane] for key, part in found.items()} for lane in range(count)]
    return list(value)


@pytest.mark.parametrize("wires", [[b"1234", b"123"], [b"1234", "1234"], [b"", [b""]], [1, 1]])
def test_parts_of_different_lengths_or_kinds_are_refused(wires):
    for spec in (CARTPOLE, TextSpec(0, 4, "a"), TupleSpec((CARTPOLE,))):
        with pytest.raises(DecodeError, match="do not have the same form"):
            join(spec, wires)


def percept(lanes=2, **fields):
    """One that CartPole could have sent."""
    none = bytes(lanes)
    given = {"reward": bytes(8 * lanes), "terminated": none, "truncated": none, "info": {}}
    given["observation"] = [lanes, bytes(16 * lanes)]
    return Percept("e" * 32, 0, "i" * 16, **{**given, **fields})


def test_percepts_become_one_of_all_lanes():
    one = percept(reward=np.array([1.0, 2.0]).tobytes(), terminated=b"\1\0", observation=[2, b"a" * 32])
    two = percept(reward=np.array([3.0, 4.0]).tobytes(), truncated=b"\0\1", observation=[2, b"b" * 32])
    whole = join_percepts(CARTPOLE, [one, two], 2)
    assert np.frombuffer(whole.reward).tolist() == [1.0, 2.0, 3.0, 4.0]
    assert (whole.terminated, whole.truncated) == (b"\1\0\0\0", b"\0\0\0\1")
    assert whole.observation == [4, b"a" * 32 + b"b" * 32]


@pytest.mark.parametrize(
    "fields", [{"reward": 1.0}, {"terminated": b"\0"}, {"truncated": True}, {"observation": [3, bytes(32)]},
               {"observation": bytes(32)}, {"observation": [2, bytes(31)]}]
)  # fmt: skip
def test_a_percept_of_other_lanes_is_refused(fields):
    with pytest.raises(DecodeError):
        join_percepts(CARTPOLE, [percept(), percept(**fields)], 2)


def gathered(infos, count):
    """What ``VectorEnv`` makes of the infos of its lanes."""
    env, found = VectorEnv(), {}
    env.num_envs = count
    for lane, info in enumerate(infos):
        found = env._add_info(found, info, lane)
    return found


def test_infos_are_joined_to_what_a_vector_env_gathers_lane_by_lane():
    env = Telling()
    env.reset(seed=3)
    for _ in range(300):
        infos = [env.step(0)[4] for _ in range(6)]
        parts = [gathered(infos[at : at + 2], 2) for at in (0, 2, 4)]
        assert identical(join_infos(parts, 2), gathered(infos, 6))


GOAL = np.arange(2)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (None, 3), (None, np.float32(0.1)), (None, GOAL), ("none", GOAL), (GOAL, 7), (np.ones((3, 2)), GOAL),
        (np.ones((2, 2)), GOAL), ({"y": 1}, None), ({"y": 1}, 3), ({"y": 1}, {}), (1, 2.5), (GOAL, np.array([7])),
    ],
)  # fmt: skip
def test_values_of_other_kinds_than_the_first_stand_beside_it_as_in_a_vector_env(first, other):
    infos = [{"x": first}, {}, {"x": other}, {}, {}, {"x": other}]
    parts = [gathered(infos[at : at + 2], 2) for at in (0, 2, 4)]
    assert identical(join_infos(parts, 2), gathered(infos, 6))


def test_the_last_observations_of_lanes_that_ended_stay_at_their_lanes():
    final = {"final_obs": np.zeros(3), "final_info": {"steps": 7}}
    wanted = gathered([{}, {}, final, {}], 4)
    assert identical(join_infos([gathered([{}, {}], 2), gathered([final, {}], 2)], 2), wanted)


def test_infos_of_a_foreign_vector_env_are_given_to_each_of_its_lanes():
    whole = join_infos([{"time": 3, "names": ["a", "b"]}, {"time": 4, "odd": None}], 2)
    assert whole["time"].tolist() == [3, 3, 4, 4]
    assert whole["names"].tolist() == ["a", "b", None, None]
    assert whole["odd"].tolist() == [None] * 4


@pytest.mark.parametrize("other", [{"x": np.zeros((2, 3))}, {"x": {"y": np.zeros(2)}}, {"x": np.array(["a", None])}])
def test_infos_that_do_not_fit_together_are_named(other):
    with pytest.raises(ValueError, match="the infos 'x'"):
        join_infos([{"x": np.zeros((2, 2), int)}, other], 2)


def test_an_int_is_the_seed_of_the_first_lane_and_a_list_has_one_for_each():
    assert split_seeds(7, 3, 4) == [7, 11, 15]
    assert split_seeds([1, None, 3, 4], 2, 2) == [[1, None], [3, 4]]
    assert split_seeds(None, 2, 2) == [None, None]
