"""What a row needs of the machine itself: a network of its own, a file system of its own. Root may have them.

Neither goes with the process that made it. Each has that process's id in its name, and the next rig removes it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import alive
from tools.rabbit import CONFIG, Rabbit

if TYPE_CHECKING:
    from collections.abc import Iterator

SPACES, MOUNTS = Path("/run/netns"), Path("/proc/mounts")


class CannotRun(Exception):
    """This machine does not allow what the row needs; the text says what, and why."""


def command(*words: str) -> str:
    """Run it, and give what it printed. Raises ``CannotRun``."""
    if shutil.which(words[0]) is None:
        raise CannotRun(f"there is no {words[0]}")
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise CannotRun(f"{' '.join(words[:3])}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def undo(*words: str) -> None:
    """Run what makes a former command undone; what is gone already is no failure."""
    subprocess.run(words, capture_output=True, timeout=30, check=False)


def mark() -> str:
    """How the name begins of what this process has of the machine."""
    return f"faults-{os.getpid()}"


def sweep() -> None:
    """Remove the networks and file systems of rigs that were killed, and the folders of their brokers."""
    for space in SPACES.glob("faults-*"):
        if _abandoned(space.name):
            undo("ip", "netns", "del", space.name)
    for line in MOUNTS.read_text().splitlines():
        source, where = line.split()[:2]
        if _abandoned(source):
            undo("umount", "--lazy", where)
            shutil.rmtree(Path(where).parent, ignore_errors=True)  # the folder of its broker


def _abandoned(name: str) -> bool:
    found = re.match(r"faults-(\d+)\b", name)
    return found is not None and not alive(int(found[1]))


@contextmanager
def small_disk(mebibytes: int) -> Iterator[tuple[Rabbit, Path]]:
    """A broker whose data and log are on a file system of so many MiB, and where that is. Raises ``CannotRun``."""
    rabbit = Rabbit(config=CONFIG)
    disk = rabbit.folder / "data"
    disk.mkdir()
    try:
        command("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", mark(), str(disk))
        try:
            (disk / "log").mkdir()
            (rabbit.folder / "log").symlink_to(disk / "log")
            rabbit.start()
            yield rabbit, disk
        finally:
            rabbit.kill()
            undo("umount", "--lazy", str(disk))
    finally:
        rabbit.close()


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """There is no room on it meanwhile."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(2**16)):
                    pass
            except OSError:
                pass  # it is full
        yield
    finally:
        filler.unlink()
