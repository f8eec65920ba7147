"""What an episode consists of once a worker has opened it: handed from who opens it to who uses it, and on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker import topology

if TYPE_CHECKING:
    from broker.port import Connection, Mailbox, Subscription
    from protocol.agent_dialogue import AgentDialogue
    from protocol.description import Description


def percept_inbox(connection: Connection, mailbox: Mailbox, dialogue: AgentDialogue, deadline: float) -> Subscription:
    """The queue that replies come to. Raises ``TopologyMissing`` if no worker has ever been at this broker."""
    keys = [
        topology.percept_key(dialogue.episode, connection.incarnation),
        topology.percept_control_key(dialogue.episode),
    ]
    return connection.inbox(topology.PERCEPTS, keys, mailbox, dialogue, prefetch=0, deadline=deadline)


@dataclass(frozen=True)
class Opened:
    """An episode that a worker has opened for us."""

    connection: Connection
    mailbox: Mailbox
    inbox: Subscription
    dialogue: AgentDialogue
    description: Description
