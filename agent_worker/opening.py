"""How an episode is opened: ``make``, wait in line for a worker, ``accepted``, ``status``."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from agent_worker import joining
from agent_worker.census import Census, served_by
from agent_worker.errors import (
    BadKwargs,
    Busy,
    GivenUp,
    NoFreeWorker,
    ProtocolFailure,
    UnknownEnv,
    WorkerLost,
    from_message,
)
from agent_worker.leaving import leave
from agent_worker.opened import Opened, percept_inbox
from agent_worker.recorded import new_dialogue
from broker import shared, topology
from broker.errors import BrokerTimeout, ConnectionLost, TopologyMissing
from broker.port import Kind, Receipt
from protocol.description import Description
from protocol.errors import EncodeError, RemoteProtocolError
from protocol.messages import Accepted, Error, Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from agent_worker.wish import Wish
    from broker.port import Arrival, Connection, Subscription

T = TypeVar("T")

log = logging.getLogger("gymbroker")

ATTEMPTS = 3
"""So many workers may die of one ``make`` before it is given up: it cannot walk through the whole fleet."""

ASK_AGAIN_S = 0.5
"""How often an agent looks whether somebody serves its env by now."""

TELL_EVERY_S = 5.0
"""How often it says that it waits."""

PROBE_S = 1.0

_told: dict[str, float] = {}
"""When it was said last, by what was said."""

BITE_S = 0.5
"""How soon a wait notices that its user has given it up."""

MARGIN_S = 5.0
"""How much longer than the worker says building takes the agent waits for ``status``."""

LONGEST_MAKE_S = 3600.0
"""Longer than this, or the agent's own ``make_timeout`` if that is more, no env in the making is waited for."""


def open_episode(wish: Wish, given_up: threading.Event | None = None) -> Opened:
    """Open an episode. Raises ``RemoteEnvError`` or ``BrokerError``; nothing is left at the broker then.

    Raises ``GivenUp`` soon after another thread has set ``given_up``.
    """
    connection = shared(wish.broker, timeout_s=wish.connect_timeout, name=wish.name)
    deadline = time.monotonic() + wish.make_timeout
    while True:
        try:
            return _Opening(wish, connection, deadline, given_up).run()
        except ConnectionLost as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            # What was asked for by the broken connection finds no queue of ours any more, and comes to nothing.
            log.warning("%s; asking for %s again", error, wish.env_id)
            connection = shared(wish.broker, timeout_s=left, name=wish.name)


