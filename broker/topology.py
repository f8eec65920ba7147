"""Names of exchanges, queues and routing keys: pure functions, the whole topology on one page.

=================  ======  ==========================================  ==============  ==========================
exchange           kind    queue                                       declared by     carries
=================  ======  ==========================================  ==============  ==========================
``gym.requests``   direct  ``requests.<env id>`` durable, bounded      env worker      ``make`` (competing workers)
``gym.acts``       direct  ``episode.<id>.act.<incarnation>`` excl.    env worker      requests of one episode
``gym.percepts``   direct  ``episode.<id>.percept.<incarnation>`` ex.  agent worker    replies of one episode
``gym.events``     topic   ``observer.<incarnation>.<n>`` exclusive    observer        lossy: what happened
``gym.presence``   topic   ``observer.<incarnation>.<n>`` exclusive    both            lossy: who is there
``gym.dead``       fanout  ``gym.dead`` durable, bounded               env worker      refused and expired ``make``
=================  ======  ==========================================  ==============  ==========================

Exchanges are declared by env workers only, so that an agent needs no right to configure them.
"""

from __future__ import annotations

REQUESTS = "gym.requests"
ACTS = "gym.acts"
PERCEPTS = "gym.percepts"
EVENTS = "gym.events"
PRESENCE = "gym.presence"
DEAD = "gym.dead"

EXCHANGES = {REQUESTS: "direct", ACTS: "direct", PERCEPTS: "direct", EVENTS: "topic", PRESENCE: "topic", DEAD: "fanout"}

REQUESTS_LENGTH = 10_000
"""Most ``make`` messages that wait for a worker in one queue; more are refused (``Receipt.REFUSED``)."""

INBOX_LENGTH = 256
"""Most messages that wait in an episode's queue: a flood stays bounded at the broker."""

SHORTSTR = 255
"""Longest name or key that AMQP 0-9-1 can carry, in UTF-8 bytes."""


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
