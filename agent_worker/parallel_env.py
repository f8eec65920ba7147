"""An env of many agents in another process, as a ``pettingzoo.ParallelEnv``: all agents act at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from agent_worker.many_agents import ManyAgents
from agent_worker.pettingzoo_base import ParallelEnv
from protocol.errors import EncodeError
from protocol.messages import Act

if TYPE_CHECKING:
    from protocol.messages import Message

ByAgent = dict[str, Any]
Five = tuple[ByAgent, ByAgent, ByAgent, ByAgent, ByAgent]


class RemoteParallelEnv(ManyAgents, ParallelEnv[str, Any, Any]):  # type: ignore[misc]  # spaces are read only
    """``env_id``, a parallel env hosted by an env worker; one process drives all its agents, in one episode.

    To be used like the env itself: the same seeds and actions give the same runs. Rewards are Python floats, the two
    flags Python bools, observations writable arrays of the agent's space; dicts have the keys that the env gave, in
    its order. ``agents`` is there after the first ``reset``.

    Arguments as for ``agent_worker.RemoteEnv``; the episode is opened when it is first needed, so that the env can be
    pickled before. Raises (here and in all methods) ``agent_worker.errors.RemoteEnvError`` and
    ``broker.errors.BrokerError``.
    """

    _api: ClassVar[str] = "parallel"
    agents: list[str]
    """Who lives now."""
    _due: Sequence[str] = ()
    """Who must act next."""

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ByAgent, dict[str, dict[str, Any]]]:
        """As the env's own: observations and infos by agent."""
        observations, _, _, _, infos = self._five(self._restart(seed, options))
        return observations, infos

    def step(self, actions: Mapping[str, Any]) -> Five:  # type: ignore[override]  # here by agent
        """As the env's own: observations, rewards, terminations, truncations and infos, each by agent.

        ``actions``: one for each agent that lives and was given an observation; others need none.
        Raises ``InvalidAction``, before anything is sent, for an agent that is not of this env, an agent without an
        action, and an action outside of its agent's space; the text names the agent.
        """
        session = self._session or self._open()
        return self._five(session.request(Act, self.step_timeout, action=self._encode(actions)))

    def _encode(self, actions: Any) -> list[Any]:
        """The coded actions at the places of their agents."""
        if not isinstance(actions, Mapping):
            raise self._invalid(f"actions: expected a dict by agent, got {type(actions).__name__}")
        strangers = [agent for agent in actions if agent not in self._done]
        if strangers:
            raise self._invalid(f"actions: expected agents of this env, got {strangers[0]!r:.80}")
        without = [agent for agent in self._due if actions.get(agent) is None]
        if without:
            raise self._invalid(f"action[{without[0]!r}]: expected an action, as the agent is alive, got none")
        try:
            return [
                None if actions.get(agent) is None else done.encode(actions[agent])
                for agent, done in self._done.items()
            ]
        except EncodeError as error:
            raise self._invalid(str(error)) from error

    def _five(self, message: Message) -> Five:  # type: ignore[override]  # here by agent
        report = self._read(message, turns=False)
        assert report.observations is not None
        observations = {agent: self._seen_by(agent, wire) for agent, wire in report.observations.items()}
        self.agents = report.agents
        over = {agent for part in (report.terminations, report.truncations) for agent, flag in part.items() if flag}
        self._due = [agent for agent in self.agents if agent not in over and observations.get(agent) is not None]
        return observations, report.rewards, report.terminations, report.truncations, report.infos
