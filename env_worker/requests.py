"""The queues of ``make`` messages, which a worker takes from while it has a free slot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from env_worker.slot import DECLARE_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.port import Connection, Mailbox, Subscription


class Requests:
    """Of all envs that are served, or of none. A full worker takes nothing: others shall have it."""

    def __init__(self, env_ids: Iterable[str], token: object) -> None:
        self._env_ids, self._token = tuple(env_ids), token
        self._taken: dict[str, Subscription] = {}
        self._connection: Connection
        self._mailbox: Mailbox

    def attach(self, connection: Connection, mailbox: Mailbox) -> None:
        """From now on, by this connection; nothing is taken yet."""
        self._connection, self._mailbox, self._taken = connection, mailbox, {}

    def take(self) -> None:
        """Begin, where that has not been done. Raises ``BrokerError``; the next call takes what is missing then."""
        if len(self._taken) == len(self._env_ids):
            return
        deadline = time.monotonic() + DECLARE_S
        for env_id in self._env_ids:
            if env_id not in self._taken:
                self._taken[env_id] = self._connection.serve(env_id, self._mailbox, self._token, deadline)

    def leave(self) -> None:
        """Take no more. What has been handed out by then is to be given back."""
        for subscription in self._taken.values():
            self._connection.cancel(subscription)
        self._taken = {}
