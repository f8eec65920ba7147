"""Methods and attributes of a remote env by the doors that libraries use, over both transports."""

from __future__ import annotations

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from agent_worker import RemoteEnv
from agent_worker.errors import CallRefused, EnvClosed, EnvError, InvalidArgument, StepTimeout
from agent_worker.gym_env import GymRemoteEnv
from env_worker import Allowed
from protocol.messages import Call
from tests.support.callables import Maskable
from tests.support.commands import run, worker
from tests.support.equal import identical

MASKABLE = "tests.support.callables:Maskable"
LIFTED = "tests.support.callables:lifted"
GYM = "tests.support.callables:gym_wrapped"

ALLOWED = Allowed(
    call=("action_masks", "compute_reward", "echo", "fail", "open_handle", "much", "lift", "sleep"),
    get=("gravity", "goal", "height", "broken"),
    set=("gravity", "height"),
)


def test_a_method_and_an_attribute_are_those_of_the_local_env(serve, remote):
    serve(MASKABLE, allowed=ALLOWED)
    env, local = remote(MASKABLE, gravity=1.5), Maskable(gravity=1.5)
    env.reset(seed=1)
    local.reset(seed=1)
    for _ in range(5):
        masks = env.call("action_masks")
        assert identical(masks, local.action_masks())
        action = int(np.flatnonzero(masks)[-1])
        env.step(action)
        local.step(action)
    assert (env.call("gravity"), env.get_wrapper_attr("gravity")) == (1.5, 1.5)
    assert identical(env.get_wrapper_attr("goal"), local.goal)


def test_the_standard_doors_open_through_wrappers_on_both_sides(serve, remote):
    serve(LIFTED, allowed=ALLOWED)
    env = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.wrappers.TimeLimit(remote(LIFTED), 10))
    assert env.has_wrapper_attr("action_masks")
    assert identical(env.get_wrapper_attr("action_masks")(), np.array([False, True, True]))
    assert identical(env.unwrapped.action_masks(), np.array([False, True, True]))
    assert env.unwrapped.lift(by=2) == env.get_wrapper_attr("height") == 5
    assert env.unwrapped.set_wrapper_attr("height", 9)
    assert env.unwrapped.height == 9
    env.unwrapped.gravity = 1.25
    assert env.get_wrapper_attr("gravity") == 1.25
    assert "gravity" not in vars(env.unwrapped)


def test_values_of_every_kind_go_there_and_back(serve, remote):
    serve(MASKABLE, allowed=ALLOWED)
    given = (np.float32(1.5), np.arange(6).reshape(2, 3), {"a": (1, [None, b"x"])}, 2**100, "héllo", float("nan"))
    args, kwargs = remote(MASKABLE).call("echo", *given, key={7: np.array([True])})
    assert identical(args, given)
    assert identical(kwargs, {"key": {7: np.array([True])}})


def test_rewards_of_goals_are_computed_afar_for_a_batch(serve, remote):
    serve(MASKABLE, allowed=ALLOWED)
    achieved, desired = np.zeros((64, 2), np.float32), np.ones((64, 2), np.float32)
    infos = np.array([{"step": step} for step in range(64)], dtype=object)
    rewards = remote(MASKABLE).get_wrapper_attr("compute_reward")(achieved, desired, infos)
    assert identical(rewards, Maskable().compute_reward(achieved, desired, infos))


def test_what_is_not_allowed_is_refused_before_anything_is_sent_with_what_is(serve, remote, monkeypatch):
    serve(MASKABLE, allowed=Allowed(("action_masks",), ("gravity",), ("gravity",)))
    env = remote(MASKABLE)
    env.reset()
    monkeypatch.setattr(env._open(), "request", None)  # whoever asked would fail
    for attempt in (
        lambda: env.call("fail"),
        lambda: env.call("gravity", 1),
        lambda: env.unwrapped.fail(),
        lambda: env.get_wrapper_attr("count"),
        lambda: env.set_wrapper_attr("count", 3),
    ):
        with pytest.raises(CallRefused, match="worker .* they may call action_masks; read gravity; set gravity$"):
            attempt()
    assert isinstance(CallRefused(), AttributeError)
    assert not hasattr(env, "count")
    assert not env.has_wrapper_attr("count")
    assert getattr(env, "count", 7) == 7


@pytest.mark.parametrize("name", ["__class__", "_secret", "unwrapped.gravity", "step", "reset"])
def test_private_and_dotted_names_are_refused_by_the_worker_too(serve, remote, name):
    serve(MASKABLE, allowed=ALLOWED)
    env = remote(MASKABLE)
    env.reset()
    for entry in (name, f"get:{name}", f"set:{name}"):
        with pytest.raises(CallRefused, match="bad_call, fault of the agent"):
            env._open().request(Call, 10.0, name=entry, args=[], kwargs={})
    assert env.step(1)[0] == 1


def test_nothing_is_allowed_unless_it_is_named(serve, remote):
    serve(MASKABLE)
    env = remote(MASKABLE)
    assert env.description.calls == ()
    with pytest.raises(CallRefused, match="they may call, read and set nothing"):
        env.unwrapped.action_masks()


