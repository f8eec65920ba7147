"""Remote and local envs of many agents side by side."""

from __future__ import annotations

import importlib
import warnings
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from agent_worker.aec_env import RemoteAECEnv
from agent_worker.parallel_env import RemoteParallelEnv
from tests.support.equal import identical

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports a game of its own by the name of an old module
    from pettingzoo import test as zoo

__all__ = ["far", "far_aec", "zoo"]

ARENA = "tests.support.games:Arena"
AUCTION = "tests.support.games:Auction"
RPS = "pettingzoo.classic.rps.rps"
TICTACTOE = "pettingzoo.classic.tictactoe.tictactoe"
CONNECT_FOUR = "pettingzoo.classic.connect_four.connect_four"
PONG = "pettingzoo.butterfly.cooperative_pong.cooperative_pong"
ZOMBIES = "pettingzoo.butterfly.knights_archers_zombies.knights_archers_zombies"

AMQP_ONLY = pytest.mark.parametrize("broker_url", ["amqp"], indirect=True)
"""Behind ``memory://`` the agent's thread runs the env, and can neither wait for it nor lose it."""

PONG_RENDERS = pytest.mark.filterwarnings("ignore:.*You are calling render method without specifying any render mode")
"""The game does so itself, in every step."""


@pytest.fixture
def far(broker_url):
    """``far(ARENA)`` gives a remote env at the test's broker; of ``kind`` RemoteAECEnv where that is said."""
    with ExitStack() as envs:

        def make(env_id: str, kind: type = RemoteParallelEnv, **kwargs: Any) -> Any:
            env = kind(env_id, broker_url, **{"make_timeout": 20.0, "step_timeout": 20.0, **kwargs})
            envs.callback(env.close)
            return env

        yield make


@pytest.fixture
def far_aec(far):
    """``far_aec(AUCTION)`` gives a ``RemoteAECEnv``."""
    return lambda env_id, **kwargs: far(env_id, RemoteAECEnv, **kwargs)


def near(env_id: str, **kwargs: Any) -> Any:
    """The same env, in this process."""
    module, _, name = env_id.partition(":")
    return getattr(importlib.import_module(module), name)(**kwargs)


def seeded(env: Any) -> Any:
    """The env, after its actions are drawn alike wherever it is."""
    for number, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(number)
    return env


def chosen(env: Any, agent: str, observation: Any, info: dict[str, Any]) -> Any:
    """A random action that the agent may take now."""
    mask = observation.get("action_mask") if isinstance(observation, dict) else info.get("action_mask")
    return env.action_space(agent).sample() if mask is None else env.action_space(agent).sample(mask)


def fit(space: Any, value: Any) -> Any:
    """A local observation in the types that a remote one always has: those of its space."""
    if isinstance(space, spaces.Dict):
        return {key: fit(part, value[key]) for key, part in space.spaces.items()}
    return space.dtype.type(value) if isinstance(space, spaces.Discrete) else value


def floats(rewards: dict[Any, Any]) -> dict[Any, float]:
    """Rewards as Python floats."""
    return {agent: float(np.asarray(reward).item()) for agent, reward in rewards.items()}


def flags(part: dict[Any, Any]) -> dict[Any, bool]:
    """Flags as Python bools."""
    return {agent: bool(flag) for agent, flag in part.items()}


def same_parallel_run(ours: Any, theirs: Any, steps: int, seed: int = 11) -> set[int]:
    """Take both through the same ``steps``, and check that all that they say is identical; how many agents lived."""
    _same_names_and_spaces(ours, theirs)
    seeded(theirs)
    seen, infos = theirs.reset(seed=seed)
    assert identical(ours.reset(seed=seed), (_fitted(theirs, seen), infos))
    alive = set()
    for _ in range(steps):
        assert ours.agents == list(theirs.agents)
        assert ours.num_agents == len(theirs.agents)
        alive.add(len(ours.agents))
        if theirs.agents:
            actions = {agent: chosen(theirs, agent, seen[agent], infos.get(agent, {})) for agent in theirs.agents}
            seen, rewards, terminations, truncations, infos = theirs.step(actions)
            told = _fitted(theirs, seen), floats(rewards), flags(terminations), flags(truncations), infos
            assert identical(ours.step(dict(reversed(actions.items()))), told)  # the order of actions is not theirs
        else:
            seen, infos = theirs.reset()
            assert identical(ours.reset(), (_fitted(theirs, seen), infos))
    return alive


def same_aec_run(ours: Any, theirs: Any, turns: int, seed: int = 5) -> set[int]:
    """Take both through the same ``turns``, and check that all that they say is identical; how many agents lived."""
    _same_names_and_spaces(ours, theirs)
    seeded(theirs)
    assert ours.reset(seed=seed) is theirs.reset(seed=seed) is None
    alive = set()
    for _ in range(turns):
        assert identical(_facts(ours), _facts(theirs))
        alive.add(len(ours.agents))
        if not theirs.agents:
            ours.reset()
            theirs.reset()
            continue
        agent = theirs.agent_selection
        observation, _, terminated, truncated, info = theirs.last()
        assert identical(ours.last()[0], fit(theirs.observation_space(agent), observation))
        gained = ours._cumulative_rewards[agent]
        assert ours.last()[1:-1] == (gained, bool(terminated), bool(truncated))
        assert ours.last()[-1] is ours.infos[agent]
        for one in theirs.agents:
            assert identical(ours.observe(one), fit(theirs.observation_space(one), theirs.observe(one)))
        action = None if terminated or truncated else chosen(theirs, agent, observation, info)
        assert ours.step(action) is theirs.step(action) is None
    return alive


def _same_names_and_spaces(ours: Any, theirs: Any) -> None:
    assert ours.possible_agents == theirs.possible_agents
    for agent in theirs.possible_agents:
        assert ours.observation_space(agent) == theirs.observation_space(agent)
        assert ours.action_space(agent) == theirs.action_space(agent)


def _fitted(env: Any, observations: dict[Any, Any]) -> dict[Any, Any]:
    """Observations of a local env; what is of no agent, or None, is left as it is."""
    return {
        agent: one if one is None or agent not in env.possible_agents else fit(env.observation_space(agent), one)
        for agent, one in observations.items()
    }


def _facts(env: Any) -> list[Any]:
    """What an AEC env says without being asked, in the types that remote ones have."""
    return [
        list(env.agents),
        env.agent_selection if env.agents else None,
        floats(env.rewards),
        floats(env._cumulative_rewards),
        flags(env.terminations),
        flags(env.truncations),
        env.infos,
    ]


def complaints(test: Any, *arguments: Any) -> set[str]:
    """What a test of PettingZoo's warns of; it raises where the env does not pass."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        test(*arguments)
    # The game of rock, paper, scissors gives an array of no dimension where its space says np.int64, which is no array.
    return {str(warning.message) for warning in said} - {
        "Observation is not a NumPy array", "Observation numpy array is all zeros.",
    }  # fmt: skip
