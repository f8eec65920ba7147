"""Which processes there are."""

from __future__ import annotations

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether that process runs, and does not only wait to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(*pids: int) -> bool:
    """Whether none of them runs."""
    return not any(alive(pid) for pid in pids)