def test_what_a_method_raises_is_told_like_an_error_of_step_and_the_episode_goes_on(serve, remote):
    serve(MASKABLE, allowed=ALLOWED)
    env = remote(MASKABLE)
    env.reset()
    with pytest.raises(EnvError, match="Maskable.fail raised RuntimeError: no masks today .*fault of the env"):
        env.call("fail")
    with pytest.raises(EnvError, match="get:broken raised ZeroDivisionError: no number"):
        env.call("broken")
    with pytest.raises(EnvError, match=r"result of open_handle: handle.0 \(a builtins.builtin_function_or_method\)"):
        env.call("open_handle")
    with pytest.raises(EnvError, match="gave what cannot be sent: .*33554432 bytes"):
        env.call("much")
    with pytest.raises(EnvError, match=r"compute_reward raised TypeError: .* missing 2 required"):
        env.call("compute_reward", 1)
    assert env.step(1)[:2] == (1, 1.0)


def test_an_attribute_that_is_not_there_yet_is_an_attribute_error_until_it_is(serve, remote):
    serve(MASKABLE, allowed=ALLOWED)
    env = remote(MASKABLE)
    assert not env.has_wrapper_attr("goal")
    env.reset()
    assert env.has_wrapper_attr("goal")


@pytest.mark.parametrize("argument", [open, {1, 2}, [lambda: 0], {"a": np.ma.array([1])}])
def test_arguments_that_cannot_be_sent_are_refused_before_anything_is_sent(serve, remote, argument):
    serve(MASKABLE, allowed=ALLOWED)
    env = remote(MASKABLE)
    with pytest.raises(InvalidArgument, match="echo: .* cannot be sent to a worker"):
        env.call("echo", argument)
    with pytest.raises(InvalidArgument, match="set:gravity: .* cannot be sent to a worker"):
        env.unwrapped.gravity = argument
    assert env.call("echo") == ((), {})


@pytest.mark.parametrize("env_id", [MASKABLE, LIFTED, GYM])
def test_lanes_answer_as_those_of_sync_vector_env(serve, lanes, env_id):
    serve(env_id, allowed=ALLOWED)
    ours = lanes(env_id, 3)
    ours.reset()
    theirs = SyncVectorEnv([Maskable] * 3)
    theirs.reset()
    if env_id != GYM:
        assert identical(ours.call("action_masks"), theirs.call("action_masks"))
        assert identical(ours.call("echo", 1, key=2), theirs.call("echo", 1, key=2))
    assert identical(ours.get_attr("gravity"), theirs.get_attr("gravity"))
    for values in (1.5, [1.0, 2.0, 3.0], (4.0, 5.0, 6.0)):
        ours.set_attr("gravity", values)
        theirs.set_attr("gravity", values)
        assert identical(ours.get_attr("gravity"), theirs.get_attr("gravity"))
    with pytest.raises(ValueError, match="expected 3 values, one for each lane, got 2"):
        ours.set_attr("gravity", [1, 2])
    assert ours.step([1, 1, 1])[4]["gravity"].tolist() == [4.0, 5.0, 6.0]
    theirs.close()


def test_some_of_the_lanes_can_be_asked(serve, lanes):
    serve(LIFTED, allowed=ALLOWED)
    env = lanes(LIFTED, 3)
    env.set_attr("height", [10, 20], lanes=[2, 0])
    assert env.get_attr("height") == (20, 3, 10)
    assert env.call_lanes([1, 0], "lift", 1) == (4, 21)
    assert env.call_lanes(np.array([2]), "height") == (10,)
    assert env.call_lanes([], "height") == ()
    for numbers in ([3], [-1]):
        with pytest.raises(ValueError, match="lanes: expected numbers from 0 to 2"):
            env.call_lanes(numbers, "height")


def test_lanes_of_several_episodes_are_asked_and_set_by_their_numbers(serve, lanes):
    serve(LIFTED, allowed=ALLOWED)
    ours, theirs = lanes(LIFTED, 6, episodes=3), lanes(LIFTED, 6)
    for env in (ours, theirs):
        env.reset()
        env.set_attr("height", [10, 20, 30], lanes=[5, 0, 4])
        assert env.get_attr("height") == (20, 3, 3, 3, 30, 10)
        env.set_attr("height", (1, 2, 3, 4, 5, 6))
        assert env.call_lanes([5, 0, 4, 1], "lift", by=1) == (7, 2, 6, 3)
        assert env.call_lanes([], "height") == ()
        env.set_attr("gravity", 2.5)
        assert env.get_attr("gravity") == (2.5,) * 6
    assert identical(ours.call("action_masks"), theirs.call("action_masks"))
    with pytest.raises(EnvError, match="lanes 0 to 1, 2 to 3, 4 to 5: .*no masks today"):
        ours.call("fail")
    with pytest.raises(ValueError, match="expected 2 values, one for each lane, got 3"):
        ours.set_attr("gravity", [1, 2, 3], lanes=[0, 5])
    with pytest.raises(ValueError, match="lanes: expected numbers from 0 to 5"):
        ours.call_lanes([6], "height")
    with pytest.raises(CallRefused):
        ours.get_attr("count")
    assert identical(ours.step([1] * 6), theirs.step([1] * 6))


