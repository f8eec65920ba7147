"""What a process is denied: the broker's credentials, memory, and to outlive its parent. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from broker.url import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4

SPARE = 16 * 2**20
"""Bytes that an env must have beyond what the process takes before it is made."""


def to_bytes(text: str) -> int:
    """``512M`` or ``2G`` as a number of bytes. Raises ``ValueError``."""
    found = re.fullmatch(r"([0-9]+)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"--memory-limit: expected bytes, such as 512M or 2G, got {text!r}")
    return int(found[1]) * _UNITS[found[2].upper()]


def without_secrets(environment: Mapping[str, str], url: str) -> dict[str, str]:
    """``environment`` without each variable that has the broker's URL or password in it."""
    password = parse(url).password
    spellings = {password, quote(password, safe="")}
    parts = {url, *(f":{one}@" for one in spellings)}
    return {
        name: value
        for name, value in environment.items()
        if name != "GYMBROKER_URL" and value not in spellings and not any(part in value for part in parts)
    }


def available() -> bool:
    """Whether this system can keep a child as it is promised."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def hide_memory() -> None:
    """Let no other process of the same user read our memory and our environment. Root still can."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with(parent: int) -> None:
    """End this process when ``parent``, which has forked it, ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit(memory_bytes: int | None) -> None:
    """Of this process and of each that it starts: no more memory than that, and no dump of it on a disk.

    ``RLIMIT_DATA`` counts what is written to: heap, arrays, stacks of threads; not the code of libraries, and not
    memory that is shared. Where the machine itself runs out of memory, the system is to end this process first.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def data_bytes() -> int:
    """What ``RLIMIT_DATA`` counts of this process now."""
    found = re.search(r"^VmData:\s+([0-9]+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")
