"""What an episode hosts whose env has many agents, all of them driven by the one agent worker of the episode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from env_worker.calls import answer
from env_worker.compat import flag
from env_worker.host import BadCall, Host, RefusedRequest
from env_worker.spaces import to_spec
from protocol.coders import coder
from protocol.coders_misfit import describe
from protocol.errors import DecodeError, EncodeError
from protocol.roster import Report, Roster
from protocol.specs import DictSpec

if TYPE_CHECKING:
    from env_worker.calls import Allowed
    from protocol.messages import Call, Reset
    from protocol.specs import Spec


class UnsupportedAgents(TypeError):
    """An env whose agents cannot be served: not known before the first reset, or not named by strings."""


class _ManyHost(Host):
    """What is alike for agents that act at once and agents that take turns."""

    _own_calls: tuple[str, ...] = ("state",)
    """What agents may call whatever the operator allows: it is of the API of the env."""

    def __init__(self, env: Any, allowed: Allowed) -> None:
        self.env = env
        self.calls = tuple(dict.fromkeys([*self._own_calls, *allowed.of(env)]))
        self._allowed = allowed
        agents = possible_agents(env)
        observations = {agent: to_spec(env.observation_space(agent)) for agent in agents}
        actions = {agent: to_spec(env.action_space(agent)) for agent in agents}
        self.observation_space: Spec = DictSpec(tuple(observations.items()))
        self.action_space: Spec = DictSpec(tuple(actions.items()))
        space = getattr(env, "state_space", None)
        self.state_space: Spec | None = None if space is None else to_spec(space)
        self._roster = Roster(agents)
        graph = gymnasium.spaces.GraphInstance
        self._observations = {
            agent: coder(spec, bounds=False, name=f"observation[{agent!r}]") for agent, spec in observations.items()
        }
        self._actions = {
            agent: coder(spec, bounds=True, graph=graph, name=f"action[{agent!r}]") for agent, spec in actions.items()
        }

    def _reset(self, request: Reset) -> Any:
        if isinstance(request.seed, list) or request.mask is not None:
            raise RefusedRequest("a list of seeds or a mask is for a vector env, this is an env of many agents")
        return self.env.reset(seed=request.seed, options=request.options)

    def call(self, request: Call) -> Any:
        """``state()`` as free data, ``observe(agent)`` coded where agents take turns, and what the operator allows.

        Raises ``BadCall``, and what the env raises.
        """
        if request.name not in self.calls:
            raise BadCall(f"{request.name!r}: of this env agents may call {', '.join(self.calls)}")
        if request.name not in self._own_calls:
            return answer(self._allowed, self.env, request)
        if request.kwargs or len(request.args) != (request.name == "observe"):
            raise BadCall(f"{request.name}: expected {'one agent' if request.name == 'observe' else 'no arguments'}")
        return self._observe(request.args[0]) if request.args else self.env.state()

    def _observe(self, agent: Any) -> Any:
        if type(agent) is not str or agent not in self._observations:
            raise BadCall(f"observe: expected a possible agent, got {describe(agent)}")
        observation = self.env.observe(agent)
        return None if observation is None else self._observations[agent].encode(observation)


class ParallelHost(_ManyHost):
    """A ``pettingzoo.ParallelEnv``, or what acts like one: all agents act at once."""

    api = "parallel"

    def reset(self, request: Reset) -> dict[str, Any]:
        """Fields of the percept. Raises ``RefusedRequest``, ``EncodeError``, and what the env raises."""
        observations, infos = self._reset(request)
        none = dict.fromkeys(_keyed("infos", infos), False)
        return self._fields(observations, none, none, none, infos)

    def step(self, wire: Any) -> dict[str, Any]:
        """Fields of the percept. Raises ``DecodeError`` for the actions, ``EncodeError``, and what the env raises."""
        return self._fields(*self.env.step(self._decode(wire)))

    def _decode(self, wire: Any) -> dict[str, Any]:
        """The actions, in the order in which the env names its agents; then those of others."""
        agents = self._roster.agents
        if type(wire) is not list or len(wire) != len(agents):
            raise DecodeError(f"action: expected a list of {len(agents)}, one for each agent, got {describe(wire)}")
        given = {agent: part for agent, part in zip(agents, wire, strict=True) if part is not None}
        order = dict.fromkeys([*self.env.agents, *given])
        return {agent: self._actions[agent].decode(given[agent]) for agent in order if agent in given}

    def _fields(
        self, observations: Any, rewards: Any, terminations: Any, truncations: Any, infos: Any
    ) -> dict[str, Any]:
        coders = self._observations
        observations = _keyed("observations", observations).items()
        return self._roster.write(
            Report(
                agents=list(self.env.agents),
                infos=_keyed("infos", infos),
                rewards=_rewards("rewards", rewards),
                terminations=_flags("terminations", terminations),
                truncations=_flags("truncations", truncations),
                observations={
                    agent: coders[agent].encode(one) if agent in coders and one is not None else one
                    for agent, one in observations
                },
            )
        )


class AECHost(_ManyHost):
    """A ``pettingzoo.AECEnv``, or what acts like one: agents take turns.

    A percept carries the observation of the agent whose turn it is; others are asked for by the call ``observe``.
    """

    api = "aec"
    _own_calls = ("observe", "state")

    def reset(self, request: Reset) -> dict[str, Any]:
        """Fields of the percept. Raises ``RefusedRequest``, ``EncodeError``, and what the env raises."""
        self._reset(request)
        return self._fields()

    def step(self, wire: Any) -> dict[str, Any]:
        """Fields of the percept. Raises ``DecodeError`` for the action, ``EncodeError``, and what the env raises."""
        agent = self._selected()
        over = agent is None or bool(self.env.terminations[agent]) or bool(self.env.truncations[agent])
        if (wire is None) != over:
            expected = "None, as it is dead" if over else "an action, as it is alive"
            raise DecodeError(f"action[{agent!r}]: expected {expected}, got {describe(wire)}")
        self.env.step(None if agent is None or over else self._actions[agent].decode(wire))
        return self._fields()

    def _selected(self) -> str | None:
        """Whose turn it is; None when no agent is left."""
        agent: str | None = self.env.agent_selection if self.env.agents else None
        if agent is not None and agent not in self._observations:
            raise EncodeError(f"agent_selection: expected a possible agent, got {describe(agent)}")
        return agent

    def _fields(self) -> dict[str, Any]:
        env, agent = self.env, self._selected()
        report = Report(
            agents=list(env.agents),
            infos=_keyed("infos", env.infos),
            rewards=_rewards("rewards", env.rewards),
            terminations=_flags("terminations", env.terminations),
            truncations=_flags("truncations", env.truncations),
            cumulative_rewards=_rewards("_cumulative_rewards", env._cumulative_rewards),
            agent_selection=agent,
        )
        return {**self._roster.write(report), "observation": self._observation_ahead(agent)}

    def _observation_ahead(self, agent: str | None) -> Any:
        """What ``last()`` will most likely want; None where that cannot be had, and ``observe`` will be asked why."""
        try:
            return None if agent is None else self._observe(agent)
        except Exception:  # noqa: BLE001 - foreign code; nobody has asked for it yet, and the step itself is done
            return None


def many_host(kind: str, env: Any, allowed: Allowed) -> ParallelHost | AECHost:
    """The host for an env of ``kind`` (``env_worker.multi.kind_of``). Raises ``UnsupportedAgents`` and others."""
    return ParallelHost(env, allowed) if kind == "parallel" else AECHost(env, allowed)


def possible_agents(env: Any) -> list[str]:
    """All agents that may appear, in the env's order. Raises ``UnsupportedAgents``."""
    agents = getattr(env, "possible_agents", None)
    if agents is None:
        raise UnsupportedAgents("possible_agents: this env has none: its agents are not known before they appear")
    agents = list(agents)
    odd = [agent for agent in agents if type(agent) is not str]
    if odd:
        raise UnsupportedAgents(f"possible_agents: expected strings, got {describe(odd[0])}")
    if not agents or len(set(agents)) != len(agents):
        raise UnsupportedAgents(f"possible_agents: expected one or more names, each once, got {agents!r:.200}")
    return agents


def _keyed(name: str, part: Any) -> dict[Any, Any]:
    if not isinstance(part, dict):
        raise TypeError(f"{name}: expected a dict keyed by agent, got {describe(part)}")
    return part


def _rewards(name: str, part: Any) -> dict[Any, float]:
    return {
        agent: value if type(value) is float else float(np.asarray(value).item())
        for agent, value in _keyed(name, part).items()
    }


def _flags(name: str, part: Any) -> dict[Any, bool]:
    return {agent: flag(f"{name}[{agent!r}]", value) for agent, value in _keyed(name, part).items()}
