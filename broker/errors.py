"""What can go wrong between us and the message broker.

* ``BrokerError`` — root of all below. The text never holds a password.

  * ``BrokerUnreachable`` — nobody answered at the address, or it does not speak AMQP. Retrying can help.
  * ``BrokerUntrusted`` — its TLS certificate is not trusted. Retrying cannot help.
  * ``AccessRefused`` — wrong user, password, virtual host or permission. Retrying cannot help.
  * ``ConnectionLost`` — an open connection ended. What was sent on it may or may not have arrived.
  * ``ConnectionForked`` — a connection was used in a child of the process that opened it.
  * ``TopologyMissing`` — an exchange that workers declare does not exist: no worker has ever been here.
  * ``QueueTaken`` — a queue is exclusive to another connection: who owns it was first.
  * ``BrokerTimeout`` — the broker did not answer a request within its deadline.
  * ``InvalidBrokerUrl`` — the URL cannot be understood. Also a ``ValueError``.
"""

from __future__ import annotations


class BrokerError(Exception):
    """Anything that is wrong with the broker or the way to it."""


class BrokerUnreachable(BrokerError, ConnectionError):
    """Nobody answered at the address, or what answered is no AMQP broker."""


class BrokerUntrusted(BrokerError):
    """The broker's TLS certificate is not signed by a trusted authority, has expired, or is for another host."""


class AccessRefused(BrokerError):
    """The broker knows us not, or refuses this to us: user, password, virtual host or permission."""


class ConnectionLost(BrokerError, ConnectionError):
    """An open connection ended; what was under way on it may or may not have arrived."""


class ConnectionForked(BrokerError):
    """A connection was used in a forked child; call ``connect`` again there."""


class TopologyMissing(BrokerError):
    """An exchange that env workers declare does not exist, so no env worker has ever been at this broker."""


class QueueTaken(BrokerError):
    """The queue is there already, and exclusive to another connection; or it is just being deleted."""


class BrokerTimeout(BrokerError, TimeoutError):
    """The broker did not answer in time."""


class InvalidBrokerUrl(BrokerError, ValueError):
    """The broker URL cannot be understood."""


def again(error: BrokerError) -> BrokerError:
    """A fresh copy to raise: one exception raised on several threads would collect the tracebacks of all."""
    return type(error)(*error.args)
