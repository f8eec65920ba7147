"""Names of exchanges, queues and routing keys: pure functions, the whole topology on one page.

=================  ======  ==========================================  ==============  ==========================
exchange           kind    queue                                       declared by     carries
=================  ======  ==========================================  ==============  ==========================
``gym.requests``   direct  ``requests.<env id>`` durable, bounded      env worker      ``make`` (competing workers)
``gym.acts``       direct  ``episode.<id>.act.<incarnation>`` excl.    env worker      requests of one episode
``gym.percepts``   direct  ``episode.<id>.percept.<incarnation>`` ex.  agent worker    replies of one episode
``gym.events``     topic   ``observer.<incarnation>.<n>`` exclusive    observer        lossy: nothing yet
``gym.worlds``     direct  ``world.<hash>`` exclusive                  env worker      ``make`` for a seat of a world
``gym.presence``   topic   ``observer.<incarnation>.<n>`` exclusive    both            lossy: who is there
``gym.dead``       fanout  ``gym.dead`` durable, bounded               env worker      ``make`` that expired
=================  ======  ==========================================  ==============  ==========================

``gym.evaluations`` (direct) is the agents' own: ``evaluation.<id>`` exclusive, of the agent worker that leads a shared
evaluation; ``evaluation.<id>.player.<incarnation>`` exclusive, of each that plays in it; ``evaluation.<id>.kept``
durable, one message: how far it has come.

Exchanges are declared by env workers only, so that an agent needs no right to configure them.

The queue of a world is exclusive, and so it elects: whoever declares it hosts the world, and nobody else can.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

from broker.port import MESSAGE_MAX

REQUESTS = "gym.requests"
ACTS = "gym.acts"
PERCEPTS = "gym.percepts"
WORLDS = "gym.worlds"
EVENTS = "gym.events"
PRESENCE = "gym.presence"
DEAD = "gym.dead"
EVALUATIONS = "gym.evaluations"

EXCHANGES = {
    REQUESTS: "direct", ACTS: "direct", PERCEPTS: "direct", WORLDS: "direct", EVALUATIONS: "direct",
    EVENTS: "topic", PRESENCE: "topic", DEAD: "fanout",
}  # fmt: skip

REQUESTS_LENGTH = 10_000
"""Most ``make`` messages that wait for a worker in one queue; more are refused (``Receipt.REFUSED``)."""

REQUESTS_BYTES = 2**28
"""Most bytes that they have; a ``make`` has a few hundred."""

INBOX_LENGTH = 256
"""Most messages that wait in an episode's queue: a flood stays bounded at the broker."""

INBOX_BYTES = 2 * MESSAGE_MAX
"""Most bytes that they have."""

DEAD_LENGTH = 10_000
"""Most dead letters that are kept; the oldest go first."""

DEAD_BYTES = 2**28
"""Most bytes that they have."""

DEAD_TTL_S = 7 * 24 * 3600
"""How long a dead letter is kept, in seconds."""

KEPT_S = 24 * 3600
"""How long what was kept stays after somebody last asked for it, in seconds."""

SHORTSTR = 255
"""Longest name or key that AMQP 0-9-1 can carry, in UTF-8 bytes."""


def public_id(episode: str) -> str:
    """Name of an episode in logs and texts: the id itself is a capability, and is never shown."""
    return hashlib.sha256(episode.encode()).hexdigest()[:8]


def shown(name: str) -> str:
    """A queue's name or a key for people: with public ids instead of ids."""
    return re.sub(r"(?<=episode\.)[0-9a-f]{32}", lambda found: public_id(found[0]), name)


def requests_queue(env_id: str) -> str:
    """Queue that competing env workers take ``make`` messages for ``env_id`` from; its key is ``env_id``."""
    return f"requests.{env_id}"


def act_key(episode: str, incarnation: str) -> str:
    """Key, and name of the queue, of the requests to one incarnation of the env side of an episode."""
    return f"episode.{episode}.act.{incarnation}"


def percept_key(episode: str, incarnation: str) -> str:
    """Key, and name of the queue, of the replies to one incarnation of the agent side of an episode."""
    return f"episode.{episode}.percept.{incarnation}"


def act_control_key(episode: str) -> str:
    """Key of the env side of an episode whatever its incarnation: a returning agent says ``resume`` to it."""
    return f"episode.{episode}.act"


