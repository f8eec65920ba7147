"""A remote env of agents that act at once is used like the env itself: over both transports."""

from __future__ import annotations

import functools
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from pettingzoo import ParallelEnv
from pettingzoo.utils import parallel_to_aec

import gymbroker
from agent_worker.errors import (
    BadKwargs,
    CallRefused,
    EnvClosed,
    EnvError,
    InvalidAction,
    InvalidArgument,
    NotReset,
    StepTimeout,
    WorkerLost,
)
from agent_worker.session import Session
from agent_worker.wish import Wish
from env_worker.calls import Allowed
from protocol.messages import Act, Call, Reset
from tests.support import many
from tests.support.commands import worker
from tests.support.equal import identical
from tests.support.games import GATE, Arena
from tests.support.many import AMQP_ONLY, ARENA, PONG, PONG_RENDERS, RPS, ZOMBIES, complaints, near, zoo

ALL = {"green": np.zeros(2, np.float32), "red": 1, "blue": np.array([2, 1])}
"""Actions that fit the first turn of the arena."""


@PONG_RENDERS
@pytest.mark.parametrize(
    ("env_id", "kwargs", "steps"),
    [
        (ARENA, {}, 40),
        (ARENA, {"odd": "keys"}, 20),
        (f"{RPS}:parallel_env", {"max_cycles": 20}, 50),
        (f"{PONG}:parallel_env", {"max_cycles": 15}, 20),
        (f"{ZOMBIES}:parallel_env", {"max_cycles": 200, "spawn_delay": 1, "line_death": True}, 250),
    ],
)
def test_the_same_seed_and_actions_give_exactly_the_local_run(serve, far, env_id, kwargs, steps):
    serve(env_id)
    theirs = near(env_id, **kwargs)
    alive = many.same_parallel_run(far(env_id, **kwargs), theirs, steps)
    assert 0 in alive, "not a run has ended"
    if env_id == ARENA or ZOMBIES in env_id:
        assert len(alive) > 2, "nobody died before others"
    theirs.close()


@pytest.mark.parametrize("name", [RPS, PONG, ZOMBIES])
def test_parallel_api_test_and_parallel_seed_test_of_pettingzoo_pass(serve, far, name):
    env_id = f"{name}:parallel_env"
    serve(env_id)
    ours, theirs = functools.partial(far, env_id), functools.partial(near, env_id)
    said = complaints(zoo.parallel_api_test, many.seeded(ours()), 50)
    assert said == complaints(zoo.parallel_api_test, many.seeded(theirs()), 50)
    assert complaints(zoo.parallel_seed_test, ours, 30) == complaints(zoo.parallel_seed_test, theirs, 30)


@PONG_RENDERS
@pytest.mark.parametrize("name", [PONG, ZOMBIES])
def test_max_cycles_test_of_pettingzoo_passes(serve, far, far_aec, name):
    serve(f"{name}:parallel_env", f"{name}:env")
    parallel, turns = functools.partial(far, f"{name}:parallel_env"), functools.partial(far_aec, f"{name}:env")
    zoo.max_cycles_test(SimpleNamespace(parallel_env=parallel, env=turns))


def test_conversions_and_wrappers_of_pettingzoo_do_not_notice(serve, far):
    serve(f"{RPS}:parallel_env")
    env = parallel_to_aec(far(f"{RPS}:parallel_env"))
    assert complaints(zoo.api_test, env, 20) == set()


def test_results_are_plain_python_and_writable_arrays_of_the_space(serve, far):
    serve(ARENA)
    env = far(ARENA)
    assert isinstance(env, ParallelEnv)
    env.reset(seed=1)
    observations, rewards, terminations, truncations, infos = env.step(ALL)
    observations["green"] += 1
    assert env.observation_space("green").contains(observations["green"])
    assert {type(reward) for reward in rewards.values()} == {float}
    assert {type(flag) for flag in [*terminations.values(), *truncations.values()]} == {bool}
    assert type(infos["red"]["did"]) is np.int64
    assert (infos["red"]["draw"].dtype, infos["red"]["draw"].shape) == (np.float64, (3,))


