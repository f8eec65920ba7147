"""A network namespace that one link joins to this machine; each IP packet on it passes through this process.

So packets are as small as the link says, and some are lost or overtaken: what TCP hides, and what it costs.
"""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import select
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.faults.machine import CannotRun, command, mark, undo

if TYPE_CHECKING:
    from types import TracebackType

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LARGEST = 65536
LOOK_S = 0.02
"""A packet that waits to be overtaken goes on after so long if no other comes."""


class Island:
    """``with Island(mtu=600) as island``: what runs behind ``island.prefix`` reaches this machine at ``island.host``.

    Args:
        mtu: most bytes of an IP packet.
        window: most bytes that either end lets the other have under way; 0: as TCP sees fit.
        loss: share of the packets that are lost, in each direction.
        swap: share of the packets that the next one overtakes.
    """

    def __init__(self, *, mtu: int = 1500, window: int = 0, loss: float = 0.0, swap: float = 0.0) -> None:
        self.loss, self.swap = loss, swap
        self.packets = self.bytes = self.lost = self.swapped = 0
        name = secrets.token_hex(3)
        self._space, self._near, self._far = f"{mark()}-{name}", f"fn{name}", f"ff{name}"
        net = f"198.18.{secrets.randbelow(256)}.{4 * secrets.randbelow(64)}"  # of those that nobody routes
        first, _, last = net.rpartition(".")
        self.host, self._there, self._net = f"{first}.{int(last) + 1}", f"{first}.{int(last) + 2}", f"{net}/30"
        self.prefix = ("ip", "netns", "exec", self._space)
        self._mtu, self._window = str(mtu), str(window)
        self._ends: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pump, daemon=True)

    def __enter__(self) -> Island:
        command("ip", "netns", "add", self._space)
        try:
            for device in (self._near, self._far):
                self._ends.append(_tunnel(device))
            command("ip", "link", "set", self._far, "netns", self._space)
            self._bring_up(("ip",), self._near, self.host)
            self._bring_up(("ip", "-n", self._space), self._far, self._there)
        except BaseException:
            self._remove()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)
        self._remove()

    def _remove(self) -> None:
        for end in self._ends:
            os.close(end)  # its interface goes with it
        undo("ip", "netns", "del", self._space)

    def _bring_up(self, ip: tuple[str, ...], device: str, address: str) -> None:
        command(*ip, "address", "add", f"{address}/30", "dev", device)
        command(*ip, "link", "set", device, "mtu", self._mtu, "up")
        if self._window != "0":
            route = ("route", "replace", self._net, "dev", device, "src", address)
            command(*ip, *route, "window", self._window)

    def _pump(self) -> None:
        near, far = self._ends
        across, waiting = {near: far, far: near}, {}
        while not self._over.is_set():
            ready = select.select(self._ends, [], [], LOOK_S)[0]
            for end in ready:
                packet = os.read(end, LARGEST)
                self.packets, self.bytes = self.packets + 1, self.bytes + len(packet)
                if random.random() < self.loss:
                    self.lost += 1
                elif end not in waiting and random.random() < self.swap:
                    waiting[end] = packet
                else:
                    self.swapped += end in waiting
                    _write(across[end], packet, waiting.pop(end, b""))
            if not ready:
                for end in list(waiting):
                    _write(across[end], waiting.pop(end))


def _tunnel(device: str) -> int:
    """A new network interface whose packets are read from, and written to, a file."""
    try:
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise CannotRun(f"/dev/net/tun: {error.strerror}") from error
    try:
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    except OSError as error:
        os.close(end)
        raise CannotRun(f"no tunnel can be made: {error.strerror}") from error
    return end


def _write(end: int, *packets: bytes) -> None:
    for packet in packets:
        with suppress(OSError):  # full, or down: a packet that is lost
            if packet:
                os.write(end, packet)
