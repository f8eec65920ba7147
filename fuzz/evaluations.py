"""The leader of a shared evaluation: what lies in the queue that keeps how far it has come, and what players say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent_worker.evaluation_leader import Leader, find_kept
from agent_worker.evaluation_ledger import Ledger
from agent_worker.evaluation_messages import Done, Play, Settings, decode, encode
from fuzz import messages
from fuzz.choices import Choices
from fuzz.target import Finding, Target
from protocol.wire import pack

if TYPE_CHECKING:
    from agent_worker.evaluation_ledger import Answers

Said = tuple[int, bytes]

EPISODES = 6
SETTINGS = Settings("E", "{}", "random", stochastic=True, episodes=EPISODES, seed=1)
_PLAYERS = ("ann", "bob", "eve", "", "not.alnum", "x" * 40)
_NUMBERS = (0, 1, 2, 3, 4, 5, 6, -1, 2**40, -(2**63))
_COUNTS = (0, 1, 3, 2**40)
_LEADERS = ("me", "", "another")
MOST = 24


def _numbers(choices: Choices) -> np.ndarray:
    return np.array([choices.one(_NUMBERS) for _ in range(choices.byte() % 9)], np.int64)


def _results(choices: Choices) -> list[np.ndarray]:
    numbers = _numbers(choices)
    return [numbers, np.full(len(numbers), choices.one((0.0, 1.5, np.nan))), np.full(len(numbers), 7)]


def _settings(choices: Choices) -> dict[str, Any]:
    fields = {name: getattr(SETTINGS, name) for name in SETTINGS.__slots__}
    return {"type": "settings", **fields, "episodes": choices.one((EPISODES, EPISODES, EPISODES, 0, 2**40))}


def _kept(choices: Choices) -> bytes:
    fields = {"settings": _settings(choices), "results": _results(choices), "seconds": choices.one((0.0, 3.0, 1e300))}
    return messages.damaged(pack({"type": "kept", **fields}), choices)


def _take(choices: Choices) -> bytes:
    fields = {
        "settings": _settings(choices), "player": choices.one(_PLAYERS), "number": choices.byte() % 8,
        "seen": choices.byte() % 8, "leader": choices.one(_LEADERS), "free": choices.one(_COUNTS),
        "holding": _numbers(choices), "results": _results(choices), "patience_s": choices.one((0.0, 5.0, 1e300)),
        "leaving": choices.byte() % 8 == 7,
    }  # fmt: skip
    return messages.damaged(pack({"type": "take", **fields}), choices)


def _prepare(data: bytes) -> list[Said]:
    """What is kept, and then what happens."""
    choices = Choices(data)
    said = [(choices.byte(), _kept(choices))]
    while choices and len(said) < MOST:
        said.append((choices.byte(), _take(choices)))
    return said


class _Broker:
    """As much of a connection as hearing needs."""

    def __init__(self, kept: bytes) -> None:
        self._kept = kept

    def kept(self, exchange: str, key: str, deadline: float) -> bytes:
        """What lies in the queue."""
        return self._kept

    def watch(self, *_: object) -> None:
        """Nothing comes back here."""


def _lead(said: list[Said]) -> Ledger:
    """Whatever is kept and said, nobody is given an episode that another one holds, or that there is not."""
    broker: Any = _Broker(said[0][1])
    kept = find_kept(broker, "evaluation") if said[0][0] % 4 else None
    leader = Leader.__new__(Leader)
    leader._connection, leader._key, leader._mailbox, leader._watched = broker, "evaluation", broker, set()
    leader.ledger = Ledger(SETTINGS, "me", 0.0, kept=kept if kept is not None and kept.settings == SETTINGS else None)
    for now, (what, body) in enumerate(said[1:]):
        if what % 8 == 6:
            answers = leader._lose(_PLAYERS[what % 3], float(now))
        elif what % 8 == 7:
            answers = leader.ledger.look(float(now))
        else:
            answers = leader._hear(body, float(now))
        _check(leader.ledger, answers)
    return leader.ledger


def _check(ledger: Ledger, answers: Answers) -> None:
    for player, answer in answers:
        if decode(encode(answer)) != answer and not isinstance(answer, Done):  # its returns may be no numbers
            raise Finding("an answer does not arrive as what it was")
        if not isinstance(answer, Play):
            continue
        others = {number for name, one in ledger._players.items() if name != player for number in one.holding}
        given = set(answer.episodes)
        if not given <= set(range(EPISODES)) or given & others:
            raise Finding(f"{player} is to play {answer.episodes}; others hold {others}")


def _is_true(ledger: Ledger) -> None:
    if not ledger.results.keys() <= set(range(EPISODES)):
        raise Finding(f"results of episodes that there are not: {ledger.results.keys()}")
    if ledger.done != (len(ledger.results) == EPISODES):
        raise Finding("it is done, and is not")


def _seeds() -> list[bytes]:
    take = bytes((0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0))
    return [bytes((1, 0, count, *range(count), 0, 0, 0)) + take * 3 for count in range(8)]


TARGETS = (
    Target(
        "leader", "what is kept of a shared evaluation, and what players say, into its leader",
        ("agent_worker.evaluation_ledger",), 40_000, _lead, _seeds, named=(), prepare=_prepare, check=_is_true,
    ),
)  # fmt: skip
