"""Bytes, queues and connections. Knows no message of the protocol, no gym and no numpy.

``connect(url, timeout_s=...)`` or ``shared(url, timeout_s=...)`` give a ``Connection``; all it can do is told in
``broker.port``, the names of queues and keys in ``broker.topology``, and URLs in ``broker.url``.
"""

from broker.connect import backoff, connect, shared
from broker.errors import (
    AccessRefused,
    BrokerError,
    BrokerTimeout,
    BrokerUnreachable,
    BrokerUntrusted,
    ConnectionForked,
    ConnectionLost,
    InvalidBrokerUrl,
    QueueTaken,
    TopologyMissing,
)
from broker.port import Arrival, Connection, Kind, Mailbox, Receipt, Subscription
from broker.url import label

__all__ = [
    "AccessRefused",
    "Arrival",
    "BrokerError",
    "BrokerTimeout",
    "BrokerUnreachable",
    "BrokerUntrusted",
    "Connection",
    "ConnectionForked",
    "ConnectionLost",
    "InvalidBrokerUrl",
    "Kind",
    "Mailbox",
    "QueueTaken",
    "Receipt",
    "Subscription",
    "TopologyMissing",
    "backoff",
    "connect",
    "label",
    "shared",
]
