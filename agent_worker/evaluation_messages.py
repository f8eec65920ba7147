"""What agent workers that share an evaluation say to each other: small maps in msgpack, checked field by field.

These are messages between agents of one party; the gym protocol between agents and envs knows nothing of them.

============  ==========  =========================================================================================
message       from        says
============  ==========  =========================================================================================
``Take``      a player    what I have finished and what I play; I have ``free`` lanes
``Play``      the leader  play these episodes
``Wait``      the leader  noted; nothing is to be begun now, ``Play`` or ``Done`` may follow
``Tell``      the leader  I do not know what you told my predecessor: tell me all
``Done``      the leader  all episodes are finished, and this came of them
``Refuse``    the leader  under this name we play by other settings
``Probe``     the leader  nothing; if it comes back, the player is gone
============  ==========  =========================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.errors import DecodeError
from protocol.wire import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

MOST_EPISODES = 500_000
"""Episodes of one evaluation: its results must go into one message."""

Results = dict[int, tuple[float, int]]
"""Return and length of episodes, by their numbers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What all that share an evaluation must agree in."""

    env_id: str
    env_kwargs: str
    """As JSON with sorted keys."""
    policy: str
    """Its name, and what tells its file from others."""
    stochastic: bool
    episodes: int
    seed: int
    """-1: none."""

    def differences(self, other: Settings) -> str:
        """Where ``other`` differs, for people."""
        names = [one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name)]
        return ", ".join(f"{name} {getattr(self, name)!r} instead of {getattr(other, name)!r}" for name in names)


@dataclass(frozen=True, slots=True)
class Take:
    """A player reports, and asks for ``free`` episodes; 0: it only reports."""

    settings: Settings
    player: str
    """Incarnation of its connection."""
    number: int
    """Of this message; the answer names it. The same number again is the same message again."""
    seen: int
    """Number of the last ``take`` whose ``Play`` has arrived."""
    leader: str
    """Who knows already what is not in ``results``; empty: all results are in there."""
    free: int
    holding: tuple[int, ...]
    """Episodes that it plays, or has been given to play."""
    results: Results
    patience_s: float
    """After so much silence its episodes may be given to others, though its connection lives."""
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the leader says."""

    leader: str
    take: int
    """Number of the ``Take`` that it answers."""


@dataclass(frozen=True, slots=True)
class Play(Answer):
    """Play these."""

    episodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wait(Answer):
    """Nothing to begin now."""


@dataclass(frozen=True, slots=True)
class Tell(Answer):
    """Tell all: ``leader`` empty, and all results."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How far an evaluation has come. It lies at the broker, too: see ``Connection.keep``."""

    settings: Settings
    results: Results
    seconds: float
    """How long it has been played."""

    @property
    def done(self) -> bool:
        """Whether all episodes are finished."""
        return len(self.results) == self.settings.episodes


@dataclass(frozen=True, slots=True)
class Done(Answer):
    """All is finished."""

    kept: Kept


@dataclass(frozen=True, slots=True)
class Refuse(Answer):
    """Other settings."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Probe(Answer):
    """Only its return says something."""


Message = Take | Answer | Kept
_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Take, Play, Wait, Tell, Done, Refuse, Probe, Kept, Settings)
}


def encode(message: Message) -> bytes:
    """Bytes of a message."""
    return pack(_packed(message))


def decode(body: bytes) -> Any:
    """The message in ``body``. Raises ``DecodeError`` for whatever is wrong with it."""
    value = unpack(body)
    name = value.get("type") if type(value) is dict else None
    kind = _KINDS.get(name) if type(name) is str else None
    if kind is None:
        raise DecodeError("expected a message of an evaluation")
    return _unpacked(kind, value)


def _packed(message: Any) -> dict[str, Any]:
    found = {one.name: _CODERS[str(one.type)][0](getattr(message, one.name)) for one in fields(message)}
    return {"type": type(message).__name__.lower(), **found}


def _unpacked(kind: type[Any], value: Any) -> Any:
    if type(value) is not dict:
        raise DecodeError(f"{kind.__name__.lower()}: expected a map, got {type(value).__name__}")
    found = {}
    for one in fields(kind):
        try:
            found[one.name] = _CODERS[str(one.type)][1](value.get(one.name))
        except DecodeError as error:
            raise DecodeError(f"{kind.__name__.lower()} {one.name}: {error}") from None
    message = kind(**found)
    if isinstance(message, Kept) and not all(0 <= number < message.settings.episodes for number in message.results):
        raise DecodeError("kept results: of an episode that there is not")
    return message


def _exactly(kind: type, fits: Callable[[Any], bool] = lambda value: True) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind or not fits(value):
            raise DecodeError(f"{value!r:.80} is no {kind.__name__} that may stand there")
        return value

    return check


def _column(dtype: type[Any]) -> Callable[[Any], npt.NDArray[Any]]:
    def check(value: Any) -> npt.NDArray[Any]:
        if not isinstance(value, np.ndarray) or value.dtype != dtype or value.ndim != 1 or len(value) > MOST_EPISODES:
            raise DecodeError(f"expected an array of {dtype.__name__} in one dimension")
        return value

    return check


_whole, _float = _column(np.int64), _column(np.float64)


def _from_numbers(numbers: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(numbers, np.int64)


def _to_numbers(value: Any) -> tuple[int, ...]:
    return tuple(_whole(value).tolist())


def _from_results(results: Results) -> list[Any]:
    returns, lengths = (np.array([one[at] for one in results.values()], kind) for at, kind in ((0, "f8"), (1, "i8")))
    return [_from_numbers(results), returns, lengths]


def _to_results(value: Any) -> Results:
    if type(value) is not list or len(value) != 3:
        raise DecodeError("expected numbers, returns and lengths")
    numbers, returns, lengths = _whole(value[0]), _float(value[1]), _whole(value[2])
    if not len(numbers) == len(returns) == len(lengths):
        raise DecodeError(f"{len(numbers)} numbers, {len(returns)} returns and {len(lengths)} lengths")
    return dict(zip(numbers.tolist(), zip(returns.tolist(), lengths.tolist(), strict=True), strict=True))


def _same(value: Any) -> Any:
    return value


_CODERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "str": (_same, _exactly(str, lambda value: len(value) <= 2**14)),
    "int": (_same, _exactly(int, lambda value: -1 <= value < 2**63)),
    "bool": (_same, _exactly(bool)),
    "float": (float, _exactly(float, lambda value: 0.0 <= value < math.inf)),
    "tuple[int, ...]": (_from_numbers, _to_numbers),
    "Results": (_from_results, _to_results),
    "Settings": (_packed, lambda value: _unpacked(Settings, value)),
    "Kept": (_packed, lambda value: _unpacked(Kept, value)),
}
"""By the type of a field: how it is written, and how it is read and checked."""
