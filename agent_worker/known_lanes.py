"""What is known of a vector env before its first reset: the numbers that were asked for, and what the workers say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from agent_worker.errors import ProtocolFailure
from agent_worker.remote import metadata_of
from agent_worker.spaces import space_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.description import Description


class KnownLanes:
    """The attributes of a vector env that are the same in a thread and in an event loop."""

    num_envs: int
    episodes: int
    autoreset_mode: AutoresetMode
    render_mode: str | None
    metadata: dict[str, Any]
    """The env's own, without the render mode ``human``; with ``autoreset_mode``."""
    single_observation_space: Any
    single_action_space: Any
    observation_space: Any
    action_space: Any

    def _ask_for(self, num_envs: Any, episodes: Any, autoreset_mode: Any, render_mode: str | None) -> None:
        """Check and keep what was asked for. Raises ``ValueError``."""
        for name, value in (("num_envs", num_envs), ("episodes", episodes)):
            if type(value) is not int or value < 1:
                raise ValueError(f"{name}: expected a positive int, got {value!r}")
        if num_envs % episodes:
            raise ValueError(f"num_envs: expected as many lanes in each of {episodes} episodes, got {num_envs} lanes")
        self.num_envs, self.episodes = num_envs, episodes
        self.autoreset_mode, self.render_mode = _mode(autoreset_mode), render_mode

    def _learn(self, descriptions: Sequence[Description]) -> None:
        """Build the spaces. Raises ``InvalidArgument``, and ``ProtocolFailure`` if the workers serve unequal envs."""
        first = descriptions[0]
        for other in descriptions[1:]:
            for name in ("observation_space", "action_space"):
                if getattr(other, name) != getattr(first, name):
                    workers = f"workers {first.worker} and {other.worker}"
                    text = f"{workers} do not serve the same env: it has another {name}"
                    raise ProtocolFailure(f"{first.env_id}: {text}")
        self.single_observation_space = space_of(first.observation_space, gymnasium.spaces, first.env_id)
        self.single_action_space = space_of(first.action_space, gymnasium.spaces, first.env_id)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {**metadata_of(first), "autoreset_mode": self.autoreset_mode}


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    for one in AutoresetMode:
        if str(mode).lower() in (one.name.lower(), one.value.lower()):
            return one
    names = ", ".join(one.name.lower() for one in AutoresetMode)
    raise ValueError(f"autoreset_mode: expected one of {names}, got {mode!r}")
