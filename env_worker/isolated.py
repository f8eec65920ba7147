"""Episodes whose env lives in a child process of its own. The dialogue stays here; a child executes.

So a step that hangs, a crash and a lack of memory end one child, and the stepper goes on with all others meanwhile.
"""

from __future__ import annotations

import logging
import time
from dataclasses import fields
from typing import TYPE_CHECKING

from broker import topology
from broker.errors import BrokerError
from env_worker.catalogue import CatalogueError
from env_worker.children import Ending
from env_worker.episode import Episode
from protocol.codec import decode, encode
from protocol.errors import ErrorCode, Fault, ProtocolError
from protocol.messages import Act, Error
from protocol.rules import State

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from broker.port import Connection
    from env_worker.catalogue import Entry
    from env_worker.children import Child, Children
    from env_worker.settings import WorkerSettings
    from env_worker.slot import Slot
    from protocol.messages import Make, Request

log = logging.getLogger("gymbroker")


class IsolatedEpisode(Episode):
    """An episode whose requests are executed by a child. ``hear`` gives the replies, when they come."""

    def __init__(
        self, make: Make, incarnation: str, entry: Entry, settings: WorkerSettings, worker: str, isolation: Isolation
    ) -> None:
        super().__init__(make, incarnation, entry, settings, worker)
        self.patience_s = settings.step_timeout
        self._isolation = isolation
        self._child: Child | None = None
        self._body = b""
        """What is being handled."""
        self._next: bytes | None = None
        """A request that has overtaken the one that the child executes: nobody waits for the answer to that one."""

    def build(self) -> bytes | None:
        """Let a child make the env: its first word is heard later. Bytes of an ``error``: that failed."""
        if self._make.world is not None:
            text = "world: this worker hosts none, as each of its envs has a process of its own (--isolation process)"
            return self.dialogue.fail(ErrorCode.BAD_KWARGS, text, Fault.AGENT, ends=True)
        try:
            self._child = self._isolation.begin(self, encode(self._make))
        except (CatalogueError, OSError) as error:
            text = f"no process can be started for the env: {error}"
            return self.dialogue.fail(ErrorCode.WORKER_FAILED, text, Fault.WORKER, retry=True, ends=True)
        return None

    def handle(self, body: bytes) -> bytes | None:
        """As every episode's; what is to be executed is answered later."""
        self._body = body
        return super().handle(body)

    def _execute(self, request: Request) -> None:
        assert self._child is not None, "there is no request before the status"
        self.steps += type(request) is Act
        if self._child.busy:
            self._next = self._body
        else:
            self._child.ask(self._body)

    def hear(self, said: bytes | Ending) -> bytes | None:
        """What to tell the agent, as the child has said this, or has ended."""
        child = self._child
        assert child is not None
        if isinstance(said, Ending):
            ours = said.code is ErrorCode.WORKER_FAILED
            fault = Fault.WORKER if ours else Fault.ENV
            return None if self.ended else self.dialogue.fail(said.code, said.text, fault, retry=ours, ends=True)
        if not child.busy:
            child.kill("said what it was not asked for")
            return None
        child.rest()
        overtook, self._next = self._next, None
        if overtook is not None:
            child.ask(overtook)
            return None
        if self.dialogue.executing is None:
            return None  # it was interrupted, and has been answered
        try:
            return self._reply(said)
        except (ProtocolError, ValueError) as error:
            child.kill(f"gave a wrong answer ({error})")
            return None

    def _reply(self, said: bytes) -> bytes:
        """The same, from us. Raises ``ProtocolError`` and ``ValueError`` for what is no reply."""
        message = decode(said)
        if isinstance(message, Error):
            code, fault = ErrorCode(message.code), Fault(message.fault)
            return self.dialogue.fail(code, message.text, fault, retry=message.retry, ends=message.ends)
        content = {field.name: getattr(message, field.name) for field in fields(message)[3:]}
        return self.dialogue.reply(type(message), **content)  # type: ignore[arg-type]  # it looks at what it is

    def shut(self) -> None:
        """Let the child close its env and end; nobody waits for that. Safe to call twice."""
        child, self._child = self._child, None
        if child is not None:
            child.leave()


class Isolation:
    """The shell around isolated episodes: children say something to it on threads of their own.

    ``turn``: who has it may look at the episodes, and change them. ``opened``: called with it, for a slot whose env
    has been made.
    """

    def __init__(
        self, children: Children, slots: dict[str, Slot], turn: threading.Lock, opened: Callable[[Slot], None]
    ) -> None:
        self._children, self._slots, self._turn, self._opened = children, slots, turn, opened
        self._connection: Connection

    def attach(self, connection: Connection) -> None:
        """From now on, replies go by this connection."""
        self._connection = connection

    def begin(self, episode: IsolatedEpisode, make: bytes) -> Child:
        """A child for an episode. Raises ``CatalogueError`` and ``OSError``."""
        return self._children.begin(make, lambda said: self._hear(episode, said))

    def _hear(self, episode: IsolatedEpisode, said: bytes | Ending) -> None:
        with self._turn:
            slot = self._slots.get(episode.dialogue.episode)
            if slot is None or slot.episode is not episode:
                return  # it is over, and the child leaves
            opening = episode.dialogue.state is State.NEW
            reply = episode.hear(said)
            if reply is None:
                return
            slot.told = time.monotonic()
            try:
                self._connection.send(topology.PERCEPTS, slot.key, reply)
                if opening and not episode.ended:
                    self._opened(slot)
            except BrokerError as error:  # who runs the connection hears it, too; the agent asks again
                log.debug("episode %s: %s", episode.public_id, error)
        if isinstance(said, Ending):
            log.info("episode %s ends: %s", episode.public_id, said.text)