def test_seed_and_options_reach_the_env_and_state_comes_back(serve, far):
    serve(ARENA)
    env = far(ARENA)
    _, infos = env.reset(3, {"mode": "hard", 5: [np.float32(1)]})
    assert identical(infos["red"], {"seed": 3, "options": {"mode": "hard", 5: [np.float32(1)]}})
    assert identical(env.state(), np.array([0, 3], np.int16))
    assert env.state_space.contains(env.state())


def test_names_spaces_and_metadata_are_those_of_the_env(serve, far):
    serve(ARENA, f"{RPS}:parallel_env")
    env, local = far(ARENA), Arena()
    assert repr(env) == str(env) == f"<RemoteParallelEnv {ARENA}>"
    assert env.metadata == {**Arena.metadata, "render_modes": ["ansi", "rgb_array"]}
    assert str(env) == "arena_v0"
    assert env.unwrapped is env
    assert env.max_num_agents == 5
    for agent in local.possible_agents:
        assert env.observation_space(agent) is env.observation_space(agent) is env.observation_spaces[agent]
        assert env.action_space(agent) is env.action_space(agent) is env.action_spaces[agent]
        assert env.observation_space(agent) == local.observation_space(agent)
        assert env.action_space(agent) == local.action_space(agent)
    assert not hasattr(far(f"{RPS}:parallel_env"), "state_space")


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        ([1, 1, 1], "actions: expected a dict by agent, got list"),
        ({**ALL, "nobody": 0}, "actions: expected agents of this env, got 'nobody'"),
        ({"red": 1, "green": ALL["green"]}, r"action\['blue'\]: expected an action, as the agent is alive, got none"),
        ({**ALL, "green": None}, r"action\['green'\]: expected an action, as the agent is alive, got none"),
        ({**ALL, "red": 4}, r"action\['red'\]: expected an int from 0 to 3, got 4|action\['red'\].*got 4"),
        ({**ALL, "blue": np.array([0, 2])}, r"action\['blue'\]"),
        ({**ALL, "late": 7}, r"action\['late'\]"),
    ],
)
def test_actions_that_do_not_fit_are_refused_by_name_before_anything_is_sent(serve, far, actions, text):
    serve(ARENA)
    env = far(ARENA)
    env.reset()
    with pytest.raises(InvalidAction, match=text):
        env.step(actions)
    assert env.state()[0] == 0
    env.step(ALL)
    assert env.state()[0] == 1


def test_an_agent_that_is_not_alive_needs_no_action_and_may_have_one(serve, far):
    serve(ARENA)
    env = far(ARENA)
    env.reset()
    infos = env.step({"late": "a", "never": None, **dict(reversed(ALL.items()))})[-1]
    assert infos["red"]["order"] == ["green", "red", "blue", "late"]


def test_a_dead_agent_that_lingers_among_the_agents_needs_no_action(serve, far):
    serve(ARENA)
    env = far(ARENA, odd="linger")
    env.reset()
    for _ in range(3):
        _, _, terminations, _, _ = env.step({**ALL, "late": "b"})
    assert terminations["red"]
    assert "red" in env.agents
    living = {agent: action for agent, action in ALL.items() if agent != "red"}
    assert "red" in env.step({**living, "late": "b"})[0]
    with pytest.raises(InvalidAction, match=r"action\['late'\]"):
        env.step(living)


def test_step_state_and_render_before_reset_say_so_and_harm_nothing(serve, far):
    serve(ARENA)
    env = far(ARENA, render_mode="ansi")
    for early in (lambda: env.step(ALL), env.state, env.render):
        with pytest.raises(NotReset, match=r"call reset\(\) before (step|state|render)\(\)"):
            early()
    for name in ("agents", "num_agents"):
        with pytest.raises(AttributeError, match=rf"{name} cannot be accessed before reset\(\)"):
            getattr(env, name)
    with pytest.raises(AttributeError, match="'agent_selection' is no attribute that worker .* lets agents use"):
        _ = env.agent_selection
    assert set(env.reset()[0]) == {"red", "green", "blue"}


