"""A broker that has shaken hands, and then sends what it likes: methods, messages and ends of an AMQP connection."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from pika import frame, spec

from broker.amqp import framing
from broker.amqp.adapter import Adapter
from broker.amqp.connection import AmqpConnection
from broker.amqp.pump import Pump, Waiter
from broker.amqp.subscription import consumer_tag
from broker.amqp.wire import Wire
from broker.errors import ConnectionLost
from broker.url import parse
from fuzz.choices import Choices
from fuzz.target import SPARE, Finding, Target

if TYPE_CHECKING:
    from pika import amqp_object

SENDING, DELIVERIES = 1, 2
TAG = consumer_tag(1)
"""Of the one queue that is consumed."""

_KEYS = ("k", "", "x" * 255, "\N{SNOWMAN}")


def _methods(choices: Choices) -> tuple[amqp_object.Method, ...]:
    number, key = choices.one((0, 1, 2, 2**31, 2**63)), choices.one(_KEYS)
    return (
        spec.Basic.Deliver(choices.one((TAG, "9", "")), number, False, "gym.acts", key),
        spec.Basic.Return(312, "NO_ROUTE", "gym.acts", key), spec.Basic.GetOk(number, False, "", key, 0),
        spec.Basic.GetEmpty(), spec.Basic.Ack(number, bool(number)), spec.Basic.Nack(number, True, False),
        spec.Basic.Cancel(TAG), spec.Basic.CancelOk(TAG), spec.Basic.ConsumeOk(TAG), spec.Basic.QosOk(),
        spec.Channel.Close(choices.one((404, 403, 405, 406, 0)), key, 0, 0), spec.Channel.CloseOk(),
        spec.Channel.OpenOk(), spec.Channel.Flow(bool(number & 1)), spec.Queue.DeclareOk("q", 0, 0),
        spec.Queue.DeleteOk(0), spec.Connection.Close(320, key, 0, 0), spec.Connection.CloseOk(),
        spec.Connection.Blocked(key), spec.Connection.Unblocked(), spec.Connection.Tune(0, 0, 0),
        spec.Connection.OpenOk(), spec.Connection.Start(0, 9, {}, "PLAIN", "en_US"), spec.Exchange.DeclareOk(),
    )  # fmt: skip


def _frames(data: bytes) -> list[bytes]:
    """Up to forty frames; a method may be damaged, or any bytes."""
    choices = Choices(data)
    found: list[bytes] = []
    while choices and len(found) < 40:
        what, channel = choices.byte(), choices.byte() % 5
        methods = _methods(choices)
        if what % 8 < 5:
            payload = frame.Method(channel, choices.one(methods)).marshal()[7:-1]
            payload = payload[: choices.byte() % 40] + choices.piece() if what % 16 > 12 else payload
            found.append(_frame(framing.METHOD, channel, payload))
        elif what % 8 == 5:
            header = b"\0\x3c\0\0" + (choices.byte() % 9).to_bytes(8, "big")
            found.append(_frame(framing.HEADER, channel, header + choices.one((b"\0\0", choices.piece()))))
        elif what % 8 == 6:
            found.append(_frame(framing.BODY, channel, choices.piece()))
        else:
            found.append(_frame(choices.one((1, 2, 3, 8, 4)), channel, choices.piece()))
    return found


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return framing.HEAD.pack(kind, channel, len(payload)) + payload + b"\xce"


def _said(channel: int, *methods: amqp_object.Method) -> bytes:
    return b"".join(frame.Method(channel, method).marshal() for method in methods)


_CAPABLE = {"capabilities": {"publisher_confirms": True, "consumer_cancel_notify": True, "basic.nack": True}}
_HANDSHAKE = _said(
    0, spec.Connection.Start(0, 9, _CAPABLE, "PLAIN", "en_US"), spec.Connection.Tune(2047, 131072, 60),
    spec.Connection.OpenOk(),
)  # fmt: skip
_CHANNELS = _said(SENDING, spec.Channel.OpenOk()) + _said(DELIVERIES, spec.Channel.OpenOk(), spec.Basic.QosOk())
_URL = parse("amqp://guest:guest@localhost/")


class _Connection(AmqpConnection):
    """One that is open, over any socket: without the thread that keeps it alive."""

    def __init__(self, sock: socket.socket, broker: socket.socket) -> None:
        sock.setblocking(False)
        self.incarnation, self.label, self.refusal, self.inherited = "a" * 16, _URL.label, None, False
        self._gone, self.wire, opened = threading.Event(), Wire(sock), Waiter()
        self.adapter = Adapter(_URL, self.wire, "", self.on_content, lambda: opened.put(True), self._on_end)
        self.lock, self.pump = self.adapter.lock, Pump(self.adapter)
        deadline = time.monotonic() + 10.0
        broker.sendall(_HANDSHAKE)
        self._shake_hands(opened, deadline)
        broker.sendall(_CHANNELS)
        self.prepare(deadline)


def _hears(frames: list[bytes]) -> AmqpConnection:
    """Whatever comes, it ends the connection, or belongs to somebody, or is dropped."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = _Connection(ours, theirs)
        with connection.lock:
            found = connection._subscribe("q", connection._deliveries, connection.mailbox(), None, acks=True)
            connection.acks.begin(found.tag, 4)
        theirs.setblocking(False)
        theirs.sendall(b"".join(frames)[: 2**15])
        theirs.shutdown(socket.SHUT_WR)
        while not connection.adapter.ended:
            with connection.lock:
                connection.adapter.read()
    return connection


def _is_lost(connection: Any) -> None:
    if not isinstance(connection.refusal, ConnectionLost):
        raise Finding(f"the connection has ended, and says {connection.refusal!r}")


def _seeds() -> list[bytes]:
    # what, channel, then a number, a key and a tag for methods that only some need; its method, its size, its bytes
    deliver = bytes((0, 2, 1, 0, 0, 0, 0))
    message = deliver + bytes((5, 2, 0, 0, 0, 0, 3, 0, 0)) + bytes((6, 2, 0, 0, 0, 0, 3)) + b"abc"
    return [message, message * 2, *(bytes((0, channel, 1, 0, at)) for channel in range(4) for at in range(24))]


TARGETS = (
    Target(
        "connection", "frames of a broker, of methods and messages, into an open AMQP connection",
        ("broker.amqp.connection", "broker.amqp.channel", "broker.amqp.consuming", "broker.amqp.adapter"), 20_000,
        _hears, _seeds, named=(), prepare=_frames, check=_is_lost, spare=2 * SPARE,
    ),
)  # fmt: skip
