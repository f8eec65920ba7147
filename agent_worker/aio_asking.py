"""How a coroutine asks and waits: the same of an ``AsyncEpisode`` and of one that outlives its worker."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from protocol.messages import Message, Request


class Asked(ABC):
    """What can be asked, and waited for again by whoever was cancelled while it waited."""

    @abstractmethod
    def send(self, kind: type[Request], fields: dict[str, Any]) -> None:
        """Ask without waiting; next: ``wait``."""

    @abstractmethod
    def begin_wait(self, timeout: float) -> asyncio.Future[Message]:
        """A future that gets the reply. Who does not await it to its end must call ``end_wait``."""

    @abstractmethod
    def end_wait(self, waiter: asyncio.Future[Message]) -> None:
        """Nobody waits any more; what has come nevertheless is kept for the next wait."""

    async def request(self, kind: type[Request], timeout: float, **fields: Any) -> Message:
        """Ask, and wait ``timeout`` seconds at the most for the reply. Raises ``RemoteEnvError``, ``BrokerError``."""
        self.send(kind, fields)
        return await self.wait(timeout)

    async def wait(self, timeout: float) -> Message:
        """Wait (again) for the reply to what was asked. If it is cancelled, it may be called again."""
        waiter = self.begin_wait(timeout)
        try:
            return await waiter
        except asyncio.CancelledError:
            self.end_wait(waiter)
            raise