def test_an_agent_that_is_unknown_is_named_with_those_that_are_not(serve, far):
    serve(ARENA)
    env = far(ARENA)
    for space in (env.observation_space, env.action_space):
        with pytest.raises(InvalidArgument, match="expected one of red, green, blue, late, never, got 'nobody'"):
            space("nobody")
    with pytest.raises(InvalidArgument, match=r"got \['red'\]"):
        env.action_space(["red"])


def test_frames_come_through_and_nothing_is_drawn_at_the_worker(serve, far):
    serve(ARENA, f"{RPS}:parallel_env")
    for mode, frame in (("ansi", "turn 0"), ("rgb_array", np.zeros((4, 6, 3), np.uint8)), (None, None)):
        env = far(ARENA, render_mode=mode)
        env.reset()
        assert identical(env.render(), frame)
    with pytest.raises(ValueError, match="render_mode"):
        far(ARENA, render_mode="human")
    env = far(f"{RPS}:parallel_env", render_mode="rgb_array")
    env.reset(seed=1)
    assert (env.render().dtype, env.render().ndim) == (np.uint8, 3)


def test_an_old_way_to_draw_does_not_make_an_env_of_one_agent_of_it(serve, far):
    serve("tests.support.games:ToldTheMode")
    assert set(far("tests.support.games:ToldTheMode").reset()[0]) == {"red", "green", "blue"}


def test_an_env_can_be_pickled_before_its_first_reset(serve, far):
    serve(ARENA)
    env = pickle.loads(pickle.dumps(far(ARENA, odd="keys")))
    assert "common" not in env.reset()[0]
    assert "common" in env.step(ALL)[0]
    with pytest.raises(pickle.PicklingError, match="before its first reset"):
        pickle.dumps(env)
    env.close()


def test_closed_twice_it_still_knows_its_spaces_and_gives_its_slot_back(serve, far):
    serve(ARENA, capacity=1)
    for _ in range(2):
        env = far(ARENA)
        env.reset()
        env.close()
        env.close()
        assert env.action_space("red").n == 4
        with pytest.raises(EnvClosed):
            env.reset()


def test_what_the_env_raises_is_told_and_the_episode_goes_on(serve, far):
    serve(ARENA)
    env = far(ARENA, odd="raise")
    env.reset()
    env.step(ALL)
    with pytest.raises(EnvError, match="step raised RuntimeError: trouble in the arena"):
        env.step(ALL)
    assert set(env.reset()[0]) == {"red", "green", "blue"}


def test_flags_of_a_list_are_no_flag_of_an_agent_and_are_called_so(serve, far):
    serve(ARENA)
    env = far(ARENA, odd="flags")
    env.reset()
    with pytest.raises(EnvError, match=r"terminations\['green'\]: expected one bool, got list of length 1"):
        env.step(ALL)


@AMQP_ONLY
def test_after_a_step_timeout_one_may_wait_on(serve, far):
    serve(ARENA)
    env = far(ARENA, odd="hang")
    env.reset()
    env.step_timeout = 0.1
    GATE.clear()
    with pytest.raises(StepTimeout, match="waited .* for the reply to act"):
        env.step(ALL)
    with pytest.raises(StepTimeout):
        env.state()
    GATE.set()
    assert set(env.wait(20.0)[1]) == {"red", "green", "blue"}
    env.step_timeout = 20.0
    assert env.state()[0] == 1


@AMQP_ONLY
def test_a_worker_that_is_killed_is_lost_loudly(far, broker_url, tmp_path):
    with worker(broker_url, tmp_path / "log", ARENA):
        env = far(ARENA, resume_window=0.5)
        env.reset()
    with pytest.raises(WorkerLost, match="cannot be reached since act was sent"):
        env.step(ALL)


