"""What a world plays: an env of many agents, seat by seat. Values in, values out; no dialogue, no clock, no policy.

A ``pettingzoo.ParallelEnv`` (all act at once) and a ``pettingzoo.AECEnv`` (they take turns), or what acts like one,
look alike from here: ``awaits`` says whose actions the next ``step`` needs, and a step gives the ``Turn`` of each seat
that has something to hear before it acts again.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from env_worker.compat import flag
from env_worker.default_action import default_action
from env_worker.multi_hosts import possible_agents
from env_worker.spaces import to_spec
from protocol.coders import coder
from protocol.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocol.specs import Spec


@dataclass(slots=True)
class Turn:
    """What a seat hears."""

    seat: str
    observation: Any
    """Coded, as it travels."""
    info: dict[Any, Any]
    reward: float = 0.0
    """Since its last turn."""
    terminated: bool = False
    truncated: bool = False


class Game(abc.ABC):
    """An env of many agents. All methods may raise what the env raises, and ``EncodeError`` for what cannot travel."""

    turns: bool
    """True: agents take turns. False: all act at once."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.seats = possible_agents(env)
        self.observation_spaces: dict[str, Spec] = {
            seat: to_spec(env.observation_space(seat)) for seat in self.seats
        }
        self.action_spaces: dict[str, Spec] = {seat: to_spec(env.action_space(seat)) for seat in self.seats}
        graph = gymnasium.spaces.GraphInstance
        self._observations = {
            seat: coder(spec, bounds=False, name=f"observation of {seat!r}")
            for seat, spec in self.observation_spaces.items()
        }
        self._actions = {
            seat: coder(spec, bounds=True, graph=graph, name="action") for seat, spec in self.action_spaces.items()
        }
        self._came: set[str] = set()
        """Who has been in the run."""

    @property
    def living(self) -> list[str]:
        """Who is in the run now; empty when it is over. Raises ``EncodeError`` for who cannot be in it."""
        agents = list(self.env.agents)
        strangers = [agent for agent in agents if agent not in self._actions]
        if strangers:
            raise EncodeError(f"agents: expected possible agents only, got {strangers[0]!r:.80} too")
        return agents

    @property
    @abc.abstractmethod
    def awaits(self) -> list[str]:
        """Whose actions the next step needs."""

    def decode(self, seat: str, wire: Any) -> Any:
        """An action of an agent. Raises ``DecodeError``."""
        return self._actions[seat].decode(wire)

    def default(self, seat: str) -> Any:
        """The action that is played for a seat that is missing: a legal one, if the env says which are."""
        observation, info = self._look(seat)
        mask = observation.get("action_mask") if isinstance(observation, dict) else None
        return self.decode(seat, default_action(self.action_spaces[seat], info.get("action_mask", mask)))

    def glance(self, seat: str) -> Turn | None:
        """What a seat would hear now, and has not heard; None if it has not come into the run."""
        if seat not in self._came:
            return None
        observation, info = self._look(seat)
        return Turn(seat, self._encode(seat, observation), dict(info), self._unheard(seat))

    def reset(self, seed: int | None, options: dict[Any, Any] | None) -> list[Turn]:
        """Begin a run."""
        self._came.clear()
        return self._begin(seed, options)

    @abc.abstractmethod
    def _begin(self, seed: int | None, options: dict[Any, Any] | None) -> list[Turn]:
        """Reset the env."""

    @abc.abstractmethod
    def step(self, actions: Mapping[str, Any]) -> list[Turn]:
        """Go on by one step. When that ends the run, every seat that was in it has heard so."""

    @abc.abstractmethod
    def _look(self, seat: str) -> tuple[Any, dict[Any, Any]]:
        """The newest observation and info of a seat that has come."""

    def _unheard(self, seat: str) -> float:
        """Rewards of a seat that no turn has told of."""
        return 0.0

    def _encode(self, seat: str, observation: Any) -> Any:
        return self._observations[seat].encode(observation)


