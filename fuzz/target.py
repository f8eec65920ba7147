"""What is fuzzed: a door for strangers' bytes, what it may cost and say, and what must be true of what it lets in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protocol.errors import DecodeError
from protocol.messages import Deflated

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 0.05
"""What one input may cost, in seconds of processor."""

TIMES = 4
"""What one input may take, in bytes for each of its bytes, beside ``SPARE``."""

SPARE = 3 * 2**20
"""Bytes that any input may take: ``Limits.items`` bounds how many tiny objects a message holds, and this is what they
cost (``tests/protocol/test_wire.py`` has the worst of them)."""


class Finding(Exception):
    """Something that is not true of what was let in; the text says what."""


def check_nothing(_: Any) -> None:
    """For doors whose word is enough."""


@dataclass(frozen=True)
class Target:
    """A door. An input is bytes of the fuzzer; ``prepare`` makes of them what a stranger sends."""

    name: str
    about: str
    modules: tuple[str, ...]
    """The modules whose lines are counted."""
    inputs: int
    """Of a recorded run."""
    receive: Callable[[Any], Any]
    """The door itself: what is measured."""
    seeds: Callable[[], list[bytes]]
    named: tuple[type[Exception], ...] = (DecodeError,)
    """What it may raise."""
    prepare: Callable[[bytes], Any] = bytes
    check: Callable[[Any], None] = check_nothing
    """Raises for what ``receive`` gave and must never give."""
    spare: int = SPARE

    def limit(self, prepared: Any) -> int:
        """Bytes that ``prepared`` may take."""
        return TIMES * size_of(prepared) + self.spare

    def run(self, data: bytes) -> None:
        """Try one input. Raises whatever is not ``named``: a finding."""
        try:
            found = self.receive(self.prepare(data))
        except self.named:
            return
        self.check(found)


def size_of(prepared: Any) -> int:
    """Bytes of a stranger in ``prepared``."""
    if isinstance(prepared, (bytes, bytearray)):
        return len(prepared)
    if isinstance(prepared, Deflated):
        return len(prepared.data)
    return sum(map(size_of, prepared)) if isinstance(prepared, (list, tuple)) else 0
