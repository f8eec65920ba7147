"""A world that is hosted here: the name that it was elected for, its env, and the slots of its seats."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from env_worker import drawing
from env_worker.game import game_of
from env_worker.host import Refused, close_quietly
from env_worker.multi import kind_of
from env_worker.world import World
from protocol.errors import ErrorCode
from protocol.wire import pack

if TYPE_CHECKING:
    from broker.port import Subscription
    from env_worker.catalogue import Entry
    from env_worker.settings import WorkerSettings
    from env_worker.slot import Slot
    from protocol.messages import Make


@dataclass(eq=False, slots=True)
class HostedWorld:
    """One world; it begins with its first seat and ends with its last."""

    key: str
    """Name of its queue: who has it hosts the world."""
    inbox: Subscription | None = None
    """None: the name was lost with a connection, and is to be claimed again."""
    nameless_since: float = 0.0
    claimed_at: float = 0.0
    members: dict[str, Slot] = field(default_factory=dict)
    """Slots of its seats by episode."""
    state: World | None = None
    _kwargs: bytes = b""
    _render_mode: str | None = None

    def open(self, make: Make, entry: Entry, settings: WorkerSettings) -> World:
        """The world, made as its first seat asks. Raises ``Refused`` if ``make`` differs, and as ``Entry.make``."""
        kwargs = pack(dict(sorted(make.kwargs.items())))
        if self.state is None:
            env = entry.make(make.kwargs, make.render_mode)
            try:
                kind = kind_of(env)
                if kind is None:
                    text = f"world: {entry.env_id} is an env of one agent; leave out world and seat"
                    raise Refused(ErrorCode.BAD_KWARGS, text)
                self.state = World(game_of(kind, env), settings.missing_seat, settings.seat_timeout)
            except BaseException:
                close_quietly(env)
                raise
            self._kwargs, self._render_mode = kwargs, make.render_mode
        elif make.kwargs and kwargs != self._kwargs:
            raise Refused(ErrorCode.BAD_KWARGS, "kwargs: the first seat gave others; give the same, or none")
        elif make.render_mode not in (None, self._render_mode):
            text = f"render_mode: this world has {self._render_mode!r}, got {make.render_mode!r}"
            raise Refused(ErrorCode.BAD_KWARGS, text)
        return self.state

    def close(self) -> None:
        """Close the env; quiet about what its ``close`` raises."""
        state, self.state = self.state, None
        if state is not None:
            with contextlib.suppress(BaseException), drawing.keep_pygame():  # a door to foreign code
                state.game.env.close()
