"""The book of a shared evaluation: which episode is whose, and what came of it. Pure: no clock, no thread, no broker.

An episode is open, or held by a player, or finished. Each method gives the answers that are due now, to whomever.
``now`` is in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_worker.evaluation_messages import Done, Kept, Play, Refuse, Tell, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_worker.evaluation_messages import Answer, Results, Settings, Take

Answers = list[tuple[str, "Answer"]]
"""Player, and what to tell it."""


@dataclass(slots=True)
class _Player:
    """What is known of one player."""

    heard: float
    patience_s: float
    holding: set[int] = field(default_factory=set)
    asks: Take | None = None
    """What it waits for an answer to."""
    play: Play | None = None
    """What it was given last."""


class Ledger:
    """Kept by the leader. ``kept``: how far it had come before; ``opens``: until then nothing is handed out, so that
    players of a leader that is gone can say what they hold."""

    def __init__(
        self, settings: Settings, leader: str, now: float, *, kept: Kept | None = None, opens: float = 0.0
    ) -> None:
        self.settings, self.leader = settings, leader
        self.results: Results = dict(kept.results) if kept is not None else {}
        self._started = now - (kept.seconds if kept is not None else 0.0)
        self._seconds: float | None = kept.seconds if kept is not None and kept.done else None
        self._opens = opens
        self._open = deque(number for number in range(settings.episodes) if number not in self.results)
        self._players: dict[str, _Player] = {}

    @property
    def done(self) -> bool:
        """Whether all episodes are finished."""
        return len(self.results) == self.settings.episodes

    def kept(self, now: float) -> Kept:
        """How far it has come."""
        return Kept(self.settings, self.results, now - self._started if self._seconds is None else self._seconds)

    def holders(self) -> list[str]:
        """Players whose death would matter."""
        return [name for name, player in self._players.items() if player.holding]

    def hear(self, take: Take, now: float) -> Answers:
        """A player reports, and perhaps asks."""
        if take.settings != self.settings:
            return [(take.player, Refuse(self.leader, take.number, self.settings))]
        if take.leader not in ("", self.leader):
            return [(take.player, Tell(self.leader, take.number))]
        self._count(take.results, now)
        if take.leaving:
            return self.lose(take.player, now)
        player = self._players.setdefault(take.player, _Player(now, take.patience_s))
        player.heard, player.patience_s = now, take.patience_s
        self._reconcile(player, take)
        if take.free and player.play is not None and player.play.take == take.number and not self._shared(player):
            return [(take.player, player.play)]  # it has not arrived, or will arrive twice
        if take.free:
            player.asks = take
        answers = self._due(now)
        if not any(name == take.player for name, _ in answers):
            done = Done(self.leader, take.number, self.kept(now)) if self.done else None
            answers.append((take.player, done or Wait(self.leader, take.number)))
        return answers

    def lose(self, name: str, now: float) -> Answers:
        """A player is gone: what it held is open again."""
        player = self._players.pop(name, None)
        if player is not None:
            self._reopen(player.holding)
        return self._due(now)

    def look(self, now: float) -> Answers:
        """Time has passed: what players hold that have been silent for too long is open again, too."""
        for player in self._players.values():
            if player.holding and now - player.heard > player.patience_s:
                self._reopen(player.holding)
                player.holding = set()
        return self._due(now)

    def _count(self, results: Results, now: float) -> None:
        """The first result of an episode counts; with equal seeds all are equal."""
        for number, result in results.items():
            if 0 <= number < self.settings.episodes and number not in self.results:
                self.results[number] = result
                for player in self._players.values():
                    player.holding.discard(number)
        if self.done and self._seconds is None:
            self._seconds = now - self._started

    def _reconcile(self, player: _Player, take: Take) -> None:
        """It holds what it says, and what is on the way to it."""
        under_way = player.play.episodes if player.play is not None and player.play.take > take.seen else ()
        held = {number for number in (*take.holding, *under_way) if 0 <= number < self.settings.episodes}
        before, player.holding = player.holding, held - self.results.keys()
        self._reopen(before - player.holding)

    def _shared(self, player: _Player) -> bool:
        """Whether others hold something of what it was given last: it was silent for too long."""
        given = set(player.play.episodes) if player.play is not None else set()
        return any(given & other.holding for other in self._players.values() if other is not player)

    def _reopen(self, numbers: Iterable[int]) -> None:
        self._open.extendleft(sorted((number for number in numbers if number not in self.results), reverse=True))

    def _due(self, now: float) -> Answers:
        answers: Answers = []
        for name, player in self._players.items():
            if player.asks is None:
                continue
            if self.done:
                answers.append((name, Done(self.leader, player.asks.number, self.kept(now))))
                player.asks = None
            elif now >= self._opens and (episodes := self._hand_out(player.asks.free)):
                player.play = Play(self.leader, player.asks.number, episodes)
                player.holding.update(episodes)
                player.asks = None
                answers.append((name, player.play))
        return answers

    def _hand_out(self, count: int) -> tuple[int, ...]:
        found: list[int] = []
        while self._open and len(found) < count:
            number = self._open.popleft()
            held = any(number in player.holding for player in self._players.values())
            if number not in self.results and not held and number not in found:
                found.append(number)
        return tuple(found)
