"""An evaluation that several agent workers share: each plays some of its episodes, all get the summary of the whole.

``Evaluation(name, settings, url)`` joins; as the ``numbers`` of a rollout it says which episodes to play; ``summary``
gives the figures. All that use one name at one broker share it. Who is first leads (``agent_worker.evaluation_leader``)
and plays, too; when the leader is gone, whoever notices first leads. Whatever dies, each episode counts once.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_worker.evaluation_leader import EvaluationError, OtherSettings
from agent_worker.evaluation_messages import MOST_EPISODES, Done, Play, Refuse, Results, Take, Tell
from agent_worker.evaluation_seat import LeaderGone, Seat
from agent_worker.summary import EvaluationSummary
from broker.errors import ConnectionLost

if TYPE_CHECKING:
    from agent_worker.evaluation_messages import Kept, Settings

__all__ = ["Evaluation", "EvaluationError", "OtherSettings"]

log = logging.getLogger("gymbroker")

TICK_S = 1.0
"""How often a player that plays says that it lives, and what it holds."""

AGAIN_S = 1.0
"""How often a player that waits asks again."""

GLANCE_S = 0.25
"""How long a player waits for an answer while other lanes of it play."""

SILENCE_S = 120.0
"""A leader that says nothing for so long, though its queue is there, is given up: longer than any heartbeat."""


TELL_S = 5.0
"""After so much silence of the leader its players say that they wait."""


class Evaluation:
    """One player's side of it. For one thread; ``leave`` in any case. All times are in seconds.

    Args:
        name: what all that share it call it.
        settings: what all of them must agree in.
        url: of the broker.
        patience: after so much silence of this player its episodes may be played by others: more than a step takes.
        connect_timeout: to try to reach the broker, at first and again.
        join_timeout: to wait for an env worker to have been there.

    Raises ``OtherSettings``, ``EvaluationError``, ``UnknownEnv`` and ``BrokerError``.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        url: str,
        *,
        patience: float = 360.0,
        connect_timeout: float = 30.0,
        join_timeout: float = 30.0,
    ) -> None:
        if not 0 < settings.episodes <= MOST_EPISODES:
            raise ValueError(f"a shared evaluation has 1 to {MOST_EPISODES} episodes, got {settings.episodes}")
        self.name, self.settings = name, settings
        self.result: Kept | None = None
        """What came of all episodes, once all are finished."""
        self.results: Results = {}
        """Of the episodes that this player has finished."""
        self._patience, self._connect_timeout = patience, connect_timeout
        self._fresh: set[int] = set()
        """Episodes whose results the leader may not know yet."""
        self._playing: set[int] = set()
        self._ready: list[int] = []
        self._number = self._seen = 0
        self._pending: Take | None = None
        self._answered = False
        """The pending take has been answered, though perhaps by ``Wait`` only."""
        self._leader = ""
        self._joined = self._heard = time.monotonic()
        self._tick_at = 0.0
        self._seat = Seat(name, settings, url)
        try:
            self._join(self._joined + join_timeout)
        except BaseException:
            self.leave()
            raise

    # What a rollout asks: see agent_worker.rollout.Numbers.

    def take(self, count: int, *, wait: bool) -> list[int]:
        """At most ``count`` episodes to begin now. With ``wait`` it comes back with some, or when all are finished."""
        while True:
            try:
                return self._take(count, wait=wait)
            except ConnectionLost as error:
                self._reconnect(error)

    def finish(self, number: int, return_: float, length: int) -> None:
        """Episode ``number`` has ended; the leader hears of it with the next ``take``."""
        self._playing.discard(number)
        self.results[number] = (return_, length)
        self._fresh.add(number)

    def tick(self) -> None:
        """Now and then: say that we live, hear what the leader says."""
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + TICK_S
        try:
            self._listen()
            if self.result is None:
                self._seat.send(self._report(0))
        except ConnectionLost as error:
            self._reconnect(error)

    def summary(self, *, interrupted: bool = False) -> EvaluationSummary:
        """Of the whole, if it is finished; else of the episodes that this process knows of."""
        known, seconds = dict(self.results), time.monotonic() - self._joined
        if self._seat.leading is not None:
            known = {**self._seat.leading.ledger.results, **known}
        if self.result is not None:
            known, seconds = self.result.results, self.result.seconds
        found = [known[number] for number in sorted(known)]
        return EvaluationSummary(
            env_id=self.settings.env_id,
            returns=np.array([one[0] for one in found], np.float64),
            lengths=np.array([one[1] for one in found], np.int64),
            seconds=seconds,
            evaluation=self.name,
            played=len(self.results),
            interrupted=interrupted,
        )

    def is_done(self) -> bool:
        """Whether all episodes are finished, whoever played them: asks the leader, and waits a moment.

        For a player that holds no episode.
        """
        self._hello(time.monotonic() + AGAIN_S)
        return self.result is not None

    def leave(self) -> None:
        """Say good-bye: what this player holds is open again. Never raises; safe to call twice."""
        self._playing.clear()
        self._ready.clear()
        self._seat.leave(self._good_bye)

    # Talking to the leader.

    def _join(self, deadline: float) -> None:
        """A name that is taken, or a result that is there, is known before an env is asked for."""
        self._seat.sit(self._connect_timeout, deadline)
        self._hello(math.inf)

    def _hello(self, deadline: float) -> None:
        """Ask for nothing, and wait for the answer until ``deadline``."""
        self._ask(0)
        while not self._answered and time.monotonic() < deadline:
            try:
                self._await(min(deadline, time.monotonic() + AGAIN_S))
            except ConnectionLost as error:
                self._reconnect(error)
        self._pending = None

    def _reconnect(self, error: ConnectionLost) -> None:
        """Come back as a new player, who has finished and holds what the old one did."""
        deadline = time.monotonic() + self._connect_timeout
        while True:
            log.warning("%s; connecting again for evaluation %s", error, self.name)
            try:
                self._seat.sit(max(0.0, deadline - time.monotonic()), deadline)
                self._tell_all()
                return
            except ConnectionLost as again:
                if time.monotonic() >= deadline:
                    raise
                error = again

    def _take(self, count: int, *, wait: bool) -> list[int]:
        self._listen()
        asked = self._pending is not None
        while True:
            if self._ready:
                found, self._ready = self._ready[:count], self._ready[count:]
                self._playing.update(found)
                log.debug("evaluation %s: begins %s", self.name, found)
                return found
            if self.result is not None:
                return []
            if self._pending is None:
                self._ask(count)
            if not wait and (asked or self._answered):
                return []
            if not self._await(time.monotonic() + (AGAIN_S if wait else GLANCE_S)) and not wait:
                return []

    def _ask(self, free: int) -> None:
        self._number += 1
        self._pending, self._answered, self._heard = self._report(free), False, time.monotonic()
        self._seat.send(self._pending)

    def _await(self, deadline: float) -> bool:
        """One answer until ``deadline``. False: none, and we have asked again."""
        try:
            answer = self._seat.hear(deadline)
        except LeaderGone:
            self._follow_anew()
            return True
        if answer is not None:
            self._take_in(answer)
            return True
        silent = time.monotonic() - self._heard
        if silent > TELL_S:
            self._seat.tell(f"its leader has said nothing for {silent:.0f} s; given up after {SILENCE_S:g} s")
        if silent > SILENCE_S:
            raise EvaluationError(f"evaluation {self.name!r}: its leader has said nothing for {SILENCE_S:g} s")
        self._say_again()
        return False

    def _listen(self) -> None:
        """All that has arrived, without waiting."""
        now = time.monotonic()
        while True:
            try:
                answer = self._seat.hear(now)
            except LeaderGone:
                self._follow_anew()
                continue
            if answer is None:
                return
            self._take_in(answer)

    def _report(self, free: int, *, leaving: bool = False) -> Take:
        return Take(
            settings=self.settings,
            player=self._seat.player,
            number=self._number,
            seen=self._seen,
            leader=self._leader,
            free=free,
            holding=(*self._playing, *self._ready),
            results={number: self.results[number] for number in self._fresh},
            patience_s=self._patience,
            leaving=leaving,
        )

    def _good_bye(self) -> Take | None:
        return self._report(0, leaving=True) if self.result is None else None

    def _say_again(self) -> None:
        """The same question, with what we know by now."""
        if self._pending is not None:
            self._pending = self._report(self._pending.free)
        self._seat.send(self._pending or self._report(0))

    def _tell_all(self) -> None:
        """To whoever leads now."""
        self._leader, self._fresh = "", set(self.results)
        self._say_again()

    def _follow_anew(self) -> None:
        self._seat.stand()
        self._tell_all()

    def _take_in(self, answer: Any) -> None:
        self._heard = time.monotonic()
        if isinstance(answer, Refuse):
            raise OtherSettings.of(self.name, answer.settings, self.settings)
        if isinstance(answer, Tell) or self._leader not in ("", answer.leader):
            self._tell_all()
            return
        self._leader = answer.leader
        if isinstance(answer, Done):
            self.result, self._pending, self._answered = answer.kept, None, True
        elif self._pending is not None and answer.take == self._pending.number:
            self._answered = True
            self._fresh -= self._pending.results.keys()
            if isinstance(answer, Play):
                self._seen, self._pending = answer.take, None
                self._ready += [one for one in answer.episodes if one not in self.results]