class _Opening:
    """One attempt of a user to get an env, over as many ``make`` messages as that takes."""

    def __init__(self, wish: Wish, connection: Connection, deadline: float, given_up: threading.Event | None) -> None:
        self._wish, self._connection, self._deadline, self._given_up = wish, connection, deadline, given_up
        self._mailbox = connection.mailbox()
        self._dialogue = new_dialogue(wish, secrets.token_hex(16), connection.incarnation)
        self._census = Census(connection)
        self._inbox: Subscription | None = None
        self._make = b""
        self._in_line = False

    def run(self) -> Opened:
        try:
            self._inbox = self._until_somebody(self._own_inbox)
            for attempt in range(1, ATTEMPTS + 1):
                self._ask(attempt)
                accepted = self._wait_accepted()
                status = self._wait_status(accepted)
                if status is not None:
                    return self._opened(status)
                log.warning("%s: a worker died while it made the env (attempt %d)", self._wish.env_id, attempt)
            raise WorkerLost(f"{self._wish.env_id}: {ATTEMPTS} workers died while they made this env; not asking more")
        except BaseException:
            self._leave()
            raise
        finally:
            self._census.close()

    def _opened(self, status: Status) -> Opened:
        assert self._inbox is not None
        try:
            description = Description.from_content(status.content)
        except RemoteProtocolError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's status cannot be read: {error}") from error
        return Opened(self._connection, self._mailbox, self._inbox, self._dialogue, description)

    def _until_somebody(self, attempt: Callable[[], T | None]) -> T:
        """What ``attempt`` returns once somebody has served the env here; it is tried again until the deadline."""
        nobody = False
        while True:
            try:
                outcome = attempt()
            except BrokerTimeout as error:
                if nobody:
                    raise self._unknown() from error  # one look more came too late; what the last one saw says more
                raise
            if outcome is not None:
                return outcome
            nobody = True
            self._wait_for_somebody()

    def _own_inbox(self) -> Subscription | None:
        with suppress(TopologyMissing):
            return percept_inbox(self._connection, self._mailbox, self._dialogue, self._deadline)
        return None

    def _ask(self, attempt: int) -> None:
        """Publish ``make`` until it lies in a queue."""
        wish = self._wish
        try:
            body = self._dialogue.make(
                wish.env_id,
                attempt=attempt, kwargs=wish.kwargs, render_mode=wish.render_mode,
                num_envs=wish.num_envs, autoreset_mode=wish.autoreset_mode,
                world=wish.world, seat=wish.seat, compression=wish.compression,
            )  # fmt: skip
        except EncodeError as error:
            raise BadKwargs(f"{wish.env_id}: what make was given cannot be sent: {error}") from error
        self._make, self._in_line = body, False
        self._place()

    def _place(self) -> None:
        """Bring ``make`` to the host of its world if there is one, else, once, into the queue of requests.

        What lay there may have been handed on to the host: if that dies, it is gone, and we stand in line anew.
        """
        if joining.ask_host(self._connection, self._wish, self._make, self._deadline):
            self._in_line = False
        elif not self._in_line:
            self._in_line = self._until_somebody(self._stand_in_line)

    def _stand_in_line(self) -> Literal[True] | None:
        wish = self._wish
        receipt = self._connection.publish(
            topology.REQUESTS, wish.env_id, self._make, deadline=self._deadline,
            persistent=True, expires_s=max(0.001, self._deadline - time.monotonic()),
        )  # fmt: skip
        if receipt is Receipt.REFUSED:
            raise Busy(f"{wish.env_id}: the queue of requests for it is full ({topology.REQUESTS_LENGTH} wait)")
        return True if receipt is Receipt.ROUTED else None

    def _wait_for_somebody(self) -> None:
        """Nobody has ever served this env here: wait a little, and say so."""
        self._census.ask()
        arrival = self._get(min(self._deadline, time.monotonic() + ASK_AGAIN_S))
        if arrival is None and time.monotonic() >= self._deadline:
            raise self._unknown()
        self._tell(f"no worker serves {self._wish.env_id!r} yet")

    def _unknown(self) -> UnknownEnv:
        served = served_by(self._census.look())
        there = f"served there: {', '.join(served)}" if served else "no env worker is there"
        return UnknownEnv(
            f"{self._wish.env_id!r} is not served at {self._connection.label}; {there} "
            f"(waited {self._wish.make_timeout:g} s)"
        )

    def _wait_accepted(self) -> Accepted | Status:
        """A worker takes the ``make``; until then we stand in line."""
        pause = ASK_AGAIN_S
        while True:
            arrival = self._get(min(self._deadline, time.monotonic() + pause))
            if arrival is not None and arrival.kind is Kind.MESSAGE:
                message = self._receive(arrival.body)
                if isinstance(message, (Accepted, Status)):
                    return message
            if time.monotonic() >= self._deadline:
                raise NoFreeWorker(
                    f"{self._wish.env_id!r}: no worker took the request within {self._wish.make_timeout:g} s "
                    f"at {self._connection.label} ({self._census.describe(self._wish.env_id)})"
                )
            if arrival is None:
                pause = TELL_EVERY_S
                if self._wish.world is not None:
                    pause = joining.AGAIN_S
                    with suppress(BrokerTimeout):  # the deadline: who we are waiting for says more
                        self._place()
                self._census.ask()  # what is heard until the end tells why it ended
                self._tell(f"waiting in line for a worker with a free slot for {self._wish.env_id!r}")

    def _wait_status(self, accepted: Accepted | Status) -> Status | None:
        """The env is there; or None: the worker died over it."""
        if isinstance(accepted, Status):
            return accepted
        key = topology.act_key(self._dialogue.episode, accepted.incarnation)
        self._connection.watch(key, self._mailbox, self._dialogue)
        try:
            return self._wait_built(accepted, key)
        finally:
            self._connection.unwatch(key)  # who uses the episode watches it anew

    def _wait_built(self, accepted: Accepted, key: str) -> Status | None:
        started = time.monotonic()
        longest_s = max(LONGEST_MAKE_S, self._wish.make_timeout)
        deadline = started + min(accepted.deadline_s, longest_s) + MARGIN_S
        pause, probe_at = PROBE_S, started + PROBE_S
        while (now := time.monotonic()) < deadline:
            try:
                arrival = self._get(min(deadline, probe_at))
            except GivenUp:
                self._connection.send(topology.ACTS, key, self._dialogue.dismiss())
                raise
            if arrival is None:
                if now >= probe_at:
                    pause *= 2
                    probe_at = now + pause
                    self._connection.send(topology.ACTS, key, self._dialogue.probe())
            elif arrival.kind is not Kind.MESSAGE:
                if arrival.key == key:
                    return None
            elif isinstance(message := self._receive(arrival.body), Status):
                return message
        raise NoFreeWorker(
            f"{self._wish.env_id!r}: a worker accepted the request, but its env was not there within "
            f"{deadline - started:.1f} s"
        )

    def _get(self, until: float) -> Arrival | None:
        """The next arrival, or None at ``until``."""
        while True:
            if self._given_up is not None and self._given_up.is_set():
                raise GivenUp
            bite = min(until, time.monotonic() + BITE_S)
            arrival = self._mailbox.get(bite)
            if arrival is not None or bite == until:
                return arrival

    def _receive(self, body: bytes) -> Any:
        try:
            message = self._dialogue.receive(body)
        except RemoteProtocolError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker broke the protocol: {error}") from error
        if isinstance(message, Error):
            raise from_message(message, self._wish.env_id)
        return message

    def _tell(self, what: str) -> None:
        """Say it once, however many episodes are opened at the same time."""
        now, where = time.monotonic(), f"{what} at {self._connection.label}"
        if now - _told.get(where, -TELL_EVERY_S) >= TELL_EVERY_S:
            _told[where] = now
            log.warning("%s; giving up in %.0f s", where, max(0.0, self._deadline - now))

    def _leave(self) -> None:
        if self._inbox is not None and not self._connection.closed:
            leave(self._connection, self._inbox, self._mailbox, self._dialogue)