def test_each_kind_of_env_is_opened_by_its_own_door(serve, far, far_aec, remote):
    serve("CartPole-v1", ARENA, capacity=1)
    for _ in range(2):  # and leaves no episode behind
        with pytest.raises(InvalidArgument, match=r"is served as parallel: open it by gymbroker.make_parallel\(\)"):
            remote(ARENA).open()
        with pytest.raises(InvalidArgument, match=r"is served as parallel: open it by gymbroker.make_parallel\(\)"):
            far_aec(ARENA).open()
        with pytest.raises(InvalidArgument, match=r"is served as gymnasium: open it by gymbroker.make\(\)"):
            far("CartPole-v1").open()


def test_an_env_of_many_agents_has_no_lanes(serve, broker_url):
    one = serve(ARENA, capacity=1)
    for _ in range(2):
        with pytest.raises(BadKwargs, match="num_envs: tests.support.games:Arena is an env of many agents"):
            gymbroker.make_vec(ARENA, 2, broker_url)
    assert one.alive


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("none", "possible_agents: expected one or more names"),
        ("twice", "possible_agents: expected one or more names, each once, got .'red', 'red'"),
        ("numbers", "possible_agents: expected strings, got 0"),
        ("unknown", "possible_agents: this env has none: its agents are not known before they appear"),
    ],
)
def test_agents_that_cannot_be_served_are_refused_by_name(serve, far, how, text):
    serve("tests.support.games:Agents")
    with pytest.raises(EnvError, match=text):
        far("tests.support.games:Agents", how=how).open()


def test_an_agent_that_was_not_possible_is_the_fault_of_the_env(serve, far):
    serve("tests.support.games:Stranger")
    env = far("tests.support.games:Stranger")
    env.reset()
    with pytest.raises(EnvError, match="agents: expected possible agents only, got 'nobody' too.*fault of the env"):
        env.step(ALL)


def test_what_a_foreign_agent_sends_is_checked_by_the_worker_too(serve, broker_url):
    serve(ARENA)
    session = Session.open(Wish(broker_url, ARENA, make_timeout=20.0))
    with pytest.raises(gymbroker.ProtocolFailure, match="a list of seeds or a mask is for a vector env"):
        session.request(Reset, 20.0, seed=[1, 2])
    session.request(Reset, 20.0, seed=1)
    for wire in (None, [], [0] * 4, [9, None, None, None, None], [None, b"", None, None, None]):
        with pytest.raises(InvalidAction, match="action"):
            session.request(Act, 20.0, action=wire)
    for call in ({"name": "close"}, {"name": "observe", "args": ["red"]}, {"name": "state", "args": [1]}):
        with pytest.raises(gymbroker.RemoteEnvError, match="bad_call, fault of the agent"):
            session.request(Call, 20.0, **call)
    assert session.request(Call, 20.0, name="state").value[0] == 0
    session.close(20.0)


def test_what_the_operator_allows_beside_it_may_be_called_read_and_set(serve, far):
    serve(ARENA, allowed=Allowed(call=("shout",), get=("count", "odd"), set=("odd", "agents")))
    env = far(ARENA)
    assert env.description.calls == ("state", "shout", "get:count", "get:odd", "set:odd", "set:agents")
    env.reset()
    assert (env.shout("go"), env.count, env.call("state").tolist()) == ("go!", 0, [0, 3])
    env.odd = "keys"
    assert "common" in env.step(ALL)[0]
    assert env.odd == "keys"
    assert env.agents == ["green", "red", "blue"]
    for refused in (lambda: env.call("render"), lambda: env.closed, lambda: env.call("_observe")):
        with pytest.raises(CallRefused, match="they may call state, shout; read count, odd; set odd, agents"):
            refused()
    env.max_cycles = 7  # as tests of PettingZoo do; nobody allowed to set it there
    assert env.max_cycles == 7


def test_gymbroker_make_parallel_brings_its_worker_along_on_memory():
    env = gymbroker.make_parallel(ARENA, "memory://parallel")
    assert set(env.reset()[0]) == {"red", "green", "blue"}
    env.close()
