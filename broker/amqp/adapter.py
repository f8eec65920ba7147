"""Our own pika adapter: ``pika.connection.Connection`` over one socket, driven by whoever waits (``broker.amqp.pump``).

pika does the handshake, heartbeats, blocked connections and the closing, all on channel 0. The channels above it are
ours (``broker.amqp.channel``), and so are reading and writing. ``tests/broker/test_pika_contract.py`` names each
attribute of pika that is overridden or relied on.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Any

from pika import connection, exceptions, frame
from pika.credentials import PlainCredentials

from broker.amqp.channel import Channel
from broker.amqp.framing import FRAME_MAX, FramingError
from broker.amqp.reader import FrameReader
from broker.amqp.strikes import is_strike
from broker.errors import AccessRefused, BrokerError, BrokerUnreachable, ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broker.amqp.wire import Wire
    from broker.url import BrokerUrl

BLOCKED_S = 30.0
"""A broker that blocks publishers (memory or disk alarm) for so long is given up."""

logger = logging.getLogger("gymbroker")

if logging.getLogger("pika").level == logging.NOTSET:
    # All it could say reaches the user as an exception of ours; its own words come with tracebacks, at every refusal.
    logging.getLogger("pika").setLevel(logging.CRITICAL + 1)


class Ended(Exception):
    """Why we end the connection ourselves; the text is the reason."""


class Adapter(connection.Connection):  # type: ignore[misc]  # pika 1.4 ships no types
    """All methods are called with ``lock`` held."""

    def __init__(
        self,
        url: BrokerUrl,
        wire: Wire,
        name: str,
        on_content: Callable[[int, bytes, bytes, bytes], None],
        on_open: Callable[[], None],
        on_end: Callable[[BrokerError], None],
    ) -> None:
        self.url, self.wire = url, wire
        self.lock = threading.Lock()
        self.ended = False
        self.opened = False
        self.channels: dict[int, Channel] = {}
        self.reader = FrameReader(on_content, self._on_frame)
        self._on_open, self._on_end = on_open, on_end
        self._cause: Exception | None = None
        self.due = math.inf
        self._timers: list[tuple[float, int, list[Callable[[], Any] | None]]] = []
        self._timer_ids = itertools.count()
        super().__init__(
            _parameters(url, name), self._on_opened, self._on_terminated, self._on_terminated,
            internal_connection_workflow=False,
        )  # fmt: skip
        self.add_on_connection_blocked_callback(self._on_blocked)

    def begin(self) -> None:
        """Start the handshake."""
        self._on_stream_connected()

    def open_channel(self, on_closed: Callable[[BrokerError], None]) -> Channel:
        """Open a channel; it can be used at once."""
        most = self.params.channel_max
        number = next((one for one in range(1, most + 1) if one not in self.channels), 0)
        if not number:
            raise BrokerError(f"{self.url.label} allows {most} channels on a connection, and all are taken")
        channel = Channel(self, number, on_closed)
        self.channels[number] = channel
        return channel

    def read(self) -> None:
        """Take in what the socket has."""
        if self.ended:
            return
        try:
            self.bytes_received += self.wire.receive(self.reader)
        except BaseException as error:
            if is_strike(error):  # bytes are taken from the socket that nobody has looked at
                self.fail("this process was interrupted while it read")
                raise
            if isinstance(error, (OSError, EOFError, FramingError)):
                self.fail(str(error))
            else:  # whatever a malformed frame makes pika or us stumble over
                logger.debug("frame from %s", self.url.label, exc_info=True)
                self.fail(f"it sent a frame that cannot be understood ({type(error).__name__}: {error})")

    def write(self, data: bytes) -> None:
        """Send, or leave it in the backlog."""
        if self.ended:
            return
        self.bytes_sent += len(data)
        try:
            self.wire.write(data)
        except BaseException as error:
            if self._cut_short(error):
                raise

    def write_pieces(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Send without joining, or leave it in the backlog."""
        if self.ended:
            return
        self.bytes_sent += sum(map(len, pieces))
        try:
            self.wire.write_pieces(pieces)
        except BaseException as error:
            if self._cut_short(error):
                raise

    def flush(self) -> None:
        """Send of the backlog what can be sent."""
        if self.ended:
            return
        try:
            self.wire.flush()
        except BaseException as error:
            if self._cut_short(error):
                raise

    def _cut_short(self, error: BaseException) -> bool:
        """End the connection: what was to be written is not. Whether ``error`` is for the program."""
        if isinstance(error, OSError) and not is_strike(error):
            self.fail(str(error))
            return False
        self.interrupted()
        return True

    def send_message(self, channel: int, method: Any, properties: Any, body: bytes) -> None:
        """Send a message with properties."""
        if not self.ended:
            self._send_message(channel, method, (properties, body))

    def fail(self, reason: str) -> None:
        """End the connection because of ``reason``."""
        if not self.ended:
            self._terminate_stream(Ended(reason))

    def interrupted(self) -> None:
        """End the connection because a signal struck in the middle of what must be done whole."""
        self.fail("this process was interrupted while it wrote")

    def release(self) -> None:
        """It has ended: give its buffer back, and let go of all who were to be called."""
        self.reader.release()
        self.callbacks.clear()
        self._timers.clear()
        for channel in self.channels.values():
            channel.release()
        self.channels.clear()
        self._on_open, self._on_end = _nothing, _nothing

    def run_timers(self) -> None:
        """Call what is due: heartbeats, and the ends of waits for them."""
        while self._timers and self._timers[0][0] <= time.monotonic() and not self.ended:
            callback = heapq.heappop(self._timers)[2][0]
            self.due = self._timers[0][0] if self._timers else math.inf
            if callback is not None:
                callback()

    def _on_frame(self, data: bytes) -> None:
        value = frame.decode_frame(data)[1]
        if value is not None:
            self._process_frame(value)

    # What pika calls.

    def _deliver_frame_to_channel(self, value: Any) -> None:
        channel = self.channels.get(value.channel_number)
        if channel is None:
            raise FramingError(f"a frame for channel {value.channel_number}, which is not open")
        channel.on_method(value.method)

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        self.write(b"".join(marshaled_frames))

    def _adapter_emit_data(self, data: bytes) -> None:
        self.write(data)

    def _adapter_connect_stream(self) -> None:
        raise NotImplementedError("the socket is opened before (internal_connection_workflow=False)")

    def _adapter_disconnect_stream(self) -> None:
        if self.ended:
            return
        self.ended = self.reader.stopped = True
        self._cause = self._error
        self.wire.shut_down()
        self._on_stream_terminated(None)

    def _adapter_call_later(self, delay: float, callback: Callable[[], Any]) -> object:
        cell: list[Callable[[], Any] | None] = [callback]
        heapq.heappush(self._timers, (time.monotonic() + delay, next(self._timer_ids), cell))
        self.due = self._timers[0][0]
        return cell

    def _adapter_remove_timeout(self, timeout_id: Any) -> None:
        timeout_id[0] = None

    def _adapter_add_callback_threadsafe(self, callback: Callable[[], Any]) -> None:
        self._adapter_call_later(0, callback)

    def _on_opened(self, _: Any) -> None:
        self.opened = True
        self._on_open()

    def _on_terminated(self, _: Any, error: Exception) -> None:
        # pika guesses from the state what the error means; what the broker said is better
        self._on_end(explain(self._cause or error, self.url, opened=self.opened))

    def _on_blocked(self, _: Any, method: Any) -> None:
        reason = method.method.reason
        logger.warning("%s takes no messages for now (%s); given up in %g s", self.url.label, reason, BLOCKED_S)


