"""The life of one AMQP connection: it opens, is kept alive while nobody waits, is waited on, and ends."""

from __future__ import annotations

import secrets
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from broker import fork
from broker.amqp.adapter import Adapter
from broker.amqp.pump import Pump, Waiter
from broker.amqp.wire import ATTEMPT_S, open_wire
from broker.errors import BrokerError, BrokerTimeout, BrokerUnreachable, again

if TYPE_CHECKING:
    from broker.url import BrokerUrl

CLOSE_S = 5.0
"""How long a broker has to answer that we close."""


class Link(ABC):
    """An open connection. ``lock`` guards all of it; nobody sleeps or runs user code with it."""

    def __init__(self, url: BrokerUrl, name: str, deadline: float) -> None:
        deadline = min(deadline, time.monotonic() + ATTEMPT_S)
        self.incarnation = secrets.token_hex(8)
        self.label = url.label
        self.refusal: BrokerError | None = None
        """What every method raises once the connection has ended."""
        self.inherited = False
        """This process is a forked child of the one that opened it."""
        self._gone = threading.Event()
        self.wire = open_wire(url, deadline)
        opened = Waiter()
        self.adapter = Adapter(url, self.wire, name, self.on_content, lambda: opened.put(True), self._on_end)
        self.lock = self.adapter.lock
        self.pump = Pump(self.adapter)
        try:
            self._shake_hands(opened, deadline)
            self.prepare(deadline)
        except BaseException:
            with self.lock:
                self.adapter.fail("it was given up while it opened")
            self.wire.close()
            raise
        fork.watch(self)
        keeper = threading.Thread(target=self._keep, args=(url.heartbeat_s,), name="broker keeper", daemon=True)
        keeper.start()

    @property
    def closed(self) -> bool:
        return self.refusal is not None

    @property
    def server(self) -> dict[str, str]:
        return dict(self._server)

    @abstractmethod
    def prepare(self, deadline: float) -> None:
        """The handshake is done: open channels."""

    @abstractmethod
    def on_content(self, channel: int, method: bytes, header: bytes, body: bytes) -> None:
        """A message has come in. Called with the lock held, by whoever pumps."""

    @abstractmethod
    def forget(self) -> None:
        """It has ended: let go of those who listened. Called with the lock held."""

    @abstractmethod
    def settle_idle(self) -> None:
        """Ack what is settled, and has waited for company: an hour may pass until the next message comes."""

    def check(self) -> None:
        """Raise why the connection has ended, if it has."""
        if self.refusal is not None:
            raise again(self.refusal)

    def wait(self, waiter: Waiter, deadline: float) -> bool:
        """Pump until ``waiter`` may have something or the connection has ended. False: ``deadline`` has passed."""
        self.pump.wait(waiter, deadline)
        return bool(waiter.items) or self.refusal is not None or time.monotonic() < deadline

    def reply(self, waiter: Waiter, deadline: float, what: str) -> Any:
        """The outcome of a request. Raises it if it is an error; ``BrokerTimeout`` names ``what``."""
        while not waiter.items:
            self.check()
            if not self.wait(waiter, deadline):
                raise BrokerTimeout(f"{self.label} did not answer in time: {what}")
        outcome = waiter.items.popleft()
        if isinstance(outcome, BrokerError):
            raise again(outcome)
        return outcome

    def written(self) -> None:
        """Call after every write, without the lock: waits until the bytes are with the operating system."""
        if self.wire.backlog:
            self.pump.drain()
        if self.refusal is not None:
            raise again(self.refusal)

    def close(self) -> None:
        if self.inherited:
            return
        with self.lock:
            if self.adapter.is_open:
                self.adapter.close()
        nothing, deadline = Waiter(), time.monotonic() + CLOSE_S
        while not self.adapter.ended and self.wait(nothing, deadline):
            pass
        with self.lock:
            self.adapter.fail("it was closed by this process, and the broker did not answer that")
        self.pump.close_when_idle(self._give_back)

    def forked(self) -> None:
        """See ``broker.fork``. Closing sends nothing; it drops the child's share of the socket."""
        self.inherited = True
        self.refusal = fork.refusal(self.label)
        self.wire.close()

    def _shake_hands(self, opened: Waiter, deadline: float) -> None:
        with self.lock:
            self.adapter.begin()
        while not opened.items:
            self.check()
            if not self.wait(opened, deadline):
                raise BrokerUnreachable(f"{self.label} takes connections, but does not complete the AMQP handshake")
        properties = self.adapter.server_properties or {}
        self._server = {name: str(properties.get(name, "")) for name in ("product", "version", "platform")}

    def _give_back(self) -> None:
        """All that it holds, at once: what holds each other waits for the collector of cycles, and that comes late."""
        self.wire.close()
        with self.lock:
            self.adapter.release()
            self.forget()

    def _on_end(self, error: BrokerError) -> None:
        self.refusal = error
        self._gone.set()
        self.pump.wake_all()

    def _keep(self, heartbeat_s: float) -> None:
        """Runs on the keeper thread: heartbeats go out and come in though nobody waits for anything.

        The broker sends something every half heartbeat; it is given up after two of silence. (pika would do that too,
        after up to two heartbeats and ten seconds more.)
        """
        heard, since = -1, time.monotonic()
        late = since + heartbeat_s
        while not self._gone.wait(heartbeat_s / 3):
            self.pump.breathe()
            self.settle_idle()
            now = time.monotonic()
            if self.adapter.bytes_received != heard or now > late:  # late: it was us who stood still
                heard, since = self.adapter.bytes_received, now
            elif now - since > 2 * heartbeat_s:
                with self.lock:
                    self.adapter.fail(f"nothing came from the broker for {2 * heartbeat_s} s, not even a heartbeat")
            late = now + heartbeat_s
        self.pump.close_when_idle(self._give_back)
