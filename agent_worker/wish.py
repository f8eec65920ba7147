"""What a user asks for, checked before anything is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real
from threading import TIMEOUT_MAX
from typing import Any

from agent_worker.errors import BadKwargs, InvalidArgument
from broker import topology
from protocol.compression import COMPRESSIONS
from protocol.sendable import opaque_in

ON_WORKER_LOSS = ("raise", "truncate", "replay")


@dataclass(frozen=True)
class Wish:
    """What a user asks for. All times are in seconds."""

    broker: str = field(repr=False)  # it may hold a password
    env_id: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    render_mode: str | None = None
    world: str | None = None
    """The world of many agents to join; None: an env of one's own."""
    seat: str | None = None
    """Which agent of the world to be; None: the next that is free."""
    num_envs: int | None = None
    """Lanes of a vector env; None: one plain env."""
    autoreset_mode: str | None = None
    compression: str | None = None
    """``deflate``: long replies are deflated by the worker, where that makes them shorter; None: never."""
    make_timeout: float = 30.0
    """How long to wait for a worker that serves the env and has a free slot."""
    resume_window: float = 2.0
    """How long a worker that cannot be reached may take to come back; 0: none."""
    connect_timeout: float = 30.0
    """How long to try to reach the broker at first."""
    reconnect_timeout: float = 60.0
    """How long to try to reach it again when the connection broke in the middle of an episode."""
    step_timeout: float = 300.0
    """How long to wait for each reply when an episode is replayed."""
    on_worker_loss: str = "raise"
    """What becomes of a run whose worker is lost: one of ``ON_WORKER_LOSS``."""
    replay_limit: int = 100_000
    """So many requests since the last seeded reset are kept, to be replayed."""
    name: str = "agent worker"
    """Name of the connection, shown to the broker's operator."""

    def __post_init__(self) -> None:
        """Raise ``InvalidArgument`` for what no worker could be asked for."""
        if type(self.env_id) is not str:
            raise InvalidArgument(f"env_id: expected a str, got {type(self.env_id).__name__}")
        try:
            topology.requests_spec(self.env_id)
            self.env_id.encode()
        except ValueError as error:
            raise InvalidArgument(f"env_id: {error}") from error
        self._check_names()
        if self.compression is not None and self.compression not in COMPRESSIONS:
            known = " or ".join(map(repr, (None, *COMPRESSIONS)))
            raise InvalidArgument(f"{self.env_id}: compression: expected {known}, got {self.compression!r:.80}")
        self._check_loss()
        for name in ("make_timeout", "resume_window", "connect_timeout", "reconnect_timeout", "step_timeout"):
            object.__setattr__(self, name, seconds(f"{self.env_id}: {name}", getattr(self, name)))
        odd = opaque_in(self.kwargs)
        if odd is not None:
            raise BadKwargs(f"{self.env_id}: {odd} cannot be sent to a worker")

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments that both a remote env and remote lanes take, with which an equal one is made."""
        names = (
            "env_id", "broker", "render_mode", "make_timeout", "resume_window", "connect_timeout", "reconnect_timeout",
            "compression", "on_worker_loss", "replay_limit",
        )  # fmt: skip
        return {**self.kwargs, **{name: getattr(self, name) for name in names}}

    def _check_loss(self) -> None:
        mode, limit = self.on_worker_loss, self.replay_limit
        if mode not in ON_WORKER_LOSS:
            names = ", ".join(ON_WORKER_LOSS)
            raise InvalidArgument(f"{self.env_id}: on_worker_loss: expected one of {names}, got {mode!r:.80}")
        if type(limit) is not int or limit < 1:
            raise InvalidArgument(f"{self.env_id}: replay_limit: expected a positive int, got {limit!r:.80}")
        if mode != "raise" and self.world is not None:
            text = f"a world ends with its worker for all of its seats, so that only 'raise' is possible, got {mode!r}"
            raise InvalidArgument(f"{self.env_id}: on_worker_loss: {text}")

    def _check_names(self) -> None:
        for name, value in (("world", self.world), ("seat", self.seat)):
            if value is not None and not (type(value) is str and 0 < len(value) <= 255 and _can_travel(value)):
                raise InvalidArgument(f"{self.env_id}: {name}: expected 1 to 255 characters, got {value!r:.80}")
        if self.seat is not None and self.world is None:
            raise InvalidArgument(f"{self.env_id}: seat {self.seat!r}: name the world that it is in, too")


def seconds(name: str, value: Any) -> float:
    """``value``, any kind of number, as a time to wait. Raises ``InvalidArgument`` for what is none or has no end."""
    try:
        found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an int beyond all floats
        found = math.inf
    if not 0.0 <= found <= TIMEOUT_MAX:  # a NaN is not, either
        raise InvalidArgument(f"{name}: expected seconds, 0 or more, but not for ever, got {value!r:.80}")
    return found


def _can_travel(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
