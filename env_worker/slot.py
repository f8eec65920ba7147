"""A slot of a stepper: an episode, and what the shell around it knows of its agent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker import topology

if TYPE_CHECKING:
    from broker.port import Subscription
    from env_worker.episode import Episode


@dataclass(eq=False, slots=True)
class Slot:
    """An episode and what the shell knows of it."""

    episode: Episode
    inbox: Subscription | None = None
    heard: float = field(default_factory=time.monotonic)
    """When the agent last said something."""
    probed: float = 0.0
    lost_since: float | None = None
    """Since when the agent cannot be reached; None: it can."""
    agent: str = ""
    """Incarnation of the agent that ``key`` belongs to."""
    key: str = ""
    """Where replies go."""

    def __post_init__(self) -> None:
        self.address()

    def address(self) -> None:
        """Find out anew where replies go."""
        dialogue = self.episode.dialogue
        self.agent = dialogue.agent
        self.key = topology.percept_key(dialogue.episode, dialogue.agent)
