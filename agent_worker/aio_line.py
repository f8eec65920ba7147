"""A line for coroutines of one event loop: so many at once, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque


class Line:
    """``enter`` and, if that said True, ``leave``. For the loop's own thread."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, timeout: float) -> bool:
        """Wait for a place. False: none was free for ``timeout`` seconds."""
        if self._free:
            self._free -= 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=timeout)
        except asyncio.CancelledError:
            if turn.done():
                self.leave()
            raise
        finally:
            given = turn.done()
            turn.cancel()
        return given

    def leave(self) -> None:
        """Give the place to who waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
