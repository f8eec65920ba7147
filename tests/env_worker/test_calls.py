"""What agents may use of an env: what the operator names, and of that nothing private."""

from __future__ import annotations

import pytest

from env_worker.calls import Allowed, answer, answer_lanes
from env_worker.foreign import DmEnv, as_gymnasium
from env_worker.host import BadCall
from protocol.errors import EncodeError
from protocol.messages import Call
from tests.support import dm
from tests.support.callables import Maskable, gym_wrapped, lifted

FORBIDDEN = ["__class__", "_secret", "_", "unwrapped.gravity", "env.env", ".", "", "a b", "1st", "echo()", "get:x",
             "reset", "step", "render", "close",
             "get_wrapper_attr", "set_wrapper_attr", "has_wrapper_attr"]  # fmt: skip
EVERYTHING = Allowed(
    ("action_masks", "echo", "fail", "open_handle", "lift", "double", "gravity"),
    ("gravity", "goal", "height", "echo", "broken", "limit"),
    ("gravity", "height", "limit", "new"),
)


def call(name, *args, **kwargs):
    return Call("0" * 32, 0, "0" * 16, name, list(args), kwargs)


@pytest.mark.parametrize("kind", ["call", "get", "set"])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_names_that_nobody_may_ever_use_are_refused_at_the_command_line(kind, name):
    with pytest.raises(ValueError, match=f"^--allow-{kind}: "):
        Allowed(**{kind: (name,)})


@pytest.mark.parametrize("prefix", ["", "get:", "set:"])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_and_again_at_the_env_whatever_was_allowed(prefix, name):
    allowed = Allowed()
    for kind in ("call", "get", "set"):
        object.__setattr__(allowed, kind, (name,))
    with pytest.raises(BadCall):
        answer(allowed, Maskable(), call(prefix + name))
    with pytest.raises(BadCall):
        answer_lanes(allowed, [Maskable()], call(prefix + name, None))


def test_only_what_is_allowed_is_done_and_the_refusal_says_what_that_is():
    with pytest.raises(BadCall, match="'fail' is not allowed; agents may call echo, action_masks; read gravity"):
        answer(Allowed(("echo", "action_masks"), ("gravity",)), Maskable(), call("fail"))
    with pytest.raises(BadCall, match="'set:gravity' is not allowed; agents may read gravity"):
        answer(Allowed(get=("gravity",)), Maskable(), call("set:gravity", 1.0))
    with pytest.raises(BadCall, match="'gravity' is not allowed; agents may call nothing"):
        answer(Allowed(), Maskable(), call("gravity"))


def test_the_methods_that_an_env_has_and_all_attributes_are_listed():
    attributes = ("get:gravity", "get:goal", "get:height", "get:echo", "get:broken", "get:limit",
                  "set:gravity", "set:height", "set:limit", "set:new")  # fmt: skip
    assert EVERYTHING.of(Maskable()) == ("action_masks", "echo", "fail", "open_handle", *attributes)
    assert EVERYTHING.of(lifted())[:5] == ("action_masks", "echo", "fail", "open_handle", "lift")


@pytest.mark.parametrize("make", [lifted, gym_wrapped, lambda: as_gymnasium(gym_wrapped())])
def test_attributes_are_found_and_set_where_they_are_through_wrappers(make):
    env = make()
    assert answer(EVERYTHING, env, call("get:gravity")) == 9.8
    assert len(answer(EVERYTHING, env, call("action_masks"))) == 3
    assert answer(EVERYTHING, env, call("set:gravity", 1.5)) is None
    assert (answer(EVERYTHING, env, call("get:gravity")), env.unwrapped.gravity) == (1.5, 1.5)


def test_attributes_of_a_wrapper_and_of_a_dm_env_are_found():
    env = lifted()
    assert answer(EVERYTHING, env, call("lift", by=2)) == 5
    answer(EVERYTHING, env, call("set:height", 1))
    assert answer(EVERYTHING, env, call("get:height")) == 1
    walk = DmEnv(dm.Walk())
    assert answer(EVERYTHING, walk, call("double", 4)) == 8
    answer(EVERYTHING, walk, call("set:limit", 2))
    assert walk.env.limit == 2


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (call("get:goal"), "the env has no attribute 'goal'"),
        (call("lift", 1), "the env has no attribute 'lift'"),
        (call("set:new", 1), "the env has no attribute 'new' to be set"),
        (call("gravity"), "'gravity' is no method of the env"),
        (call("get:gravity", 1), "get:gravity: expected no arguments, got 1"),
        (call("set:gravity"), "set:gravity: expected one value, got 0"),
        (call("set:gravity", 1, value=2), "set:gravity: expected one value, got 2"),
    ],
)
def test_what_does_not_fit_the_env_is_named(request_, text):
    with pytest.raises(BadCall, match=text):
        answer(EVERYTHING, Maskable(), request_)


@pytest.mark.parametrize("name", ["open_handle", "get:echo"])
def test_a_result_that_cannot_be_sent_is_named_with_its_place(name):
    with pytest.raises(EncodeError, match=f"result of {name}: .*(builtin|method)"):
        answer(EVERYTHING, Maskable(), call(name))


def test_what_an_env_raises_is_its_own():
    with pytest.raises(RuntimeError, match="no masks today"):
        answer(EVERYTHING, Maskable(), call("fail"))
    with pytest.raises(ZeroDivisionError):
        answer(EVERYTHING, Maskable(), call("get:broken"))


def test_lanes_answer_in_the_order_in_which_they_are_asked():
    envs = [Maskable(gravity=float(lane)) for lane in range(3)]
    assert answer_lanes(EVERYTHING, envs, call("get:gravity", None)) == [0.0, 1.0, 2.0]
    assert answer_lanes(EVERYTHING, envs, call("get:gravity", [2, 0])) == [2.0, 0.0]
    assert answer_lanes(EVERYTHING, envs, call("echo", [1], 7, a=8)) == [((7,), {"a": 8})]
    answer_lanes(EVERYTHING, envs, call("set:gravity", [0, 2], [5.0, 6.0]))
    assert [env.gravity for env in envs] == [5.0, 1.0, 6.0]


@pytest.mark.parametrize("args", [[], [3], [[3]], [[-1]], [[True]], ["0"], [(0,)]])
def test_lanes_that_are_not_there_are_refused(args):
    with pytest.raises(BadCall, match="expected the lanes first, None or a list of numbers from 0 to 2"):
        answer_lanes(EVERYTHING, [Maskable() for _ in range(3)], call("get:gravity", *args))


@pytest.mark.parametrize("values", [[], [[1.0]], [1.0, 2.0], [[1.0, 2.0, 3.0]], [[1.0, 2.0], 3]])
def test_values_that_are_not_one_for_each_lane_are_refused_and_none_is_set(values):
    envs = [Maskable() for _ in range(2)]
    with pytest.raises(BadCall, match="set:gravity: expected a list of 2 values, one for each lane"):
        answer_lanes(EVERYTHING, envs, call("set:gravity", None, *values))
    assert [env.gravity for env in envs] == [9.8, 9.8]


def test_an_attribute_that_some_lanes_have_not_is_set_in_none():
    envs = [lifted(), Maskable()]
    with pytest.raises(BadCall, match="the env has no attribute 'height' to be set"):
        answer_lanes(EVERYTHING, envs, call("set:height", None, [7, 7]))
    assert answer(EVERYTHING, envs[0], call("get:height")) == 3
