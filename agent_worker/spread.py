"""The lanes of one vector env, spread over several episodes: asked together or one by one, whoever is ready first."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_worker.errors import InvalidArgument, NothingPending, RemoteEnvError
from protocol.errors import EncodeError
from protocol.messages import Act, Call, Frame, Percept, Render, Reset, Result

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agent_worker.batches import Batches, Five
    from agent_worker.gathering import Gathering
    from protocol.messages import Message, Request


class Spread:
    """``lanes`` lanes in each episode of ``gathering``; the lanes are numbered through all of them.

    Methods raise what is wrong with any of the episodes, with its lanes named in the text and in ``error.env_id``.
    """

    def __init__(self, gathering: Gathering, batches: Batches, env_id: str, lanes: int) -> None:
        self._gathering, self._batches, self._env_id, self._lanes = gathering, batches, env_id, lanes
        self._all = range(len(gathering.sessions))
        self._ids = np.arange(lanes * len(self._all), dtype=np.int32).reshape(-1, lanes)
        self._last: list[Percept | None] = [None] * len(self._all)
        """What each episode said last: of lanes that a reset leaves out, it still holds."""
        self._given: int | None = 0 if len(self._all) == 1 else None
        """The episode that ``recv`` gave last."""

    def reset(self, requests: Mapping[int, dict[str, Any]], timeout: float) -> Five:
        """Reset the episodes of ``requests``, fields by number, and give what all lanes observe now."""
        left_out = [number for number in self._all if number not in requests]
        for number in left_out:
            self._check(number, Act)
        self.ask_reset(requests, timeout)
        found = self._percepts(requests, timeout)
        return self._joined([found.get(number) or self._unchanged(number) for number in self._all])

    def _unchanged(self, number: int) -> Percept:
        """The last observation of an episode that is not reset now."""
        last = self._last[number]
        assert last is not None
        none = bytes(self._lanes)
        return replace(last, reward=bytes(8 * self._lanes), terminated=none, truncated=none, info={})

    def ask_reset(self, requests: Mapping[int, dict[str, Any]], timeout: float) -> None:
        """Ask for a reset without waiting. Raises ``InvalidArgument`` for options that cannot be sent."""
        try:
            self._ask(Reset, requests, timeout)
        except EncodeError as error:
            raise InvalidArgument(f"{self._env_id}: what reset() was given cannot be sent: {error}") from error

    def act(self, wire: Any, timeout: float) -> None:
        """Send the actions of all lanes, as ``Batches.encode`` gave them."""
        wires = self._batches.split(wire, len(self._all))
        self._ask(Act, {number: {"action": part} for number, part in enumerate(wires)}, timeout)

    def wait(self, timeout: float) -> Five:
        """What came of ``act`` or ``reset``. May be called again after ``StepTimeout``: what came before is kept."""
        return self._joined(list(self._percepts(self._all, timeout).values()))

    def send(self, actions: Any, env_id: Any, timeout: float) -> None:
        """Send the actions of one episode: that of the lanes ``env_id``, or None: that of the last ``recv``."""
        number = self._given if env_id is None else self.number(env_id)
        if number is None:
            raise InvalidArgument(f"{self._env_id}: send() without env_id is for the lanes of the last recv()")
        self._ask(Act, {number: {"action": self._batches.encode(actions, self._lanes)}}, timeout)

    def recv(self, timeout: float) -> Five:
        """What came of the request of the episode that is ready first, with ``env_id`` in the infos."""
        started = time.monotonic()
        found = self._gathering.wait_any(started + timeout)
        if found is None:
            raise self._concerning(self._gathering.overdue(time.monotonic() - started))
        number, outcome = found
        self._given = number
        if isinstance(outcome, RemoteEnvError):
            raise self._concerning({number: outcome})
        percept = self._last[number] = self._percept(outcome)
        five = self._batches.five(percept, self._lanes)
        five[4]["env_id"] = self._ids[number].copy()
        return five

    def frames(self, timeout: float) -> tuple[Any, ...]:
        """A frame of each lane."""
        self._ask(Render, {number: {} for number in self._all}, timeout)
        replies = self._hear(self._all, timeout)
        return tuple(frame for reply in replies.values() for frame in _frames(reply, self._lanes))

    def call(self, requests: Mapping[int, dict[str, Any]], timeout: float) -> dict[int, Any]:
        """What the episodes of ``requests`` give for a ``call``. Raises ``EncodeError`` for what cannot be sent."""
        self._ask(Call, requests, timeout)
        replies = self._hear(requests, timeout)
        return {number: reply.value for number, reply in replies.items() if isinstance(reply, Result)}

    def number(self, env_id: Any) -> int:
        """The episode whose lanes ``env_id`` names, all of them and in order. Raises ``InvalidArgument``."""
        ids = np.asarray(env_id)
        if ids.shape == (self._lanes,) and ids.dtype.kind in "iu":
            number = int(ids[0]) // self._lanes
            if number in self._all and np.array_equal(ids, self._ids[number]):
                return number
        expected = f"the {self._lanes} lanes of one episode, as recv() gave them in infos['env_id']"
        raise InvalidArgument(f"{self._env_id}: env_id: expected {expected}; got {env_id!r:.80}")

    def _ask(self, kind: type[Request], requests: Mapping[int, dict[str, Any]], timeout: float) -> None:
        for number in requests:
            self._check(number, kind)
        self._gathering.ask(kind, timeout, requests)

    def _check(self, number: int, kind: type[Request]) -> None:
        try:
            self._gathering.check(number, kind)
        except RemoteEnvError as error:
            raise self._concerning({number: error}) from None

    def _joined(self, percepts: list[Percept]) -> Five:
        if len(percepts) == 1:
            return self._batches.five(percepts[0], self._lanes)
        return self._batches.join(percepts, self._lanes)

    def _percepts(self, numbers: Collection[int], timeout: float) -> dict[int, Percept]:
        return {number: self._percept(reply) for number, reply in self._hear(numbers, timeout).items()}

    def _percept(self, reply: Message) -> Percept:
        if isinstance(reply, Percept):
            return reply
        text = f"the {reply.performative} that was overdue has come, and is dropped: nothing was stepped"
        raise NothingPending(f"{self._env_id}: {text}")

    def _hear(self, numbers: Collection[int], timeout: float) -> dict[int, Message]:
        """The replies of these episodes. All are waited for, also if one fails: then nothing is under way."""
        started = time.monotonic()
        outcomes = self._gathering.wait_all(numbers, started + timeout)
        if outcomes is None:
            raise self._concerning(self._gathering.overdue(time.monotonic() - started))
        errors: dict[int, RemoteEnvError] = {}
        replies: dict[int, Message] = {}
        for number, outcome in outcomes.items():
            if isinstance(outcome, RemoteEnvError):
                errors[number] = outcome
            else:
                replies[number] = outcome
                if isinstance(outcome, Percept):
                    self._last[number] = outcome
        if errors:
            raise self._concerning(errors)
        return replies

    def _concerning(self, errors: Mapping[int, RemoteEnvError]) -> RemoteEnvError:
        """The first of the errors, with the lanes of all of them named."""
        first = next(iter(errors.values()))
        if len(self._all) > 1:
            places = ", ".join(f"{self._ids[number][0]} to {self._ids[number][-1]}" for number in errors)
            first.args = (f"lanes {places}: {first}",)
            first.env_id = np.concatenate([self._ids[number] for number in errors])
        return first


def _frames(reply: Message, lanes: int) -> list[Any]:
    assert isinstance(reply, Frame)
    if isinstance(reply.frame, (list, tuple)) and len(reply.frame) == lanes:
        return list(reply.frame)
    return [reply.frame] * lanes  # a vector env of its own kind that draws all of its lanes in one
