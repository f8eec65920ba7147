"""What the tests of the broker share: two sides that talk, deadlines, and waiting until something is so."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broker import topology

if TYPE_CHECKING:
    from collections.abc import Callable

    import broker


def soon(seconds: float = 10.0) -> float:
    """A deadline that no healthy broker misses."""
    return time.monotonic() + seconds


def eventually(holds: Callable[[], object], what: str) -> None:
    """Return as soon as ``holds()`` is true; fail naming ``what`` if it never is."""
    deadline = soon()
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true: {what}")
        time.sleep(0.01)


def bodies(mailbox: broker.Mailbox, count: int) -> list[bytes]:
    """The bodies of the next ``count`` arrivals."""
    found = []
    for _ in range(count):
        arrival = mailbox.get(soon())
        assert arrival is not None, f"only {len(found)} of {count} arrived"
        found.append(arrival.body)
    return found


def come_in(connection: broker.Connection, mailbox: Any) -> None:
    """Wait until something lies in ``mailbox``; it stays there. What was sent later to another queue may come first."""
    other = connection.mailbox()  # while one waits for this, all that is read goes where it belongs
    eventually(lambda: quiet(other) and mailbox.items, "something has come in")


def quiet(mailbox: broker.Mailbox) -> bool:
    """Whether nothing arrives for a moment."""
    return mailbox.get(soon(0.2)) is None


@dataclass
class Site:
    """``env`` has declared the exchanges; ``env_id`` is this test's own."""

    env: broker.Connection
    agent: broker.Connection
    env_id: str

    def acts(self, key: str = "", *, prefetch: int = 8, token: object = "acts") -> tuple[broker.Mailbox, str]:
        """A mailbox of the env side for messages to the key that comes with it."""
        key = key or f"act.{self.env.incarnation}"
        mailbox = self.env.mailbox()
        self.env.inbox(topology.ACTS, [key], mailbox, token, prefetch=prefetch, deadline=soon())
        return mailbox, key

    def percepts(self, key: str = "", *, prefetch: int = 0, token: object = "percepts") -> tuple[broker.Mailbox, str]:
        """A mailbox of the agent side for messages to the key that comes with it."""
        key = key or f"percept.{self.agent.incarnation}"
        mailbox = self.agent.mailbox()
        self.agent.inbox(topology.PERCEPTS, [key], mailbox, token, prefetch=prefetch, deadline=soon())
        return mailbox, key

    def served_once(self) -> None:
        """The queue of makes is there, and nobody takes from it any more."""
        self.leave(self.env.serve(self.env_id, self.env.mailbox(), "makes", soon()))

    def leave(self, served: broker.Subscription) -> None:
        """Take no more makes; on another connection the broker might hear what follows before it has heard of that."""
        self.env.cancel(served)
        self.env.outlive(served, soon())

    def make(self, body: bytes = b"make") -> broker.Receipt:
        """What an agent does to open an episode."""
        return self.agent.publish(topology.REQUESTS, self.env_id, body, deadline=soon(), persistent=True)
