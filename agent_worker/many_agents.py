"""What a remote env of many agents is, whether they act at once or take turns: one episode, driven by one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
from gymnasium.spaces import GraphInstance

from agent_worker.errors import InvalidAction, InvalidArgument, NotReset, ProtocolFailure
from agent_worker.remote import RemoteMethods
from agent_worker.remote_calls import RemoteCalls
from agent_worker.spaces import space_of
from protocol.coders import coder
from protocol.errors import DecodeError
from protocol.messages import Percept
from protocol.roster import Roster
from protocol.specs import DictSpec

if TYPE_CHECKING:
    from types import ModuleType

    from protocol.coders import Coder
    from protocol.description import Description
    from protocol.messages import Message
    from protocol.roster import Report
    from protocol.specs import Spec


class ManyAgents(RemoteCalls, RemoteMethods):
    """The methods of a remote env that are the same for both kinds of PettingZoo's. See ``RemoteParallelEnv``."""

    _spaces: ClassVar[ModuleType] = gymnasium.spaces
    _graph: ClassVar[Any] = GraphInstance
    _after_reset: ClassVar[frozenset[str]] = frozenset({"agents", "num_agents"})
    _roster: Roster

    def _learn(self, description: Description) -> None:
        self._expect(description.api)
        seen, done = _by_agent(description.observation_space), _by_agent(description.action_space)
        if list(seen) != list(done) or not seen:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's spaces are not of the same agents")
        self._roster = Roster(seen)
        self._observation_spaces = {agent: self._space(spec) for agent, spec in seen.items()}
        self._action_spaces = {agent: self._space(spec) for agent, spec in done.items()}
        self._seen = self._coders("observation", seen, bounds=False)
        self._done = self._coders("action", done, bounds=True)
        space = description.state_space
        self._state_space = None if space is None else self._space(space)
        self._description = description

    def _space(self, spec: Spec) -> Any:
        return space_of(spec, self._spaces, self._wish.env_id)

    def _coders(self, name: str, specs: dict[str, Spec], *, bounds: bool) -> dict[str, Coder]:
        return {
            agent: coder(spec, bounds=bounds, graph=self._graph, name=f"{name}[{agent!r}]")
            for agent, spec in specs.items()
        }

    @property
    def possible_agents(self) -> list[str]:
        """All agents that may ever appear, in one order for the whole episode."""
        self._know()
        return self._roster.agents

    def observation_space(self, agent: str) -> Any:
        """Of one of ``possible_agents``; always the same object. Raises ``InvalidArgument`` for anybody else."""
        self._know()
        return self._observation_spaces[self._checked(agent)]

    def action_space(self, agent: str) -> Any:
        """Of one of ``possible_agents``; always the same object. Raises ``InvalidArgument`` for anybody else."""
        self._know()
        return self._action_spaces[self._checked(agent)]

    @property
    def observation_spaces(self) -> dict[str, Any]:
        """``observation_space`` of each of ``possible_agents``."""
        self._know()
        return self._observation_spaces

    @property
    def action_spaces(self) -> dict[str, Any]:
        """``action_space`` of each of ``possible_agents``."""
        self._know()
        return self._action_spaces

    @property
    def state_space(self) -> Any:
        """The space of ``state()``. Raises ``AttributeError`` if the env has none, as the env itself does."""
        self._know()
        if self._state_space is None:
            raise AttributeError(f"{self._wish.env_id} has no state_space")
        return self._state_space

    def state(self) -> Any:
        """The env's global view of now. Raises ``EnvError`` if it has none, and ``NotReset`` before ``reset``."""
        return self._request("state")

    def _request(self, name: str, *arguments: Any) -> Any:
        """The value of a call that every env of this kind answers. Raises ``NotReset``."""
        if not self._used:
            raise NotReset(f"{self._wish.env_id}: call reset() before {name}()")
        return self._ask(name, arguments, {})

    def _checked(self, agent: Any) -> str:
        if type(agent) is not str or agent not in self._observation_spaces:
            agents = ", ".join(self._roster.agents)
            raise InvalidArgument(f"{self._wish.env_id}: agent: expected one of {agents:.500}, got {agent!r:.80}")
        return agent

    def _invalid(self, text: str) -> InvalidAction:
        return InvalidAction(f"{self._wish.env_id}: {text}")

    def _read(self, message: Message, *, turns: bool) -> Report:
        assert isinstance(message, Percept)
        try:
            return self._roster.read(message, turns=turns)
        except DecodeError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's percept cannot be read: {error}") from error

    def _seen_by(self, agent: Any, wire: Any) -> Any:
        """An observation. What is of no agent (``common``) came as free data; None is what the env itself gave."""
        if wire is None or agent not in self._seen:
            return wire
        try:
            return self._seen[agent].decode(wire)
        except DecodeError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's percept cannot be read: {error}") from error

    def _found(self, name: str) -> Any:
        if name in self._after_reset:
            raise AttributeError(f"{name} cannot be accessed before reset()")
        return super()._found(name)

    def _settable(self, name: str) -> bool:
        return name not in self._after_reset and super()._settable(name)

    def __str__(self) -> str:
        """The env's name, as PettingZoo has it (``tictactoe_v3``), once it is known."""
        known = None if self._description is None else self._description.metadata.get("name")
        return known if isinstance(known, str) else repr(self)


def _by_agent(spec: Spec) -> dict[str, Spec]:
    """The parts of a ``Dict`` space by agent; empty for anything else."""
    items = spec.items if isinstance(spec, DictSpec) else ()
    return {key: part for key, part in items if type(key) is str}
