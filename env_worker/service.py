"""How a worker lives: connect, serve, come back after a broken connection, drain, end."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker import backoff, connect
from broker.errors import BrokerError, BrokerTimeout, ConnectionLost
from env_worker.stepper import TICK_S
from protocol.errors import ErrorCode, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.port import Connection
    from env_worker.settings import WorkerSettings
    from env_worker.stepper import Stepper

log = logging.getLogger("gymbroker")

SHORT_S = 5.0
"""A connection that has broken sooner is not followed by the next one at once: the broker may break them all."""


@dataclass
class Control:
    """What others want of a running worker, and what they must know of it. For any thread."""

    drain_until: float | None = None
    """Take nothing new, and end at the latest at this ``time.monotonic()``."""
    connected: bool = False
    """There is a connection to serve on. Written by the stepping thread."""
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set: a broker that cannot be reached is not waited for."""

    def drain(self, timeout_s: float) -> None:
        """Ask it to end within ``timeout_s``; asking again can only make it sooner."""
        until = time.monotonic() + timeout_s
        self.drain_until = until if self.drain_until is None else min(until, self.drain_until)


def serve(settings: WorkerSettings, stepper: Stepper, control: Control, ready: Callable[[], None]) -> None:
    """Serve until ``control`` says drain and the episodes are over. ``ready`` is called when requests are taken.

    Raises ``BrokerError`` when the broker cannot be reached within ``connect_timeout`` or refuses us.
    """
    breaks = 0
    while True:
        name = f"env worker {stepper.name}"
        connection = connect(
            settings.broker, timeout_s=settings.connect_timeout, name=name, given_up=control.given_up
        )
        control.connected, opened = True, time.monotonic()
        try:
            stepper.attach(connection)
            ready()
            _serve_until_drained(stepper, control)
            return
        except (ConnectionLost, BrokerTimeout) as error:
            control.connected = False
            log.warning("%s; connecting again", error)
            breaks = breaks + 1 if time.monotonic() - opened < SHORT_S else 0
        finally:
            _close(connection)
        if breaks:
            time.sleep(backoff(breaks))  # at most a second, in which it could serve nobody


def _serve_until_drained(stepper: Stepper, control: Control) -> None:
    while True:
        stepper.run(time.monotonic() + TICK_S)
        if control.drain_until is None:
            continue
        if not stepper.draining:
            stepper.drain()
        if not stepper.slots:
            return
        if time.monotonic() >= control.drain_until:
            stepper.end(ErrorCode.DRAINING, "the env worker is being shut down", Fault.WORKER, retry=True)
            return


def _close(connection: Connection) -> None:
    try:
        connection.close()
    except BrokerError as error:
        log.debug("closing the connection: %s", error)
