"""Where policy and environment meet: one small loop, and the figures that come of it.

``rollout(env, policy, episodes=10, seed=0)`` plays and gives a ``Summary``. The environment is any ``gymnasium.Env``,
remote or local; the loop cannot tell, so the figures of both can be compared. Many lanes at once are played by
``agent_worker.rollout_lanes``.
"""

from __future__ import annotations

import contextlib
import time
from array import array
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from agent_worker.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent_worker.acting import Policy

__all__ = ["Counting", "Numbers", "Record", "Summary", "rollout", "seed_of"]


class Numbers(Protocol):
    """Says which episodes are to be played, by their numbers from 0, and hears what came of them."""

    def take(self, count: int, *, wait: bool) -> list[int]:
        """At most ``count`` numbers of episodes to begin now.

        Empty: there is nothing to begin now; with ``wait`` (nothing is being played) there will never be again.
        """

    def finish(self, number: int, return_: float, length: int) -> None:
        """Episode ``number`` has ended."""

    def tick(self) -> None:
        """Called after every step."""


class Counting:
    """The numbers from 0 up to ``episodes``, or without end."""

    def __init__(self, episodes: int | None = None) -> None:
        self._next, self._episodes = 0, episodes

    def take(self, count: int, *, wait: bool) -> list[int]:
        """The next numbers."""
        stop = self._next + count if self._episodes is None else min(self._next + count, self._episodes)
        found = list(range(self._next, stop))
        self._next = stop
        return found

    def finish(self, number: int, return_: float, length: int) -> None:
        """Nobody asks."""

    def tick(self) -> None:
        """Nothing happens."""


class Record:
    """What has been played so far; it is complete up to the last step whenever a rollout ends, or is ended.

    Give one to ``rollout`` to have what was played even if the rollout raises. ``on_step(reward)`` is called after
    every step, ``on_run(return, length)`` after every episode that ended; they are not in the round-trip times.
    """

    def __init__(
        self,
        on_step: Callable[[float], None] | None = None,
        on_run: Callable[[float, int], None] | None = None,
        *,
        env_id: str = "",
    ) -> None:
        self.numbers, self.returns, self.lengths = array("q"), array("d"), array("q")
        self.rewards, self.rtt_ns = array("d"), array("q")
        self.env_id = env_id
        self.interrupted = False
        self.show(on_step, on_run)
        self._started = time.perf_counter()
        self._seconds: float | None = None

    def show(
        self, on_step: Callable[[float], None] | None, on_run: Callable[[float, int], None] | None
    ) -> None:
        """Call these from now on."""
        self._on_step, self._on_run = on_step, on_run

    def begin(self, env: Any) -> None:
        """Time runs from here on."""
        self.env_id, self._started = self.env_id or env_id_of(env), time.perf_counter()

    def end(self) -> None:
        """Time runs until here."""
        self._seconds = time.perf_counter() - self._started

    def trip(self, rtt_ns: int) -> None:
        """Note a round trip; its rewards follow."""
        self.rtt_ns.append(rtt_ns)

    def step(self, reward: float) -> None:
        """Note a step; it counts from here on, Ctrl-C or not."""
        self.rewards.append(reward)
        if self._on_step is not None:
            self._on_step(reward)

    def run(self, number: int, return_: float, length: int) -> None:
        """Note an episode that has just ended."""
        self.numbers.append(number)
        self.returns.append(return_)
        self.lengths.append(length)
        if self._on_run is not None:
            self._on_run(return_, length)

    @contextlib.contextmanager
    def playing(self, env: Any) -> Iterator[None]:
        """From ``begin`` to ``end``, whatever is raised; a Ctrl-C ends it with what was played until then."""
        self.begin(env)
        try:
            yield
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self.end()

    def summary(self) -> Summary:
        """The figures until now."""
        order = np.argsort(np.array(self.numbers), kind="stable")
        return Summary(
            env_id=self.env_id,
            returns=np.array(self.returns)[order],
            lengths=np.array(self.lengths)[order],
            rewards=np.array(self.rewards),
            rtt_ns=np.array(self.rtt_ns)[: len(self.rewards)],
            seconds=time.perf_counter() - self._started if self._seconds is None else self._seconds,
            interrupted=self.interrupted,
        )


def rollout(
    env: Any,
    policy: Policy,
    *,
    episodes: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    on_step: Callable[[float], None] | None = None,
    on_run: Callable[[float, int], None] | None = None,
    numbers: Numbers | None = None,
    record: Record | None = None,
) -> Summary:
    """Play ``episodes`` whole episodes, or ``steps`` steps in as many episodes as it takes, or what ``numbers`` says.

    Episode ``i`` is reset with ``seed + i``: all of them follow from the seed, and none from what was played before
    it. ``record``, ``on_step`` and ``on_run``: see ``Record``. Ctrl-C (``KeyboardInterrupt``) gives the summary of
    what was played until then. Does not close ``env``. Raises ``ValueError`` unless exactly one of ``episodes``,
    ``steps`` and ``numbers`` is given, and what ``env`` and ``policy`` raise.
    """
    numbers = source_of(episodes, steps, numbers)
    record = record or Record(on_step, on_run)
    with record.playing(env):
        _play(env, policy, record, numbers, steps, seed)
    return record.summary()


def source_of(episodes: int | None, steps: int | None, numbers: Numbers | None) -> Numbers:
    """Which episodes are to be played. Raises ``ValueError``."""
    given = [limit for limit in (episodes, steps) if limit is not None]
    if len(given) + (numbers is not None) != 1 or (given and given[0] < 1):
        raise ValueError(f"give either episodes or steps, at least 1, got episodes={episodes}, steps={steps}")
    return numbers or Counting(episodes)


def seed_of(seed: int | None, number: int) -> int | None:
    """What the reset of episode ``number`` is seeded with."""
    return None if seed is None else seed + number


def _play(env: Any, policy: Policy, record: Record, numbers: Numbers, steps: int | None, seed: int | None) -> None:
    begin = getattr(policy, "begin", None)
    learn = policy.learn if getattr(policy, "learns", True) else None
    while (steps is None or len(record.rewards) < steps) and (taken := numbers.take(1, wait=True)):
        (number,) = taken
        observation, info = env.reset(seed=seed_of(seed, number))
        if begin is not None:
            begin(0, number)
        return_, length, ended = 0.0, 0, False
        while not ended and (steps is None or len(record.rewards) < steps):
            action = policy.act(observation, info)
            sent = time.perf_counter_ns()
            next_observation, reward, terminated, truncated, info = env.step(action)
            record.trip(time.perf_counter_ns() - sent)
            return_ += float(reward)  # not sum(): the last bit must not depend on how episodes are played
            length += 1
            record.step(reward)
            if learn is not None:
                learn(observation, action, reward, next_observation, terminated, truncated, info)
            observation, ended = next_observation, terminated or truncated
            numbers.tick()
        if ended:
            record.run(number, return_, length)
            numbers.finish(number, return_, length)


def env_id_of(env: Any) -> str:
    """The id that people know an environment by."""
    spec = getattr(env, "spec", None)
    if spec is None:
        return type(env).__name__
    return str(spec.kwargs.get("env_id", spec.id))  # remote envs share one generic id, and name theirs as an argument
