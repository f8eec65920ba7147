"""A slot of a stepper: an episode, its queue, and what the shell around it knows of its agent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker import topology

if TYPE_CHECKING:
    from broker.port import Connection, Mailbox, Subscription
    from env_worker.episode import Episode
    from env_worker.hosted_world import HostedWorld

DECLARE_S = 10.0
"""How long the broker may take to make a queue."""

RETURN_S = 60.0
"""When our own connection broke, those of the agents probably did: they have so long to come back."""

REACHED_S = 10.0
"""An agent whose probe has not come back for so long is there."""

PREFETCH = 4
"""Messages of one queue that are with the worker at once; a flood stays in the bounded queue at the broker."""


@dataclass(eq=False, slots=True)
class Slot:
    """An episode and what the shell knows of it."""

    episode: Episode
    world: HostedWorld | None = None
    """The world whose seat it is."""
    inbox: Subscription | None = None
    heard: float = field(default_factory=time.monotonic)
    """When the agent last said something."""
    told: float = 0.0
    """When it was last answered, if that was later than at once."""
    probed: float = 0.0
    lost_since: float | None = None
    """Since when the agent cannot be reached; None: it can."""
    return_by: float | None = None
    """Until then its agent may be on its way back, as we have been; None: it has been reached since."""
    agent: str = ""
    """Incarnation of the agent that ``key`` belongs to."""
    key: str = ""
    """Where replies go."""

    def __post_init__(self) -> None:
        self._address()

    def _address(self) -> None:
        dialogue = self.episode.dialogue
        self.agent = dialogue.agent
        self.key = topology.percept_key(dialogue.episode, dialogue.agent)

    def join_world(self) -> None:
        """Sit down at its seat, if it has one."""
        if self.world is not None:
            self.world.members[self.episode.dialogue.episode] = self

    def leave_world(self) -> None:
        """Get up again. Safe to call twice."""
        if self.world is not None:
            self.world.members.pop(self.episode.dialogue.episode, None)

    def idle_for(self, now: float) -> float:
        """Seconds since the agent had its last reply and has asked nothing; 0 while it waits for one."""
        return 0.0 if self.episode.dialogue.executing is not None else now - max(self.heard, self.told)

    def listened(self, now: float) -> None:
        """Its agent says something."""
        self.heard, self.lost_since, self.return_by = now, None, None

    def expect_return(self, now: float) -> None:
        """Our connection broke, and so, probably, did its agent's. A probe goes out now.

        An agent that has not been reached since we last came back gets no new time for that: else one that is dead
        would keep the slot for ever where connections break often.
        """
        self.lost_since, self.probed = None, now
        if self.return_by is None:
            self.return_by = now + RETURN_S

    def is_lost(self, now: float, window: float) -> bool:
        """Whether its agent cannot be reached, and has not come back in time. ``window``: seconds to come back."""
        if self.lost_since is None:
            if self.return_by is not None and now - self.probed >= REACHED_S:
                self.return_by = None
            return False
        return now >= max(self.lost_since + window, self.return_by or 0.0)

    def open(self, connection: Connection, mailbox: Mailbox) -> None:
        """Own the queue of what its agent asks, and hear when it cannot be reached. Raises ``BrokerError``."""
        episode, incarnation = self.episode.dialogue.episode, connection.incarnation
        self.inbox = connection.inbox(
            topology.ACTS,
            [topology.act_key(episode, incarnation), topology.act_control_key(episode)],
            mailbox,
            self,
            prefetch=PREFETCH,
            deadline=time.monotonic() + DECLARE_S,
        )
        connection.watch(self.key, mailbox, self)

    def come_back(self, connection: Connection, mailbox: Mailbox) -> None:
        """Go on on a new connection: tell the agent, also what it may not have heard. Raises ``BrokerError``."""
        dialogue = self.episode.dialogue
        resume = dialogue.reconnect(connection.incarnation)
        self.open(connection, mailbox)
        connection.send(topology.PERCEPTS, topology.percept_control_key(dialogue.episode), resume)
        if (first := dialogue.first_reply_again()) is not None:
            connection.send(topology.PERCEPTS, self.key, first)
        connection.send(topology.PERCEPTS, self.key, dialogue.probe())

    def readdress(self, connection: Connection, mailbox: Mailbox) -> None:
        """The agent has a new incarnation: replies go there."""
        connection.unwatch(self.key)
        self._address()
        connection.watch(self.key, mailbox, self)

    def close(self, connection: Connection) -> None:
        """Delete the queue. Raises ``BrokerError``."""
        inbox, self.inbox = self.inbox, None  # which holds us: else both would wait for the collector of cycles
        connection.unwatch(self.key)
        if inbox is not None:
            connection.cancel(inbox)
