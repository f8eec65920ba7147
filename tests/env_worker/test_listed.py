"""Envs whose agents are lists, presented as those of PettingZoo."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from env_worker.foreign import accept
from env_worker.listed import ListedAgents, is_listed
from env_worker.multi import kind_of
from protocol.errors import EncodeError
from tests.support.duels import Duel


@pytest.fixture
def duel():
    env = accept(Duel(), "test")
    env.reset(seed=7)
    return env


def test_it_is_an_env_of_agents_that_act_at_once(duel):
    assert isinstance(duel, ListedAgents)
    assert kind_of(duel) == "parallel"
    assert duel.possible_agents == duel.agents == ["agent_0", "agent_1"]
    assert [duel.action_space(agent) for agent in duel.agents] == [spaces.Discrete(3), spaces.Discrete(4)]
    assert {agent: seen.tolist() for agent, seen in duel.reset(seed=8)[0].items()} == {
        "agent_0": [8, 0, 0], "agent_1": [8, 0, 0],
    }  # fmt: skip


def test_who_is_done_leaves_and_its_last_action_is_given_on(duel):
    duel.step({"agent_0": 1, "agent_1": 2})
    observations, rewards, terminations, truncations, infos = duel.step({"agent_0": 2, "agent_1": 3})
    assert rewards == {"agent_0": 2.0, "agent_1": -3.0}
    assert terminations == {"agent_0": True, "agent_1": False}
    assert not any(truncations.values())
    assert infos == {"agent_0": {"steps": 2}, "agent_1": {"steps": 2}}
    assert infos["agent_0"] is not infos["agent_1"]
    assert duel.agents == ["agent_1"]
    observations, _, terminations, _, _ = duel.step({"agent_1": 1})
    assert duel.env.did == [2, 1]
    assert observations["agent_1"].tolist() == [7, 3, 1]
    assert (list(observations), terminations, duel.agents) == (["agent_1"], {"agent_1": True}, [])


def test_who_is_in_the_run_must_act_anew_and_nothing_is_stepped_without(duel):
    duel.step({"agent_0": 1, "agent_1": 2})
    with pytest.raises(KeyError, match="agent_1"):
        duel.step({"agent_0": 2})
    assert duel.env.did == [1, 2]


class Odd(Duel):
    """Gives what it was told to."""

    found: tuple = ()

    def step(self, actions):
        return self.found


@pytest.mark.parametrize(
    ("found", "ended"),
    [
        (([1, 2], [0, 0], True, {"TimeLimit.truncated": True}), (False, True)),
        (([1, 2], [0, 0], True, [{}, {}]), (True, False)),
        (([1, 2], [0, 0], [True, True], [False, False], {}), (True, False)),
        (([1, 2], [0, 0], False, True, {}), (False, True)),
        (([1, 2], [0, 0], np.array(True), {}), (True, False)),
        ((np.ones(2), np.zeros(2), np.array([True, True]), {}), (True, False)),
    ],
)
def test_flags_may_be_one_for_all_and_four_results_or_five(found, ended):
    env = accept(Odd(), "test")
    env.env.found = found
    env.reset()
    terminated, truncated = env.step({"agent_0": 0, "agent_1": 0})[2:4]
    assert (terminated, truncated) == tuple(dict.fromkeys(env.possible_agents, flag) for flag in ended)
    assert env.agents == []


@pytest.mark.parametrize("rewards", [0.5, np.array(0.5), [0.5], {"agent_0": 0.5, "agent_1": 0.5}], ids=repr)
def test_what_is_no_list_of_all_is_named(rewards):
    env = accept(Odd(), "test")
    env.env.found = ([1, 2], rewards, [False, False], {})
    env.reset()
    with pytest.raises(TypeError, match=r"rewards: expected a list of 2, one for each agent, got"):
        env.step({"agent_0": 0, "agent_1": 0})


@pytest.mark.parametrize("flags", [[[False], [False]], {"agent_0": False, "agent_1": False}], ids=repr)
def test_flags_that_are_no_bools_are_named(flags):
    env = accept(Odd(), "test")
    env.env.found = ([1, 2], [0, 0], flags, {})
    env.reset()
    with pytest.raises(EncodeError, match=r"done.*: expected one bool, got"):
        env.step({"agent_0": 0, "agent_1": 0})


@pytest.mark.parametrize("space", [spaces.Tuple([spaces.Discrete(2)]), [], [1], [spaces.Discrete(2)] * 2])
def test_other_spaces_are_no_lists_of_agents(space):
    env = Duel()
    env.observation_space, env.action_space = space, [spaces.Discrete(2)]
    assert not is_listed(env)
