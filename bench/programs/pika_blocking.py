"""The same bytes by pika's BlockingConnection, as RabbitMQ's RPC tutorial uses it. Usage: as raw_echo."""

from __future__ import annotations

import sys
from typing import Any

import pika

from bench.programs import loop
from bench.programs.raw_frames import LENGTH

role, url, act, percept = sys.argv[1:5]
request, reply = (bytes(int(size)) for size in sys.argv[5:7])
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
arrived: list[bytes] = []


def consume(exchange: str, queue: str, overflow: str, on_message: Any, *, auto_ack: bool) -> None:
    arguments = {"x-queue-type": "classic", "x-max-length": LENGTH, "x-overflow": overflow}
    channel.queue_declare(queue, exclusive=True, arguments=arguments)
    channel.queue_bind(queue, exchange, queue)
    channel.basic_consume(queue, on_message, auto_ack=auto_ack)


def on_act(_: Any, method: Any, properties: Any, body: bytes) -> None:
    channel.basic_publish("gym.percepts", percept, reply, mandatory=True)
    channel.basic_ack(method.delivery_tag)


def step(action: int) -> bool:
    channel.basic_publish("gym.acts", act, request, mandatory=True)
    while not arrived:
        connection.process_data_events(time_limit=None)
    arrived.pop()
    return False


if role == "env":
    for name in ("gym.acts", "gym.percepts"):
        channel.exchange_declare(name, "direct", durable=True)
    channel.basic_qos(prefetch_count=4)
    consume("gym.acts", act, "reject-publish", on_act, auto_ack=False)
    loop.say(ready=True)
    channel.start_consuming()
else:
    consume("gym.percepts", percept, "drop-head", lambda *found: arrived.append(found[3]), auto_ack=True)
    loop.answer(step, lambda: None, [0])
