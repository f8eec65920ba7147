"""A process whose wall clock jumps when it is told to: a library of a few lines, in front of the C library's.

``time.monotonic()`` is left alone, as the clock of a machine that is set leaves it alone.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.faults.machine import CannotRun, command

if TYPE_CHECKING:
    from pathlib import Path

HOUR_S = 3600
SOURCE = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *jump;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("GYMBROKER_FAULTS_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *there = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    if (there != MAP_FAILED) jump = there;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && jump && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *jump;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}
"""
SHOW = "import time, sys; print(time.time(), time.monotonic())"


class Clock:
    """The clock of what runs behind ``prefix``. ``file`` is where it is told; raises ``CannotRun``."""

    def __init__(self, file: Path) -> None:
        source, library = file.with_suffix(".c"), file.with_suffix(".so")
        source.write_text(SOURCE)
        command("cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source))
        self._file = file
        self.jump(0)
        self.prefix = ("env", f"LD_PRELOAD={library}", f"GYMBROKER_FAULTS_CLOCK={file}")
        self._try()

    def jump(self, seconds: int) -> None:
        """From now on it is so many seconds ahead of the machine's."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))

    def _try(self) -> None:
        told = []
        for seconds in (HOUR_S, 0):
            self.jump(seconds)
            words = [*self.prefix, sys.executable, "-c", SHOW]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            told.append([float(word) for word in done.stdout.split()])
        (wall, monotonic), (wall_after, monotonic_after) = told
        if wall - wall_after < HOUR_S / 2 or monotonic > monotonic_after:
            raise CannotRun(f"a clock that is told to jump does not: {told}")
