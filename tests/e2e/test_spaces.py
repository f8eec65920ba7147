"""Spaces to specs and back: env_worker.spaces and protocol.spaces are inverse to each other."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from env_worker.compat import import_gym
from env_worker.spaces import UnsupportedSpace, to_spec
from protocol.spaces import to_space
from protocol.specs import from_data, to_data
from protocol.wire import pack, unpack
from tests.support.equal import identical
from tests.support.oddities import BeforeDtypes

BOX = spaces.Box(-1, 1, (2,))
DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
]  # fmt: skip

ZOO = [
    *(spaces.Box(0, 1, (3, 2), np.dtype(name)) for name in DTYPES),
    spaces.Box(-np.inf, np.inf, (2,)),
    spaces.Box(np.array([-np.inf, 0]), np.array([3, np.inf]), dtype=np.float64),
    spaces.Box(-np.inf, np.inf, (2,), np.int16),
    spaces.Box(np.array([-5, -128]), np.array([5, 127]), dtype=np.int8),
    spaces.Box(0, 255, (84, 84, 4), np.uint8),
    spaces.Box(0, 1, (), np.float32),
    spaces.Discrete(5),
    spaces.Discrete(3, start=-1),
    spaces.Discrete(7, dtype=np.int32),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    spaces.MultiDiscrete([3, 4]),
    spaces.MultiDiscrete([[3, 4], [5, 6]], start=[[1, 2], [3, -4]], dtype=np.int32),
    spaces.Text(8),
    spaces.Text(4, min_length=2, charset="zyx"),
    spaces.Tuple((BOX, spaces.Discrete(2))),
    spaces.Dict(OrderedDict([("z", BOX), ("a", spaces.Discrete(2))])),
    spaces.Dict(OrderedDict([(3, BOX), ((1, 2), spaces.Discrete(2))])),
    spaces.Sequence(BOX),
    spaces.Sequence(spaces.Discrete(3), stack=True),
    spaces.Graph(BOX, spaces.Discrete(3)),
    spaces.Graph(spaces.Discrete(3), None),
    spaces.OneOf((BOX, spaces.Discrete(3))),
    spaces.Dict(
        a=spaces.Tuple((spaces.Sequence(spaces.Dict(b=BOX)), spaces.OneOf((spaces.Box(0, 1), spaces.Box(0, 2)))))
    ),
]


@pytest.mark.parametrize("space", ZOO, ids=str)
@pytest.mark.filterwarnings("ignore:.*precision lowered")
def test_a_space_arrives_equal_and_samples_the_same(space):
    there = to_space(from_data(unpack(pack(to_data(to_spec(space))))), gymnasium.spaces)
    assert there == space
    for one in (there, space):
        one.seed(3)
    for _ in range(5):
        assert identical(there.sample(), space.sample())


def test_the_order_of_a_dict_is_kept():
    space = spaces.Dict(OrderedDict([("z", BOX), ("a", BOX)]))
    assert list(to_space(to_spec(space), gymnasium.spaces)) == ["z", "a"]


def test_spaces_of_gym_arrive_as_spaces_of_gym():
    gym = import_gym()
    ours = gym.spaces
    zoo = [
        ours.Box(-1, 1, (2,), np.float32), ours.Discrete(3, start=2), ours.MultiBinary([2, 2]), ours.Text(5),
        ours.MultiDiscrete([3, 4]), ours.Tuple((ours.Discrete(2), ours.Discrete(3))),
        ours.Dict(b=ours.Discrete(2), a=ours.Discrete(3)),
        ours.Sequence(ours.Discrete(3)), ours.Graph(ours.Box(0, 1, (2,)), ours.Discrete(2)),
    ]  # fmt: skip
    for space in zoo:
        assert to_space(to_spec(space), ours) == space


@pytest.mark.parametrize(
    "space",
    [
        spaces.OneOf((BOX, BOX)), spaces.Sequence(BOX, stack=True), spaces.MultiDiscrete([2], start=[1]),
        spaces.Discrete(2, dtype=np.int32),
    ],
    ids=str,
)  # fmt: skip
def test_what_gym_does_not_have_is_named(space):
    with pytest.raises(TypeError, match='gym 0.26 has not .*use api="gymnasium"'):
        to_space(to_spec(space), import_gym().spaces)


def test_gymnasium_of_before_1_2_3_which_knows_no_dtype_of_discrete_will_do():
    older = SimpleNamespace(Discrete=BeforeDtypes, OneOf=spaces.OneOf)
    assert to_space(to_spec(spaces.Discrete(3, start=-1)), older) == BeforeDtypes(3, start=-1)
    with pytest.raises(TypeError, match="a Discrete space of int32 needs Gymnasium 1.2.3"):
        to_space(to_spec(spaces.Discrete(3, dtype=np.int32)), older)


def test_a_space_of_an_unknown_kind_is_named():
    class Odd(gymnasium.Space):
        pass

    with pytest.raises(UnsupportedSpace, match="Odd is none of the ten"):
        to_spec(Odd())


def test_a_space_of_strings_of_an_env_s_own_kind_is_told_as_text():
    class Missions(gymnasium.Space):
        def __init__(self):
            super().__init__(dtype=str)

    space = to_space(to_spec(spaces.Dict(mission=Missions())), gymnasium.spaces)["mission"]
    assert type(space) is spaces.Text
    assert "Pick up the ball, then go to (3, 4)!\n" in space


def test_a_subclass_of_a_space_goes_as_what_it_descends_from():
    class Mine(spaces.Discrete):
        pass

    assert to_spec(Mine(4)) == to_spec(spaces.Discrete(4))
