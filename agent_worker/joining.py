"""How an agent finds a world: it asks its host first, and whoever serves the env if it has none.

The host may be full, and a full worker takes nothing from the queue of requests: there its own seats would wait for
ever. A ``make`` may come to the host twice, by both ways; it answers the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker import topology
from broker.port import Receipt

if TYPE_CHECKING:
    from agent_worker.wish import Wish
    from broker.port import Connection

AGAIN_S = 1.0
"""How often an agent in line looks whether its world has a host by now."""


def ask_host(connection: Connection, wish: Wish, make: bytes, deadline: float) -> bool:
    """Bring ``make`` to the host of the wished world. False: it has none now, or none is wished."""
    if wish.world is None:
        return False
    key = topology.world_key(wish.env_id, wish.world)
    return connection.publish(topology.WORLDS, key, make, deadline=deadline) is Receipt.ROUTED
