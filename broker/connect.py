"""Opening connections: ``connect`` for one of one's own, ``shared`` for the one of this process."""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from broker import fork, memory
from broker.errors import BrokerUnreachable
from broker.url import BrokerUrl, parse

if TYPE_CHECKING:
    import tenacity

    from broker.port import Connection

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
LONGEST_BREAK_S = 1.0

logger = logging.getLogger("gymbroker")


def connect(url: str, *, timeout_s: float, name: str = "", given_up: threading.Event | None = None) -> Connection:
    """Open a new connection; the caller closes it. ``name`` tells operators of the broker who this is.

    A broker that cannot be reached is tried again, after random waits that grow to 5 s, until ``timeout_s`` have
    passed (0: tried once) or another thread has set ``given_up``; each wait is logged as a warning of logger
    ``gymbroker``. Raises ``InvalidBrokerUrl``, ``BrokerUnreachable``, and what trying again cannot help at once:
    ``AccessRefused``, ``BrokerUntrusted``.
    """
    parsed = parse(url)
    if parsed.scheme == "memory":
        return memory.connect(parsed.host)
    deadline = time.monotonic() + timeout_s
    return _dial(parsed, deadline, name or f"process {os.getpid()}", given_up or threading.Event())


def _dial(url: BrokerUrl, deadline: float, name: str, given_up: threading.Event) -> Connection:
    import tenacity  # with pika, a third of the time to import: memory:// needs neither

    from broker.amqp import AmqpConnection

    jitter = tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)

    def wait(state: tenacity.RetryCallState) -> float:
        return min(jitter(state), max(deadline - time.monotonic(), 0.0))

    def tell(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        left = max(deadline - time.monotonic(), 0.0)
        logger.warning("waiting for the broker (%s); giving up in %.0f s", error, left)

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(BrokerUnreachable),
        wait=wait,
        stop=lambda _: time.monotonic() >= deadline or given_up.is_set(),
        sleep=tenacity.sleep_using_event(given_up),
        before_sleep=tell,
        reraise=True,
    )
    return attempts(lambda: AmqpConnection(url, name, max(deadline, time.monotonic() + 1.0)))


def backoff(breaks: int) -> float:
    """Seconds to wait before the next attempt at a broker that takes connections, and has broken ``breaks`` in a row.

    At random, up to a bound that doubles from 0.1 s to 1 s: of many that it has broken not all come at once.
    """
    return random.uniform(0.0, min(FIRST_WAIT_S * 2.0 ** min(breaks - 1, 10), LONGEST_BREAK_S))


class _Shared:
    """The connections of this process by URL. Each has a lock of its own: a broker that is down stops nobody else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opening: dict[BrokerUrl, Any] = {}
        """RLocks: they know who holds them, also where a Ctrl-C has struck right after."""
        self._open: dict[BrokerUrl, Connection] = {}
        fork.watch(self)

    def get(self, url: str, timeout_s: float, name: str) -> Connection:
        parsed = parse(url)
        deadline = time.monotonic() + timeout_s
        with self._lock:
            opening = self._opening.setdefault(parsed, threading.RLock())
        try:
            if not opening.acquire(timeout=max(timeout_s, 0.0)):
                why = f"another thread has not reached it in {timeout_s:g} s"
                raise BrokerUnreachable(f"no broker at {parsed.label}: {why}")
            found = self._open.get(parsed)
            if found is None or found.closed:
                left = max(deadline - time.monotonic(), 0.0)
                found = self._open[parsed] = connect(url, timeout_s=left, name=name)
            return found
        finally:
            try:  # noqa: SIM105 - a Ctrl-C could strike in suppress(), before the release
                opening.release()
            except RuntimeError:
                pass  # another thread has it

    def close(self) -> None:
        with self._lock:
            found = list(self._open.values())
            self._open.clear()
        for connection in found:
            connection.close()

    def forked(self) -> None:
        """A child begins with none; those of its parent have closed themselves in it."""
        self._lock = threading.Lock()
        self._opening.clear()
        self._open.clear()


_shared = _Shared()
atexit.register(_shared.close)


def shared(url: str, *, timeout_s: float, name: str = "") -> Connection:
    """The connection of this process to ``url``, opened if there is none, or it has ended, or after a fork.

    Any number of threads may use it at once. It is closed when the interpreter ends; nobody else closes it.
    ``timeout_s``, ``name`` and errors: see ``connect``.
    """
    return _shared.get(url, timeout_s, name)