class ParallelGame(Game):
    """All agents act at once."""

    turns = False

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._seen: dict[str, Any] = {}
        self._infos: dict[str, dict[Any, Any]] = {}

    @property
    def awaits(self) -> list[str]:
        return self.living

    def _begin(self, seed: int | None, options: dict[Any, Any] | None) -> list[Turn]:
        observations, infos = self.env.reset(seed=seed, options=options)
        self._seen, self._infos = dict(observations), dict(infos)
        return [self._turn(seat, {}, {}, {}) for seat in self.living]

    def step(self, actions: Mapping[str, Any]) -> list[Turn]:
        before = self.living
        observations, rewards, terminations, truncations, infos = self.env.step(dict(actions))
        self._seen.update({seat: one for seat, one in observations.items() if one is not None})
        self._infos = dict(infos)
        seats = dict.fromkeys([*before, *self.living])
        return [self._turn(seat, rewards, terminations, truncations) for seat in seats]

    def _turn(self, seat: str, rewards: Any, terminations: Any, truncations: Any) -> Turn:
        self._came.add(seat)
        terminated = flag(f"terminations[{seat!r}]", terminations.get(seat, False))
        truncated = flag(f"truncations[{seat!r}]", truncations.get(seat, False))
        if seat not in self.env.agents and not truncated:
            terminated = True  # the env has taken it out without a word
        return Turn(
            seat,
            self._encode(seat, self._seen[seat]),
            dict(self._infos.get(seat) or {}),
            _number(rewards.get(seat, 0.0)),
            terminated,
            truncated,
        )

    def _look(self, seat: str) -> tuple[Any, dict[Any, Any]]:
        return self._seen[seat], self._infos.get(seat) or {}


class TurnGame(Game):
    """Agents take turns: a seat has its turn when the env selects it, and its last one when it is dead."""

    turns = True

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._over: set[str] = set()
        """Who has had the last turn."""

    @property
    def awaits(self) -> list[str]:
        return [self.env.agent_selection] if self.living else []

    def _begin(self, seed: int | None, options: dict[Any, Any] | None) -> list[Turn]:
        self._over.clear()
        self.env.reset(seed=seed, options=options)
        return self._advance()

    def step(self, actions: Mapping[str, Any]) -> list[Turn]:
        self.env.step(actions[self.env.agent_selection])
        return self._advance()

    def _advance(self) -> list[Turn]:
        """Go past the dead, who step with None, to the next who lives."""
        turns: list[Turn] = []
        while living := self.living:
            self._came.update(living)
            observation, reward, terminated, truncated, info = self.env.last()
            seat = self.env.agent_selection
            wire = self._encode(seat, observation)
            over, cut = flag("terminated", terminated), flag("truncated", truncated)
            turns.append(Turn(seat, wire, dict(info), _number(reward), over, cut))
            if not (over or cut):
                return turns
            self._over.add(seat)
            self.env.step(None)
        return turns + [self._last(seat) for seat in self.seats if seat in self._came - self._over]

    def _last(self, seat: str) -> Turn:
        """Of a seat that the env has taken out without giving it a last turn."""
        observation, info = self._look(seat)
        truncated = bool(self.env.truncations.get(seat, False))
        wire = self._encode(seat, observation)
        return Turn(seat, wire, dict(info), self._unheard(seat), not truncated, truncated)

    def _unheard(self, seat: str) -> float:
        return 0.0 if seat in self.awaits else _number(self.env._cumulative_rewards.get(seat, 0.0))

    def _look(self, seat: str) -> tuple[Any, dict[Any, Any]]:
        return self.env.observe(seat), self.env.infos.get(seat) or {}


def _number(reward: Any) -> float:
    return float(np.asarray(reward).item())


def game_of(kind: str, env: Any) -> Game:
    """The game of an env of ``kind`` (``env_worker.multi.kind_of``). Raises ``UnsupportedAgents`` and others."""
    return ParallelGame(env) if kind == "parallel" else TurnGame(env)
