"""What many lanes do and perceive: actions to what a message carries, percepts to what ``VectorEnv.step`` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import GraphInstance

from agent_worker import parts
from agent_worker.errors import EnvError, InvalidAction, ProtocolFailure
from agent_worker.final_obs import has_graphs, with_graphs
from protocol.coders import coder
from protocol.errors import DecodeError, EncodeError
from protocol.specs import SequenceSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.description import Description
    from protocol.messages import Percept

Five = tuple[Any, Any, Any, Any, dict[Any, Any]]

_REWARDS, _FLAGS = np.dtype("<f8"), np.dtype(np.uint8)


class Batches:
    """Codes values that are stacked as in a stacked ``Sequence`` of as many items as there are lanes."""

    def __init__(self, description: Description, env_id: str) -> None:
        self._env_id = env_id
        self._action, self._observation = description.action_space, description.observation_space
        self._actions, self._observations = (
            coder(SequenceSpec(spec, stack=True), bounds=bounds, graph=GraphInstance, name=name)
            for spec, bounds, name in ((self._action, True, "actions"), (self._observation, False, "observations"))
        )
        self._graphs = has_graphs(self._observation)

    def encode(self, actions: Any, lanes: int) -> Any:
        """What an ``act`` carries. Raises ``InvalidAction`` unless there are ``lanes`` of them, each in its space."""
        try:
            wire = self._actions.encode(actions)
        except EncodeError as error:
            raise InvalidAction(f"{self._env_id}: {error}") from error
        if wire[0] != lanes:
            raise InvalidAction(f"{self._env_id}: expected {lanes} actions, one for each lane, got {wire[0]}")
        return wire

    def split(self, wire: Any, episodes: int) -> list[Any]:
        """What ``encode`` gave for all lanes, for each of the episodes that share them."""
        return [[wire[0] // episodes, part] for part in parts.split(self._action, wire[1], episodes)]

    def join(self, percepts: Sequence[Percept], lanes: int) -> Five:
        """The percepts of episodes of ``lanes`` lanes each, as that of all lanes. Raises as ``five``."""
        try:
            whole = parts.join_percepts(self._observation, percepts, lanes)
        except DecodeError as error:
            raise ProtocolFailure(f"{self._env_id}: what the workers say cannot be joined: {error}") from error
        except ValueError as error:
            raise EnvError(f"{self._env_id}: {error}") from error
        return self.five(whole, lanes * len(percepts))

    def five(self, percept: Percept | parts.Whole, lanes: int) -> Five:
        """Observations, rewards float64 (lanes,), terminated and truncated bool (lanes,), infos.

        Raises ``ProtocolFailure`` for what is not of so many lanes, or not of the space.
        """
        rewards, terminated, truncated = percept.reward, percept.terminated, percept.truncated
        if not type(rewards) is type(terminated) is type(truncated) is bytes or not (
            len(rewards) == 8 * lanes and len(terminated) == len(truncated) == lanes
        ):
            raise ProtocolFailure(f"{self._env_id}: the worker's percept is not of {lanes} lanes")
        try:
            observations = self._observations.decode(percept.observation)
        except DecodeError as error:
            raise ProtocolFailure(f"{self._env_id}: the worker's observations cannot be read: {error}") from error
        if percept.observation[0] != lanes:  # it is a list of two, as it could be read
            raise ProtocolFailure(f"{self._env_id}: the worker's observations are not of {lanes} lanes")
        return (
            observations,
            np.frombuffer(bytearray(rewards), _REWARDS),
            np.frombuffer(terminated, _FLAGS) != 0,
            np.frombuffer(truncated, _FLAGS) != 0,
            with_graphs(self._observation, percept.info) if self._graphs else percept.info,
        )
