"""The least rights that work, for two RabbitMQ users: one for env workers, one for agents.

RabbitMQ asks three patterns: *configure* to declare or delete, *write* to publish to an exchange or bind a queue,
*read* to consume a queue or bind it to an exchange. Neither user may touch the default exchange, nor what is the
other's. What keeps agents from each other are the 128 random bits in an episode's keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from broker import topology


@dataclass(frozen=True)
class Permissions:
    """The patterns of one user in one virtual host."""

    configure: str
    write: str
    read: str


def _pattern(*names: str) -> str:
    """Anchored, since RabbitMQ searches; ``<any>`` in a name stands for any text but a dot, ``<rest>`` for any text."""
    parts = [re.escape(name).replace("<any>", "[^.]+").replace("<rest>", ".+") for name in names]
    return f"^({'|'.join(parts)})$"


_ACT_QUEUE = topology.act_key("<any>", "<any>")
_PERCEPT_QUEUE = topology.percept_key("<any>", "<any>")
_REQUESTS_QUEUE = topology.requests_queue("<rest>")
_OBSERVER_QUEUE = "observer.<any>.<any>"
_EVALUATION_QUEUE = "evaluation.<rest>"
_WORLD_QUEUE = "world.<any>"
_ENV_QUEUES = (_REQUESTS_QUEUE, _ACT_QUEUE, _WORLD_QUEUE, _OBSERVER_QUEUE)
_AGENT_QUEUES = (_PERCEPT_QUEUE, _OBSERVER_QUEUE, _EVALUATION_QUEUE)

ENV = Permissions(
    configure=_pattern(*topology.EXCHANGES, *_ENV_QUEUES),
    write=_pattern(
        topology.PERCEPTS, topology.WORLDS, topology.EVENTS, topology.PRESENCE, topology.DEAD, *_ENV_QUEUES
    ),
    read=_pattern(
        topology.REQUESTS, topology.ACTS, topology.WORLDS, topology.PRESENCE, topology.DEAD, *_ENV_QUEUES
    ),
)
"""Env workers declare all exchanges, own act and world queues, and consume requests. They also hand a ``make`` on to
the host of its world. ``gym.dead`` is an exchange and a queue."""

AGENT = Permissions(
    configure=_pattern(*_AGENT_QUEUES),
    write=_pattern(
        topology.REQUESTS, topology.ACTS, topology.WORLDS, topology.PRESENCE, topology.EVALUATIONS, *_AGENT_QUEUES
    ),
    read=_pattern(topology.PERCEPTS, topology.EVENTS, topology.PRESENCE, topology.EVALUATIONS, *_AGENT_QUEUES),
)
"""Agents own percept queues and those of their shared evaluations, and declare no exchange. They ask the host of a
world for a seat, and never host one."""


def rabbitmqctl_commands(vhost: str, env_user: str, agent_user: str) -> list[list[str]]:
    """The arguments of the ``rabbitmqctl`` calls that make both users and give them their rights in ``vhost``.

    No password is among them: ``rabbitmqctl add_user NAME`` reads it from its standard input.
    """
    users = {env_user: ENV, agent_user: AGENT}
    if len(users) != 2 or "" in users:
        raise ValueError(f"expected the names of two users, got {env_user!r} and {agent_user!r}")
    commands = [] if vhost == "/" else [["add_vhost", vhost]]
    for user, rights in users.items():
        commands.append(["add_user", user])
        commands.append(["set_permissions", "-p", vhost, user, rights.configure, rights.write, rights.read])
    return commands
