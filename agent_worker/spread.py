"""The episodes of one vector env, asked together or one by one, whoever is ready first, by a thread that waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agent_worker.errors import InvalidArgument, NothingPending, RemoteEnvError
from protocol.errors import EncodeError
from protocol.messages import Act, Call, Render, Reset, Result

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_worker.batches import Five
    from agent_worker.gathering import Gathering
    from agent_worker.layout import Layout, Requests
    from protocol.messages import Message, Request


class Spread:
    """The lanes of ``layout`` in the sessions of ``gathering``.

    Methods raise what is wrong with any of the episodes, with its lanes named in the text and in ``error.env_id``.
    """

    def __init__(self, gathering: Gathering, layout: Layout, env_id: str) -> None:
        self._gathering, self._layout, self._env_id = gathering, layout, env_id
        self._given: int | None = 0 if len(layout.episodes) == 1 else None
        """The episode that ``recv`` gave last."""
        self._awaited: tuple[type[Request], Collection[int]] = (Act, layout.episodes)
        """What ``wait`` is for: what was asked last, and of which episodes."""

    def reset(self, requests: Requests, timeout: float) -> Five:
        """Reset the episodes of ``requests``, and give what all lanes observe now."""
        self.begin_reset(requests, timeout)
        return self.wait(timeout, Reset)

    def begin_reset(self, requests: Requests, timeout: float) -> None:
        """``reset`` without waiting; next: ``wait``."""
        for number in self._layout.episodes:
            if number not in requests:
                self._check(number, Act)  # its lanes are left out, and must have a run
        self.ask_reset(requests, timeout)
        self._awaited = (Reset, requests.keys())

    def ask_reset(self, requests: Requests, timeout: float) -> None:
        """Ask for a reset without waiting. Raises ``InvalidArgument`` for options that cannot be sent."""
        try:
            self._ask(Reset, requests, timeout)
        except EncodeError as error:
            raise InvalidArgument(f"{self._env_id}: what reset() was given cannot be sent: {error}") from error
        self._layout.seeded(requests)

    def act(self, actions: Any, timeout: float) -> None:
        """Send the actions of all lanes."""
        self._ask(Act, self._layout.acts(actions), timeout)

    def wait(self, timeout: float, kind: type[Request] | None = None) -> Five:
        """What came of ``act`` or ``reset``. May be called again after ``StepTimeout``: what came before is kept.

        Raises ``NothingPending`` if nothing was asked, or something else than ``kind`` (None: whatever it was).
        """
        return self._layout.whole(self._hear(self._due(kind), timeout))

    def send(self, actions: Any, env_id: Any, timeout: float) -> None:
        """Send the actions of one episode: that of the lanes ``env_id``, or None: that of the last ``recv``."""
        number = self._given if env_id is None else self._layout.number(env_id)
        if number is None:
            raise InvalidArgument(f"{self._env_id}: send() without env_id is for the lanes of the last recv()")
        self._ask(Act, self._layout.act(number, actions), timeout)

    def recv(self, timeout: float) -> Five:
        """What came of the request of the episode that is ready first, with ``env_id`` in the infos."""
        started = time.monotonic()
        found = self._gathering.wait_any(started + timeout)
        if found is None:
            raise self._layout.concerning(self._gathering.overdue(time.monotonic() - started))
        number, outcome = found
        self._given = number
        self._awaited = (Act, self._layout.episodes)
        if isinstance(outcome, RemoteEnvError):
            raise self._layout.concerning({number: outcome})
        self._layout.heard(number, outcome)
        return self._layout.part(number, outcome)

    @property
    def awaited(self) -> type[Request]:
        """The kind of what was asked last; an ``Act`` where nothing was."""
        return self._awaited[0]

    def ask_frames(self, timeout: float) -> None:
        """Ask for a frame of each lane; next: ``frames``."""
        self._ask(Render, {number: {} for number in self._layout.episodes}, timeout)

    def frames(self, timeout: float) -> tuple[Any, ...]:
        """What came of ``ask_frames``."""
        return self._layout.frames(self._hear(self._due(Render), timeout))

    def ask_call(self, requests: Requests, timeout: float) -> None:
        """Ask the episodes of ``requests`` for a ``call``; next: ``called``. Raises ``EncodeError``."""
        self._ask(Call, requests, timeout)
        self._awaited = (Call, requests.keys())

    def called(self, timeout: float) -> dict[int, Any]:
        """What each episode gave for ``ask_call``. Raises ``NothingPending`` without one."""
        replies = self._hear(self._due(Call), timeout)
        return {number: reply.value for number, reply in replies.items() if isinstance(reply, Result)}

    def _due(self, kind: type[Request] | None) -> Collection[int]:
        """Of which episodes replies are due. Raises ``NothingPending`` if something else than ``kind`` was asked."""
        asked, numbers = self._awaited
        if kind is not None and asked is not kind:
            raise NothingPending(f"{self._env_id}: no {kind.performative} has been asked for")
        return numbers

    def _ask(self, kind: type[Request], requests: Requests, timeout: float) -> None:
        for number in requests:
            self._check(number, kind)
        self._awaited = (kind, self._layout.episodes)
        self._gathering.ask(kind, timeout, requests)

    def _check(self, number: int, kind: type[Request]) -> None:
        try:
            self._gathering.check(number, kind)
        except RemoteEnvError as error:
            raise self._layout.concerning({number: error}) from None

    def _hear(self, numbers: Collection[int], timeout: float) -> dict[int, Message]:
        """The replies of these episodes. All are waited for, also if one fails: then nothing is under way."""
        started = time.monotonic()
        outcomes = self._gathering.wait_all(numbers, started + timeout)
        if outcomes is None:
            raise self._layout.concerning(self._gathering.overdue(time.monotonic() - started))
        self._awaited = (Act, self._layout.episodes)
        errors: dict[int, RemoteEnvError] = {}
        replies: dict[int, Message] = {}
        for number, outcome in outcomes.items():
            if isinstance(outcome, RemoteEnvError):
                errors[number] = outcome
            else:
                replies[number] = outcome
                self._layout.heard(number, outcome)
        if errors:
            raise self._layout.concerning(errors)
        return replies
