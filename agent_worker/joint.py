"""One mailbox for several episodes, on whichever connection there is now."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.port import Connection, Mailbox


class Joint:
    """The mailbox that those of several episodes are joined to. Any thread may ask for it."""

    def __init__(self, connection: Connection, mailbox: Mailbox) -> None:
        self.connection, self.mailbox = connection, mailbox
        self._lock = threading.Lock()

    def on(self, connection: Connection) -> Mailbox:
        """The mailbox for what comes over ``connection``, the newest that there is. Raises ``ConnectionLost``."""
        with self._lock:
            if connection is not self.connection:
                self.connection, self.mailbox = connection, connection.mailbox()
            return self.mailbox
