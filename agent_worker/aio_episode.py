"""An open episode that coroutines of one event loop wait on. Whoever reads for the loop is ``aio_reader.Reader``."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from agent_worker.aio_asking import Asked
from agent_worker.episode import CLOSE_PROBE_S, NEVER, Episode
from agent_worker.errors import AlreadyPending, EnvClosed, RemoteEnvError
from broker import topology
from broker.errors import BrokerError, ConnectionLost, again
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.messages import Reset

if TYPE_CHECKING:
    from agent_worker.aio_reader import Reader
    from agent_worker.opened import Opened
    from agent_worker.wish import Wish
    from broker.port import Arrival, Connection, Mailbox, Subscription
    from protocol.messages import Message, Request

    Outcome = Message | RemoteEnvError | BrokerError

log = logging.getLogger("gymbroker")


class AsyncEpisode(Episode, Asked):
    """One open episode in an event loop. All methods are for the loop's own thread, and none blocks."""

    def __init__(self, wish: Wish, opened: Opened, reader: Reader) -> None:
        super().__init__(wish, opened)
        self.reader = reader
        self._waiter: asyncio.Future[Message] | None = None
        """Of the coroutine that waits for a reply."""
        self._late: Outcome | None = None
        """What came after the coroutine that asked for it had been cancelled."""
        self._asked_at, self._deadline = 0.0, NEVER
        self._gone = asyncio.Event()
        self._closing = False
        self.destination = opened.connection
        """The connection that it lives on, or is moved to in a moment. The reader's thread says which."""
        reader.add(self)

    def check(self, kind: type[Request]) -> None:
        """Raise what hinders a request of this kind now."""
        self.reader.check_loop(self.env_id)
        super().check(kind)
        if self._waiter is not None:
            raise AlreadyPending(f"{self.env_id}: {kind.performative} while another coroutine waits for a reply")
        if self._late is not None and kind is not Reset:
            text = "a reply came after the coroutine that asked for it was cancelled: take it by wait(), or reset()"
            raise AlreadyPending(f"{self.env_id}: {kind.performative} is not legal: {text}")

    def send(self, kind: type[Request], fields: dict[str, Any]) -> None:
        self.check(kind)
        try:
            self._ask(kind, fields)
        except ConnectionLost as error:
            log.debug("%s: %s", self.env_id, error)  # it is pending, and goes out when the reader has connected again
        self._late = None
        self._asked_at = time.monotonic()
        self._begin(self._asked_at)

    def begin_wait(self, timeout: float) -> asyncio.Future[Message]:
        self.reader.check_loop(self.env_id)
        if self._waiter is not None:
            raise AlreadyPending(f"{self.env_id}: another coroutine waits for the reply already")
        if self._late is None and not self.pending:
            raise self._idle()
        waiter: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        if self._late is not None:
            late, self._late = self._late, None
            self._settle(late)
        else:
            self._deadline = time.monotonic() + timeout
            self.reader.look_at(min(self._deadline, self._probe_at, self.lost_until))
        return waiter

    def end_wait(self, waiter: asyncio.Future[Message]) -> None:
        if self._waiter is waiter:
            self._waiter = None
        if waiter.done() and not waiter.cancelled():
            error = waiter.exception()
            self.keep(waiter.result() if error is None else error)  # type: ignore[arg-type]  # none else is ever set

    def abandon(self) -> None:
        """As ``end_wait``, for whoever waits now."""
        if self._waiter is not None:
            self.end_wait(self._waiter)

    def keep(self, outcome: Outcome) -> None:
        """Give it to the next wait."""
        if self.pending is None and not self.ended:
            self._late = outcome

    def take(self, arrival: Arrival) -> None:
        """Something has come in."""
        if self.ended:
            return
        if self._closing:
            self._take_closed(arrival)
            return
        try:
            reply = self._arrived(arrival)
        except ConnectionLost as error:
            log.debug("%s: %s", self.env_id, error)  # the reader hears of it too
        except (RemoteEnvError, BrokerError) as error:
            self._settle(error)
        else:
            if reply is not None:
                self._settle(reply)
            elif self.lost_until is not NEVER:
                self.reader.look_at(self.lost_until)

    def _take_closed(self, arrival: Arrival) -> None:
        try:
            over = self._hear_closed(arrival)
        except (BrokerError, RemoteProtocolError) as error:
            log.debug("closing %s: %s", self.env_id, error)
            over = True
        if over:
            self._end()

    def _settle(self, outcome: Outcome) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            self.keep(outcome)
        elif isinstance(outcome, Exception):
            waiter.set_exception(outcome)
        else:
            waiter.set_result(outcome)
        if self.ended:
            self._end()

    def look(self, now: float) -> float:
        """Do what is due; gives when it is to be called again."""
        if self._closing:
            return self._look_closing(now)
        if self._waiter is None:
            return NEVER
        try:
            if self._deadline <= now < self.lost_until:
                self._settle(self.overdue(now - self._asked_at))
                return NEVER
            self._look(now)
        except ConnectionLost as error:
            log.debug("%s: %s", self.env_id, error)
        except (RemoteEnvError, BrokerError) as error:
            self._settle(error)
            return NEVER
        return min(self._deadline, self._probe_at, self.lost_until)

    def move(self, connection: Connection, mailbox: Mailbox, inbox: Subscription) -> None:
        """Go on over another connection, where the reader has made a queue for the replies."""
        try:
            if self.ended:
                connection.cancel(inbox)
            elif self._closing:
                connection.cancel(inbox)
                self._end()
            elif not connection.closed:
                self._move(connection, mailbox, inbox)
        except BrokerError as error:
            log.debug("%s: %s", self.env_id, error)  # the reader tries again

    def unreachable(self, error: BrokerError, since: float) -> None:
        """The broker cannot be reached since ``since``. It may be later; who waits has waited long enough."""
        if self._waiter is not None and time.monotonic() - since >= self._wish.reconnect_timeout:
            self._settle(again(error))

    async def close(self, timeout: float, reason: str = "") -> None:
        """End the episode, and wait for that for ``timeout`` seconds at most. Safe to call twice.

        Raises nothing but ``RuntimeError``, in another loop while the episode is open.
        """
        if self.ended:
            return
        self.reader.check_loop(self.env_id)
        if not self._closing:
            self._interrupt()
            self._closing = True
            self._deadline, self._pause = time.monotonic() + timeout, CLOSE_PROBE_S
            self._probe_at = time.monotonic() + CLOSE_PROBE_S
            try:
                self._say_close(reason)
                self.reader.look_at(min(self._probe_at, self._deadline))
            except (BrokerError, LocalProtocolError) as error:
                log.debug("closing %s: %s", self.env_id, error)
                self._end()
        await self._gone.wait()

    def _look_closing(self, now: float) -> float:
        if now >= self._deadline or self._connection.closed:
            self._end()
            return NEVER
        if now >= self._probe_at:
            # The queue may have been deleted with the close in it, which tells nobody; a probe comes back.
            self._pause *= 2
            self._probe_at = now + self._pause
            try:
                self._connection.send(topology.ACTS, self._key, self._dialogue.probe())
            except BrokerError as error:
                log.debug("closing %s: %s", self.env_id, error)
        return min(self._probe_at, self._deadline)

    def drop(self, reason: str) -> None:
        """Say that it ends, and wait for nothing, as nobody does. Legal in any thread once the loop is closed."""
        try:
            if not self._closing:
                self._say_close(reason)
        except (BrokerError, LocalProtocolError) as error:
            log.debug("closing %s: %s", self.env_id, error)
        self._forget()
        self.reader.remove(self)

    def _interrupt(self) -> None:
        """Somebody may wait in another coroutine."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(EnvClosed(f"{self.env_id}: closed while a coroutine waited for a reply"))

    def _end(self) -> None:
        self._interrupt()
        self._forget()
        self.reader.remove(self)
        self._gone.set()
