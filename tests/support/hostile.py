"""Envs of strangers: they crash, hang, look around and leave processes behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Hostile(gymnasium.Env):
    """Does in ``reset`` (by its option ``do``) what it is told. Its infos say in which process it lives."""

    observation_space = spaces.Box(0, 2**31 - 1, (1,), np.int64)
    action_space = spaces.Discrete(3)

    def __init__(self, at_once: str = "", gate: str = "", farewell: str = "") -> None:
        """``at_once``: do it here. ``gate``: a step waits for this file. ``farewell``: ``close`` writes this file."""
        self.count, self.gate, self.farewell = 0, gate, farewell
        if at_once:
            getattr(self, at_once)()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        found = getattr(self, (options or {}).get("do", "nothing"))()
        return np.array([0], np.int64), {"pid": os.getpid(), "found": found}

    def step(self, action):
        self.count += 1
        deadline = time.monotonic() + 60
        while self.gate and not os.path.exists(self.gate) and time.monotonic() < deadline:
            time.sleep(0.005)
        return np.array([self.count], np.int64), 0.0, False, False, {"pid": os.getpid()}

    def close(self):
        if self.farewell:
            with open(self.farewell, "w") as file:
                file.write("closed")

    def nothing(self):
        return None

    def segfault(self):
        ctypes.string_at(0)

    def exit(self):
        os._exit(3)

    def loop(self):
        while True:
            pass

    def hold_the_lock(self):
        ctypes.PyDLL(None).sleep(600)

    def hoard(self):
        """A gigabyte, as numpy takes it."""
        return len(np.ones(2**27))

    def malloc(self):
        """The same as a library in C does it, which aborts."""
        malloc = ctypes.CDLL(None).malloc
        malloc.restype = ctypes.c_void_p
        malloc.argtypes = [ctypes.c_size_t]
        while malloc(2**23):
            pass
        os.abort()

    def chatter(self):
        print("this is no message")
        os.write(1, b"\xff" * 1000)
        return sys.stdin.read()

    def lie(self):
        """Says what it was not asked for, to whom it should only answer."""
        for handle in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(handle, b"\x08\0\0\0nonsense" * 2)

    def boast(self):
        """Announces a message of 4 GiB."""
        for handle in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(handle, b"\xff\xff\xff\xff")
        time.sleep(600)

    def leave_behind(self):
        """A process that outlives the env, unless somebody ends it."""
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid

    def die_leaving(self):
        self.leave_behind()
        os.kill(os.getpid(), signal.SIGTERM)

    def look(self):
        """All that an env can find out about its process: environment, arguments, files, memory."""
        files = {int(name): os.readlink(f"/proc/self/fd/{name}") for name in self._handles()}
        with open("/proc/self/cmdline", "rb") as file:
            arguments = file.read()
        return {
            "environment": dict(os.environ),
            "arguments": arguments.decode(errors="replace"),
            "files": files,
            "modules": sorted(name for name in sys.modules if name.startswith("broker.amqp")),
        }

    @staticmethod
    def _handles():
        found = []
        for handle in range(1024):
            try:
                os.fstat(handle)
            except OSError:
                continue
            found.append(str(handle))
        return found

    def search_memory(self):
        """How often the two halves of a secret lie side by side in its memory; it is never put together here."""
        head, tail = (os.environ[name].encode() for name in ("HOSTILE_HEAD", "HOSTILE_TAIL"))
        with open("/proc/self/maps") as maps:
            ranges = [line.split()[0] for line in maps if line.split()[1].startswith("rw")]
        found = 0
        with open("/proc/self/mem", "rb", 0) as memory:
            for one in ranges:
                start, end = (int(part, 16) for part in one.split("-"))
                try:
                    memory.seek(start)
                    page = memory.read(end - start)
                except (OSError, ValueError):
                    continue
                at = page.find(head)
                while at >= 0:
                    found += page[at + len(head) : at + len(head) + len(tail)] == tail
                    at = page.find(head, at + 1)
        return found


def opened(files):
    """The kinds of files of ``look`` beyond stdin, stdout and stderr; not libffi's own, open from version 3.5 on."""
    return [name.partition(":")[0] for handle, name in files.items() if handle > 2 and "/libffi.so" not in name]
