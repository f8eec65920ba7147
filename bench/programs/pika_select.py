"""The same bytes by pika's SelectConnection, whose loop the agent turns itself: no thread. Usage: as raw_echo."""

from __future__ import annotations

import sys
from typing import Any

import pika

from bench.programs import loop
from bench.programs.raw_frames import LENGTH

role, url, act, percept = sys.argv[1:5]
request, reply = (bytes(int(size)) for size in sys.argv[5:7])
mine = ("gym.acts", act) if role == "env" else ("gym.percepts", percept)
consuming: list[Any] = []
arrived: list[bytes] = []


def on_open(connection: Any) -> None:
    connection.channel(on_open_callback=declare if role == "env" else inbox)


def declare(channel: Any) -> None:
    channel.basic_qos(prefetch_count=4)
    channel.exchange_declare("gym.acts", "direct", durable=True)
    channel.exchange_declare("gym.percepts", "direct", durable=True, callback=lambda _: inbox(channel))


def inbox(channel: Any) -> None:
    exchange, queue = mine
    overflow = "reject-publish" if role == "env" else "drop-head"
    arguments = {"x-queue-type": "classic", "x-max-length": LENGTH, "x-overflow": overflow}
    channel.queue_declare(queue, exclusive=True, arguments=arguments)
    channel.queue_bind(queue, exchange, queue, callback=lambda _: consume(channel))


def consume(channel: Any) -> None:
    on_message = on_act if role == "env" else on_percept
    channel.basic_consume(mine[1], on_message, auto_ack=role == "agent", callback=lambda _: began(channel))


def began(channel: Any) -> None:
    consuming.append(channel)
    if role == "env":
        loop.say(ready=True)


def on_act(channel: Any, method: Any, properties: Any, body: bytes) -> None:
    channel.basic_publish("gym.percepts", percept, reply, mandatory=True)
    channel.basic_ack(method.delivery_tag)


def on_percept(channel: Any, method: Any, properties: Any, body: bytes) -> None:
    arrived.append(body)


connection = pika.SelectConnection(pika.URLParameters(url), on_open_callback=on_open)
ioloop = connection.ioloop


def turn() -> None:
    ioloop.poll()
    ioloop.process_timeouts()


def step(action: int) -> bool:
    consuming[0].basic_publish("gym.acts", act, request, mandatory=True)
    while not arrived:
        turn()
    arrived.pop()
    return False


if role == "env":
    ioloop.start()
else:
    ioloop.activate_poller()
    while not consuming:
        turn()
    loop.answer(step, lambda: None, [0])
