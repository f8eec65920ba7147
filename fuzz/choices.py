"""Bytes of a fuzzer, read as choices: whatever they are, they describe something to try."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Choices:
    """Takes choices from ``data``, front to back; behind its end all choices are 0. False when all is taken."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        """A number from 0 to 255."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def word(self) -> int:
        """A number from 0 to 65535."""
        return self.byte() << 8 | self.byte()

    def one(self, options: Sequence[T]) -> T:
        """One of at most 256 ``options``."""
        return options[self.byte() % len(options)]

    def piece(self) -> bytes:
        """Bytes: at most 255, or up to 65535 behind a 255."""
        size = self.byte()
        return self.take(self.word() if size == 255 else size)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, or what is left."""
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))