def test_lanes_refuse_what_a_single_env_refuses_and_go_on(serve, lanes):
    serve(MASKABLE, allowed=ALLOWED)
    env = lanes(MASKABLE, 2)
    env.reset()
    for attempt in (lambda: env.call("count"), lambda: env.get_attr("_secret"), lambda: env.set_attr("count", 1)):
        with pytest.raises(CallRefused, match="they may call action_masks, .*; read gravity"):
            attempt()
    with pytest.raises(CallRefused, match="the env has no attribute 'height' to be set"):
        env.set_attr("height", 1)
    with pytest.raises(EnvError, match="no masks today"):
        env.call("fail")
    with pytest.raises(EnvError, match=r"result of open_handle: 0.handle.0 \(a builtins"):
        env.call("open_handle")
    with pytest.raises(InvalidArgument, match="cannot be sent to a worker"):
        env.call("echo", open)
    assert env.step([1, 1])[0].tolist() == [1, 1]


def test_a_vector_env_of_an_entry_point_has_no_env_of_each_lane_to_be_asked(serve, lanes):
    serve("CartPole-v1", vector="entry-point", allowed=Allowed(get=("gravity",)))
    env = lanes("CartPole-v1", 2)
    with pytest.raises(CallRefused, match="they may call, read and set nothing"):
        env.get_attr("gravity")
    with pytest.raises(CallRefused, match="no env of each lane to be asked"):
        env._session.request(Call, 10.0, name="get:gravity", args=[None], kwargs={})


def test_private_names_copy_and_pickle_open_no_episode():
    env = RemoteEnv("CartPole-v1", "amqp://127.0.0.1:1/", connect_timeout=0.1)
    for name in ("_repr_html_", "__deepcopy__", "__array__", "_private", "__len__"):
        assert not hasattr(env, name)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(copy.copy(env))))
    assert twin._session is env._session is None
    env.close()
    assert not hasattr(env, "action_masks")


def test_a_closed_env_says_so(serve, remote):
    serve(MASKABLE, allowed=ALLOWED)
    env = remote(MASKABLE)
    masks = env.get_wrapper_attr("action_masks")
    env.close()
    with pytest.raises(EnvClosed):
        masks()
    with pytest.raises(EnvClosed):
        env.call("gravity")


def test_an_env_that_was_called_is_not_as_it_was_made_and_cannot_be_pickled(serve, remote):
    serve(MASKABLE, allowed=ALLOWED)
    env = remote(MASKABLE)
    assert pickle.loads(pickle.dumps(env))._wish.env_id == MASKABLE
    env.unwrapped.gravity = 1.0
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(env)


def test_a_result_that_is_late_can_be_waited_for(amqp_url, tmp_path):
    with worker(amqp_url, tmp_path / "log", MASKABLE, "--allow-call", "sleep"):
        env = RemoteEnv(MASKABLE, amqp_url, step_timeout=0.2)
        env.open()
        with pytest.raises(StepTimeout, match="reply to call"):
            env.call("sleep", 1.0)
        assert env.wait(20.0) == "awake"
        env.close()


def test_a_gym_env_has_the_same_doors(serve, broker_url):
    serve(GYM, allowed=ALLOWED)
    env = GymRemoteEnv(GYM, broker_url)
    env.reset()
    assert identical(env.unwrapped.action_masks(), np.array([True, False, True]))
    env.set_wrapper_attr("gravity", 2.0)
    assert env.step(0)[4] == {"gravity": 2.0}
    with pytest.raises(CallRefused):
        env.echo()
    env.close()


def test_what_the_operator_allows_is_said_at_start_and_in_the_description(amqp_url, tmp_path):
    options = ["--allow-call", "action_masks", "--allow-get", "gravity", "--allow-set", "gravity", "--allow-set", "x"]
    with worker(amqp_url, tmp_path / "log", MASKABLE, *options) as one:
        assert "agents may call action_masks; read gravity; set gravity, x" in one.said
        env = RemoteEnv(MASKABLE, amqp_url)
        assert env.description.calls == ("action_masks", "get:gravity", "set:gravity", "set:x")
        env.close()


@pytest.mark.parametrize(
    ("option", "name", "says"),
    [
        ("--allow-call", "__reduce__", "--allow-call: '__reduce__' is private, as it begins with an underscore"),
        ("--allow-get", "env.spec", "--allow-get: 'env.spec' is a path"),
        ("--allow-set", "step", "--allow-set: 'step' has a message of its own"),
    ],
)
def test_names_that_nobody_may_use_are_a_wrong_command_line(option, name, says):
    done = run("env_worker", "serve", MASKABLE, option, name)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
