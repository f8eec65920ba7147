"""The last words of a process that ends because an env hangs, or because it is told to and an env does not return."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from broker import topology
from protocol.errors import ErrorCode, Fault

if TYPE_CHECKING:
    from broker.port import Connection, Receipt
    from env_worker.slot import Slot

log = logging.getLogger("gymbroker")

FAREWELL_S = 1.0
"""How long the broker may take for the last words to one agent."""


def tell_all(connection: Connection, slots: list[Slot], hung: Slot | None, text: str) -> None:
    """Tell each agent that its episode ends because the env of ``hung`` hangs, or, where none does, by ``text``.

    The seats of a world have their env in common. The log comes last: it may block. Raises ``BrokerError``.
    """
    receipts: dict[str, Receipt] = {}
    why = text if hung is None else "another env of the same process hung, and the process had to be ended"
    try:
        for slot in slots:
            dialogue = slot.episode.dialogue
            if slot is hung or (hung is not None and slot.world is not None and slot.world is hung.world):
                body = dialogue.fail(ErrorCode.STEP_TIMEOUT, text, Fault.ENV, ends=True)
            else:
                body = dialogue.fail(ErrorCode.WORKER_FAILED, why, Fault.WORKER, retry=True, ends=True)
            deadline = time.monotonic() + FAREWELL_S
            receipts[slot.episode.public_id] = connection.publish(topology.PERCEPTS, slot.key, body, deadline=deadline)
    finally:
        for public_id, receipt in receipts.items():
            log.info("episode %s ends: %s (%s)", public_id, text, receipt.value)
