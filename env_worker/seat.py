"""One seat of a world: what its agent has asked for, and what it has to hear. Pure state; the rules: ``world``."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from env_worker.game import Turn

NOTHING = object()
"""No action: None may be one."""


class Stage(enum.Enum):
    """Where a seat stands in the present run."""

    OUT = "out"
    """It does not play in it; its agent may have asked for the next one."""
    IN = "in"
    """It plays."""
    OVER = "over"
    """Its run is over, which its agent does not know yet."""


class Pending(enum.Enum):
    """What the agent of a seat waits for."""

    RESET = "reset"
    ACT = "act"


@dataclass(eq=False, slots=True)
class Seat:
    """One agent of the env, and who plays it."""

    name: str
    taken: bool = False
    expected: bool = True
    """A run waits for it before it begins."""
    stage: Stage = Stage.OUT
    was_in: bool = False
    """It has played in the present run: it cannot come in once more."""
    pending: Pending | None = None
    seed: int | None = None
    options: dict[Any, Any] | None = None
    action: Any = NOTHING
    """What it does next."""
    failure: BaseException | None = None
    """What ended its run instead of a turn."""
    turn: Turn | None = None
    """What it has to hear: rewards summed up, and the newest of all else."""
    missed: int = 0
    """Times that a default action was played for it since it was last told something."""
    missing: set[str] = field(default_factory=set)
    """Seats for which one was played since then."""
    forfeit: list[str] | None = None
    """Whose absence ended its run."""
    joined_at: int | None = None
    """At which step of the run it came in, if not at the beginning."""

    @property
    def ready(self) -> bool:
        """It has acted."""
        return self.action is not NOTHING

    @property
    def awaited(self) -> bool:
        """It plays, and has not acted."""
        return self.stage is Stage.IN and self.action is NOTHING

    def begin(self, stage: Stage, pending: Pending | None = None) -> None:
        """Forget what it was to hear and to do."""
        self.stage, self.pending = stage, pending
        self.action, self.failure, self.turn = NOTHING, None, None
        self.missed, self.missing, self.forfeit, self.joined_at = 0, set(), None, None

    def hear(self, turn: Turn) -> None:
        """Keep a turn until its agent asks."""
        if self.turn is not None:
            turn.reward += self.turn.reward
        self.turn = turn
        if turn.terminated or turn.truncated:
            self.stage = Stage.OVER

    def tell(self, order: Iterable[str]) -> dict[str, Any]:
        """Fields of the percept that answers what the agent asked for; only after a turn.

        A reset tells of no reward and no end (``Percept``): these are kept for the act that follows.
        """
        turn, over, begins = self.turn, self.stage is Stage.OVER, self.pending is Pending.RESET
        assert turn is not None
        info = dict(turn.info)
        if self.missing:
            info["missing_seats"] = [name for name in order if name in self.missing]
        if self.missed:
            info["missed_steps"] = self.missed
        if self.joined_at is not None:
            info["joined_at_step"] = self.joined_at
        if self.forfeit is not None and not begins:
            info["forfeit"] = self.forfeit
        fields = {
            "reward": 0.0 if begins else turn.reward,
            "terminated": turn.terminated and not begins,
            "truncated": turn.truncated and not begins,
            "info": info,
            "observation": turn.observation,
        }
        self.pending, self.missed, self.missing, self.joined_at = None, 0, set(), None
        if begins:
            if not over and not turn.reward:
                self.turn = None
        else:
            self.turn = None
            self.stage = Stage.OUT if over else Stage.IN
        return fields
