"""A TCP proxy in front of a broker that understands AMQP frames and strikes at the n-th message, always the same way.

``Proxy(port)`` listens on ``proxy.port``. ``strike(Fault(...))`` arms one fault, which fires once; ``reset_all``,
``hold``, ``blackhole`` and ``refuse`` act on all connections at once; ``latency_s``, ``jitter_s`` and ``rate`` are the
properties of the link. One thread runs it; every public method may be called from any other.
"""

from __future__ import annotations

import asyncio
import enum
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.faults.amqp_frames import Cutter, Pieces, Unit
from tools.rabbit import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.faults import Fault, Way


class Mark(enum.Enum):
    """What to do after the bytes before it have been sent."""

    END = "end"
    RESET = "reset"


REACH_S = 0.02
"""A reset overtakes what was written just before it, unless that has reached the other end."""


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, ends: dict[Way, tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self.proxy, self.ends = proxy, ends
        self.silent: set[Way] = set()
        self.over = False
        self.held: dict[Way, float] = {"up": 0.0, "down": 0.0}
        self.old: Unit | None = None
        """What is to be passed once more."""

    async def run(self) -> None:
        """Pass everything on until both directions have ended."""
        pumps = [asyncio.ensure_future(self._pump(way)) for way in self.ends]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        if self.silent and not self.over:  # an end that went away tells the other nothing: an unplugged cable
            await self.proxy.closing.wait()
        for one in pumps:
            one.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)  # a connection that is reset is no failure of ours
        self.reset(rst=False)

    def reset(self, *, rst: bool = True) -> None:
        """End it at both ends, with a RST or in peace."""
        self.over = True
        for _, writer in self.ends.values():
            if rst:
                with suppress(OSError, AttributeError):
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()

    async def _pump(self, way: Way) -> None:
        reader, writer = self.ends[way]
        cutter = Pieces() if self.proxy.raw else Cutter(client=way == "up")
        line: asyncio.Queue[tuple[float, bytes | Mark]] = asyncio.Queue()
        sender = asyncio.ensure_future(self._send(way, writer, line))
        try:
            while data := await reader.read(65536):
                for unit in cutter.feed(data):
                    self.proxy.note(way, unit)
                    for piece in self._pieces(way, unit):
                        line.put_nowait((self._due(way), piece))
            if way not in self.silent:
                line.put_nowait((self._due(way), Mark.END))
                await sender
        except ConnectionError:
            return  # an end that resets the connection ends the link, as one that closes it does
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def _due(self, way: Way) -> float:
        proxy = self.proxy
        late = proxy.latency_s + random.uniform(0, proxy.jitter_s)
        due = max(self.held[way], time.monotonic() + late)
        self.held[way] = due  # a stream keeps its order
        return due

    def _pieces(self, way: Way, unit: Unit) -> list[bytes | Mark]:
        if way in self.silent:
            return []
        for fault in self.proxy.faults:
            if fault.hits(way, unit):
                return self._strike(way, unit, fault)
        if self.old is not None and (self.old.name, self.old.exchange) == (unit.name, unit.exchange):
            old, self.old = self.old, None
            return [unit.data, old.data]
        return [unit.data]

    def _strike(self, way: Way, unit: Unit, fault: Fault) -> list[bytes | Mark]:
        if fault.deed == "delay":
            self.held[way] = time.monotonic() + fault.seconds
        elif fault.deed in ("cut", "reset"):
            self.silent.add(way)
            return [unit.data[: fault.after], Mark.RESET]
        elif fault.deed == "blackhole":
            self.silent.add(way)
            return []
        elif fault.deed == "duplicate":
            return [unit.data, unit.data]
        elif fault.deed == "corrupt":
            return [unit.corrupted(fault.at)]
        elif fault.deed == "drop":
            return []
        elif fault.deed == "replay":
            self.old = unit
        return [unit.data]

    async def _send(
        self, way: Way, writer: asyncio.StreamWriter, line: asyncio.Queue[tuple[float, bytes | Mark]]
    ) -> None:
        while True:
            due, piece = await line.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            while way in self.proxy.holding:
                await asyncio.sleep(0.01)
            if isinstance(piece, Mark):
                if piece is Mark.RESET:
                    await asyncio.sleep(REACH_S)
                    self.reset()
                return
            if self.proxy.rate:
                await asyncio.sleep(len(piece) / self.proxy.rate)
            writer.write(piece)
            await writer.drain()


class Proxy:
    """Passes connections on to a port of this machine. ``with Proxy(port) as proxy: ...``. ``host``: its own."""

    def __init__(self, target: int, *, raw: bool = False, host: str = "127.0.0.1") -> None:
        self._target, self.raw, self.host = target, raw, host
        self.port = free_ports(1)[0]
        self.faults: list[Fault] = []
        self.latency_s = self.jitter_s = 0.0
        self.rate = 0
        """Bytes a second of each connection and direction; 0: no limit."""
        self.holding: set[Way] = set()
        self.accepted: list[float] = []
        """When each connection was asked for."""
        self.messages: list[tuple[Way, Unit]] = []
        """The messages that came, while ``listening``."""
        self.listening = False
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self.closing = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def strike(self, fault: Fault) -> Fault:
        """Arm a fault; those that have fired are forgotten."""
        self.faults = [*(one for one in self.faults if one.always or not one.fired.is_set()), fault]
        return fault

    def note(self, way: Way, unit: Unit) -> None:
        """A unit has come."""
        if self.listening and len(unit.frames) > 1:
            self.messages.append((way, unit))

    def disarm(self) -> None:
        """Forget all faults."""
        self.faults = []

    def hold(self, *ways: Way) -> None:
        """Nothing passes, and nothing is lost, until ``release``: an unplugged cable that is plugged in again."""
        self.holding = set(ways) or {"up", "down"}

    def release(self) -> None:
        """What was held passes."""
        self.holding = set()

    def blackhole(self, *ways: Way) -> None:
        """The connections of now lose all that comes from now on, and stay open."""
        self._call(lambda: [link.silent.update(ways or ("up", "down")) for link in self._links])

    def reset_all(self) -> None:
        """A RST to both ends of each connection."""
        self._call(lambda: [link.reset() for link in list(self._links)])

    def refuse(self) -> None:
        """New connections are refused, as when there is no broker."""
        self._run(self._stop_listening())

    def accept(self) -> None:
        """New connections are taken again."""
        self._run(self._listen())

    def _call(self, function: Callable[[], Any]) -> None:
        async def called() -> None:
            function()

        self._run(called())

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=2**20)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        await self._stop_listening()
        self.closing.set()
        for link in list(self._links):
            link.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(time.monotonic())
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._target, limit=2**20)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, {"up": (reader, upstream[1]), "down": (upstream[0], writer)})
        self._links.add(link)
        try:
            await link.run()
        except asyncio.CancelledError:
            link.reset()
        finally:
            self._links.discard(link)
