"""A remote env of agents that take turns is used like the env itself: over both transports."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest
from pettingzoo import AECEnv
from pettingzoo.utils import aec_to_parallel
from pettingzoo.utils.wrappers import OrderEnforcingWrapper, TerminateIllegalWrapper

import gymbroker
from agent_worker.errors import EnvClosed, EnvError, InvalidAction, InvalidArgument, NotReset, StepTimeout, WorkerLost
from agent_worker.session import Session
from agent_worker.wish import Wish
from env_worker.calls import Allowed
from protocol.messages import Act, Call, Reset
from tests.support import many
from tests.support.commands import worker
from tests.support.equal import identical
from tests.support.games import GATE, Auction
from tests.support.many import (
    AMQP_ONLY,
    AUCTION,
    CONNECT_FOUR,
    PONG,
    PONG_RENDERS,
    RPS,
    TICTACTOE,
    ZOMBIES,
    complaints,
    near,
    zoo,
)

BID = np.zeros(2, np.float32)
"""What bob, who is first, may do in the auction."""


@PONG_RENDERS
@pytest.mark.parametrize(
    ("env_id", "kwargs", "turns"),
    [
        (AUCTION, {}, 200),
        (f"{TICTACTOE}:env", {}, 60),
        (f"{CONNECT_FOUR}:env", {}, 100),
        (f"{RPS}:env", {"max_cycles": 10}, 60),
        (f"{PONG}:env", {"max_cycles": 5}, 20),
        (f"{ZOMBIES}:env", {"max_cycles": 60, "spawn_delay": 1, "line_death": True}, 300),
    ],
)
def test_the_same_seed_and_actions_give_exactly_the_local_run(serve, far_aec, env_id, kwargs, turns):
    serve(env_id)
    theirs = near(env_id, **kwargs)
    alive = many.same_aec_run(far_aec(env_id, **kwargs), theirs, turns)
    assert 0 in alive, "not a run has ended"
    if env_id == AUCTION or ZOMBIES in env_id:
        assert len(alive) > 2, "nobody died before others"
    theirs.close()


@pytest.mark.parametrize("name", [RPS, TICTACTOE, CONNECT_FOUR, ZOMBIES])
def test_api_test_and_seed_test_of_pettingzoo_pass(serve, far_aec, name):
    env_id = f"{name}:env"
    serve(env_id)
    ours, theirs = functools.partial(far_aec, env_id), functools.partial(near, env_id)
    assert complaints(zoo.api_test, many.seeded(ours()), 40) == complaints(zoo.api_test, many.seeded(theirs()), 40)
    assert complaints(zoo.seed_test, ours, 30) == complaints(zoo.seed_test, theirs, 30)


def test_state_test_of_pettingzoo_passes(serve, far, far_aec):
    serve(f"{ZOMBIES}:env", f"{ZOMBIES}:parallel_env")
    ours = far_aec(f"{ZOMBIES}:env"), far(f"{ZOMBIES}:parallel_env")
    theirs = near(f"{ZOMBIES}:env"), near(f"{ZOMBIES}:parallel_env")
    assert ours[0].state_space == ours[1].state_space == theirs[0].state_space
    assert complaints(zoo.state_test, *map(many.seeded, ours)) == complaints(
        zoo.state_test, *map(many.seeded, theirs)
    )


def test_conversions_and_wrappers_of_pettingzoo_do_not_notice(serve, far_aec):
    serve(f"{RPS}:env", f"{TICTACTOE}:raw_env")
    zoo.parallel_api_test(aec_to_parallel(far_aec(f"{RPS}:env")), 20)
    env = OrderEnforcingWrapper(TerminateIllegalWrapper(far_aec(f"{TICTACTOE}:raw_env"), illegal_reward=-1))
    assert complaints(zoo.api_test, many.seeded(env), 20) == set()


def test_agents_are_gone_through_as_pettingzoo_shows_it(serve, far_aec):
    serve(AUCTION)
    env = many.seeded(far_aec(AUCTION))
    assert isinstance(env, AECEnv)
    env.reset(seed=4)
    turns = []
    for agent in env.agent_iter():
        observation, reward, terminated, truncated, info = env.last()
        assert (type(reward), type(terminated), type(truncated), type(info)) == (float, bool, bool, dict)
        assert env.observation_space(agent).contains(observation)
        env.step(None if terminated or truncated else env.action_space(agent).sample())
        turns.append(agent)
    assert set(turns) == {"ann", "bob", "cid"}
    assert env.agents == []
    assert env.agent_selection is None
    assert (env.num_agents, env.max_num_agents) == (0, 4)


def test_an_observation_is_a_writable_array_of_its_own_every_time(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION)
    env.reset(seed=1, options={"mode": "hard"})
    assert env.infos["bob"] == {"options": {"mode": "hard"}}
    for agent in ("cid", "ann"):
        first = env.observe(agent)
        array = first if agent == "cid" else first["observation"]
        array += 1
        assert not identical(env.observe(agent), first)
        assert env.observation_space(agent).contains(env.observe(agent))
    env.step(BID)
    env.last()[0]["observation"][:] = 7
    assert env.last()[0]["observation"].tolist() == [1, 1]
    assert env.last(observe=False)[0] is None


def test_the_state_is_asked_for_and_may_be_any_data(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION)
    env.reset()
    assert identical(env.state(), {"count": 0, "agents": ("bob", "ann", "cid")})
    assert not hasattr(env, "state_space")


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (None, r"action\['bob'\]: expected an action, as the agent is alive, got None"),
        (np.full(2, 3.0), r"action\['bob'\].*expected"),
        (np.zeros(3), r"action\['bob'\]: expected .*shape \(2,\)"),
        ("bid", r"action\['bob'\]"),
    ],
)
def test_an_action_that_does_not_fit_is_refused_by_name_before_anything_is_sent(serve, far_aec, action, text):
    serve(AUCTION)
    env = far_aec(AUCTION)
    env.reset()
    with pytest.raises(InvalidAction, match=text):
        env.step(action)
    assert env.state()["count"] == 0
    env.step(BID)
    assert env.state()["count"] == 1


def to_the_first_death(env, seed):
    env.reset(seed=seed)
    while not env.terminations[env.agent_selection]:
        env.step(env.action_space(env.agent_selection).sample())
    return env.agent_selection


def test_a_dead_agent_has_one_turn_more_for_nothing(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION)
    agent = to_the_first_death(env, 1)
    count = env.state()["count"]
    with pytest.raises(InvalidAction, match=rf"action\['{agent}'\]: expected None, as the agent is dead, got int"):
        env.step(0)
    assert env.observation_space(agent).contains(env.last()[0])
    env.step(None)
    assert agent not in env.agents
    assert agent not in env.infos
    assert env.state()["count"] == count


def test_where_no_agent_is_left_there_is_nothing_to_do(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION)
    env.reset(seed=4)
    for agent in env.agent_iter():
        env.step(None if env.terminations[agent] or env.truncations[agent] else env.action_space(agent).sample())
    with pytest.raises(InvalidAction, match="expected None, as no agent is left, got int"):
        env.step(0)
    env.reset()
    assert env.num_agents == 3


def test_a_dead_agent_that_cannot_be_observed_does_no_harm_until_it_is_asked_for(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION, odd="shy")
    agent = to_the_first_death(env, 1)
    assert env.last(observe=False)[2] is True
    with pytest.raises(EnvError, match=f"observe raised LookupError: '?{agent} has left"):
        env.last()
    env.step(None)
    assert agent not in env.agents


def test_step_observe_and_state_before_reset_say_so_and_harm_nothing(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION)
    for early in (lambda: env.step(BID), env.state, lambda: env.observe("ann")):
        with pytest.raises(NotReset, match=r"call reset\(\) before (step|state|observe)\(\)"):
            early()
    for name in ("agents", "agent_selection", "rewards", "terminations", "truncations", "infos", "num_agents"):
        with pytest.raises(AttributeError, match=rf"{name} cannot be accessed before reset\(\)"):
            getattr(env, name)
    env.reset()
    with pytest.raises(InvalidArgument, match="expected one of ann, bob, cid, never, got 'nobody'"):
        env.observe("nobody")


def test_names_and_metadata_are_those_of_the_env(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION, render_mode="ansi")
    assert env.possible_agents == Auction().possible_agents
    assert env.metadata == Auction.metadata
    assert str(env) == "auction_v0"
    env.reset()
    assert env.render() == "bid 0"


def test_an_env_can_be_pickled_before_its_first_reset_and_closed_twice(serve, far_aec):
    serve(AUCTION, capacity=1)
    env = pickle.loads(pickle.dumps(far_aec(AUCTION)))
    env.reset()
    with pytest.raises(pickle.PicklingError, match="before its first reset"):
        pickle.dumps(env)
    env.close()
    env.close()
    assert env.action_space("ann").n == 3
    for late in (env.reset, lambda: env.step(BID), lambda: env.observe("ann")):
        with pytest.raises(EnvClosed):
            late()
    far_aec(AUCTION).reset()


def test_what_the_env_raises_is_told_and_the_episode_goes_on(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION, odd="raise")
    env.reset(seed=1)
    env.step(BID)
    with pytest.raises(EnvError, match="step raised RuntimeError: trouble at the auction"):
        env.step(1)
    assert env.observe("ann")["observation"].tolist() == [2, 2], "it went on before it raised"
    env.reset()
    assert env.agent_selection == "bob"


@AMQP_ONLY
def test_after_a_step_timeout_one_may_wait_on(serve, far_aec):
    serve(AUCTION)
    env = far_aec(AUCTION, odd="hang")
    env.reset(seed=1)
    env.step_timeout = 0.1
    GATE.clear()
    with pytest.raises(StepTimeout, match="waited .* for the reply to act"):
        env.step(BID)
    with pytest.raises(StepTimeout):
        env.observe("cid")
    GATE.set()
    assert env.wait(20.0) is None
    assert env.agent_selection == "ann"
    GATE.clear()
    with pytest.raises(StepTimeout, match="waited .* for the reply to call"):
        env.observe("cid")
    GATE.set()
    assert identical(env.wait(20.0), np.full((2, 2), 0.01, np.float16))


@AMQP_ONLY
def test_a_worker_that_is_killed_is_lost_loudly(far_aec, broker_url, tmp_path):
    with worker(broker_url, tmp_path / "log", AUCTION):
        env = far_aec(AUCTION, resume_window=0.5)
        env.reset()
    with pytest.raises(WorkerLost, match="cannot be reached since act was sent"):
        env.step(BID)


def test_each_kind_of_env_is_opened_by_its_own_door(serve, far, remote, broker_url):
    serve(AUCTION, capacity=1)
    for _ in range(2):  # and leaves no episode behind
        with pytest.raises(InvalidArgument, match=r"is served as aec: open it by gymbroker.make_aec\(\)"):
            gymbroker.make(AUCTION, broker_url)
        with pytest.raises(InvalidArgument, match=r"is served as aec: open it by gymbroker.make_aec\(\)"):
            far(AUCTION).open()
    with pytest.raises(gymbroker.BadKwargs, match="is an env of many agents, which has no lanes"):
        gymbroker.make_vec(AUCTION, 2, broker_url)


def test_what_a_foreign_agent_sends_is_checked_by_the_worker_too(serve, broker_url):
    serve(AUCTION)
    session = Session.open(Wish(broker_url, AUCTION, make_timeout=20.0))
    session.request(Reset, 20.0, seed=1)
    for wire in (None, 7, b"\0", [b"\0" * 8]):
        with pytest.raises(InvalidAction, match=r"action\['bob'\]"):
            session.request(Act, 20.0, action=wire)
    for arguments in ([], ["nobody"], [7], ["ann", "bob"]):
        with pytest.raises(gymbroker.RemoteEnvError, match="observe: expected .*bad_call, fault of the agent"):
            session.request(Call, 20.0, name="observe", args=arguments)
    for name in ("last", "__init__", "env.close"):
        with pytest.raises(gymbroker.RemoteEnvError, match="of this env agents may call observe, state .*bad_call"):
            session.request(Call, 20.0, name=name)
    assert session.request(Call, 20.0, name="observe", args=["bob"]).value == "x0"
    session.close(20.0)


def test_what_the_operator_allows_may_change_what_agents_see(serve, far_aec):
    serve(AUCTION, allowed=Allowed(set=("count",)))
    env = far_aec(AUCTION)
    env.reset()
    assert env.last()[0] == "x0"
    env.count = 9
    assert env.last()[0] == "x9"


def test_gymbroker_make_aec_brings_its_worker_along_on_memory():
    env = gymbroker.make_aec(AUCTION, "memory://aec")
    env.reset()
    assert env.agent_selection == "bob"
    env.close()