def percept_control_key(episode: str) -> str:
    """Key of the agent side of an episode whatever its incarnation."""
    return f"episode.{episode}.percept"


def evaluation_key(name: str) -> str:
    """Key, and name of the queue, of whoever leads the evaluation that its players call ``name``."""
    return f"evaluation.{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def player_key(evaluation: str, incarnation: str) -> str:
    """Key, and name of the queue, of one that plays in an evaluation, given as ``evaluation_key(name)``."""
    return f"{evaluation}.player.{incarnation}"


def evaluation_kept_key(evaluation: str) -> str:
    """Key, and name of the queue, of what is kept of an evaluation, given as ``evaluation_key(name)``."""
    return f"{evaluation}.kept"


def world_key(env_id: str, world: str) -> str:
    """Key, and name of the queue, of ``make`` messages for the seats of a world: the same for all who name both."""
    named = f"{len(env_id)}:{env_id}{world}"  # no two pairs of names give the same text
    return f"world.{hashlib.sha256(named.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """How a queue is declared. It is either durable and shared, or exclusive to the connection that declares it."""

    name: str
    length: int
    """Most messages that wait in it."""
    size: int | None
    """Most bytes that they have; None: as many as they are."""
    overflow: Literal["reject-publish", "drop-head"]
    """What gives way when it is full: the newcomer or the oldest."""
    durable: bool = False
    dead_letters: bool = False
    """Refused and expired messages go to ``gym.dead``."""
    ttl_s: int | None = None
    expires_s: int | None = None
    """Seconds after which the queue itself goes, if nobody declares, consumes or asks it."""

    def arguments(self) -> dict[str, Any]:
        """The ``x-arguments`` of its declaration. Changing one needs a new queue name: a redeclare is refused."""
        found: dict[str, Any] = {
            "x-queue-type": "classic",
            "x-max-length": self.length,
            "x-overflow": self.overflow,
        }
        if self.size is not None:
            found["x-max-length-bytes"] = self.size
        if self.dead_letters:
            found["x-dead-letter-exchange"] = DEAD
        if self.ttl_s is not None:
            found["x-message-ttl"] = self.ttl_s * 1000
        if self.expires_s is not None:
            found["x-expires"] = self.expires_s * 1000
        return found


def requests_spec(env_id: str) -> QueueSpec:
    """The queue of ``make`` messages for ``env_id``."""
    name = shortstr(requests_queue(env_id))
    return QueueSpec(name, REQUESTS_LENGTH, REQUESTS_BYTES, "reject-publish", durable=True, dead_letters=True)


def inbox_spec(exchange: str, name: str) -> QueueSpec:
    """The queue of one side of an episode, or of the host of a world.

    An agent that reads too slowly loses the oldest replies; a worker loses nothing.
    """
    overflow: Literal["reject-publish", "drop-head"] = "reject-publish" if exchange in (ACTS, WORLDS) else "drop-head"
    return QueueSpec(shortstr(name), INBOX_LENGTH, INBOX_BYTES, overflow)


def observer_spec(name: str) -> QueueSpec:
    """The queue of one observer of a topic exchange."""
    return QueueSpec(shortstr(name), INBOX_LENGTH, INBOX_BYTES, "drop-head")


def dead_spec() -> QueueSpec:
    """The queue of dead letters."""
    return QueueSpec(DEAD, DEAD_LENGTH, DEAD_BYTES, "drop-head", durable=True, ttl_s=DEAD_TTL_S)


def kept_spec(key: str) -> QueueSpec:
    """The queue of the one message that is kept under ``key``."""
    return QueueSpec(shortstr(key), 1, None, "drop-head", durable=True, expires_s=KEPT_S)


def observer_queue(incarnation: str, number: int) -> str:
    """Name of the queue of the ``number``-th ``listen`` of a connection."""
    return f"observer.{incarnation}.{number}"


def shortstr(name: str) -> str:
    """``name`` itself, if AMQP can carry it as a name or key. Raises ``ValueError`` if it is too long."""
    size = len(name.encode())
    if size > SHORTSTR:
        raise ValueError(f"a name or key has at most {SHORTSTR} bytes in AMQP, this one has {size}: {name[:40]!r}...")
    return name
