"""How an agent leaves the line for an env: with nothing left behind, and no worker that keeps a slot for it."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from broker import topology
from broker.errors import BrokerError, BrokerTimeout
from broker.port import Kind
from protocol.errors import RemoteProtocolError
from protocol.messages import Accepted, Status

if TYPE_CHECKING:
    from broker.port import Arrival, Connection, Mailbox, Subscription
    from protocol.agent_dialogue import AgentDialogue

log = logging.getLogger("gymbroker")

LEAVE_S = 1.0
"""How long answers that are under way are waited for."""


def leave(connection: Connection, inbox: Subscription, mailbox: Mailbox, dialogue: AgentDialogue) -> None:
    """End the inbox of an opening that is given up.

    A worker that comes later finds no queue of ours, and drops the request. One that was there in this moment has
    answered already: it is told.
    """
    try:
        connection.cancel(inbox)
        with suppress(BrokerTimeout):
            connection.outlive(inbox, time.monotonic() + LEAVE_S)
        while (arrival := mailbox.get(0.0)) is not None:
            _dismiss(connection, arrival, dialogue)
    except BrokerError as error:
        log.debug("leaving the line: %s", error)


def _dismiss(connection: Connection, arrival: Arrival, dialogue: AgentDialogue) -> None:
    try:
        message = dialogue.receive(arrival.body) if arrival.kind is Kind.MESSAGE else None
    except RemoteProtocolError:
        return
    if isinstance(message, (Accepted, Status)):
        key = topology.act_key(dialogue.episode, message.incarnation)
        connection.send(topology.ACTS, key, dialogue.dismiss())