def _nothing(*_: object) -> None:
    """For who is not to be called any more."""


def explain(error: Exception, url: BrokerUrl, *, opened: bool) -> BrokerError:
    """What ended a connection, or kept it from opening, as an error of ours."""
    reason = str(error)
    if isinstance(error, exceptions.ConnectionClosedByBroker):
        reason = f"the broker closed it: {error.reply_code} {error.reply_text}"
    elif isinstance(error, exceptions.ConnectionClosedByClient):
        reason = "it was closed by this process"
    elif isinstance(error, exceptions.AMQPHeartbeatTimeout):
        reason = f"nothing came from the broker for {url.heartbeat_s + 5} s, not even a heartbeat"
    elif isinstance(error, exceptions.ConnectionBlockedTimeout):
        reason = f"the broker took no messages for {BLOCKED_S:g} s (memory or disk alarm)"
    if opened:
        return ConnectionLost(f"the connection to {url.label} has ended: {reason}")
    if isinstance(error, exceptions.ConnectionClosedByBroker):
        return _refused(error.reply_code, error.reply_text, url)
    if isinstance(error, exceptions.AuthenticationError):
        return AccessRefused(f"{url.label} does not take a user and password (AMQP mechanism PLAIN)")
    return BrokerUnreachable(f"{url.label} does not complete the AMQP handshake: {reason}")


def _refused(code: int, text: str, url: BrokerUrl) -> BrokerError:
    if code == 403:
        return AccessRefused(f"{url.label} refuses user {url.user!r} or its password: {text}")
    if code in (402, 530) and "limit" not in text:
        return AccessRefused(f"{url.label} refuses user {url.user!r} on virtual host {url.vhost!r}: {text}")
    return BrokerUnreachable(f"{url.label} refuses a connection now: {code} {text}")


def _parameters(url: BrokerUrl, name: str) -> Any:
    return connection.ConnectionParameters(
        host=url.host,
        port=url.port,
        virtual_host=url.vhost,
        credentials=PlainCredentials(url.user, url.password, erase_on_connect=True),
        heartbeat=url.heartbeat_s,
        frame_max=FRAME_MAX,
        blocked_connection_timeout=BLOCKED_S,
        client_properties={"product": "gymbroker", "connection_name": name},
    )
