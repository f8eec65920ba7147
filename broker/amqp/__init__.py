"""The port over RabbitMQ, on our own pika adapter. The only package that imports pika.

Bottom up: ``framing`` (bytes), ``wire`` (a socket), ``channel`` and ``adapter`` (what is pika's), ``pump`` (who reads),
``link`` (the life of a connection), ``consuming``, ``publisher`` and ``connection`` (the port).
"""

from broker.amqp.connection import AmqpConnection

__all__ = ["AmqpConnection"]
