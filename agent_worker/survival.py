"""What becomes of an episode's requests when its worker is lost (``on_worker_loss``). Nothing in here asks or waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent_worker.errors import (
    AlreadyPending,
    EnvClosed,
    EpisodeEnded,
    NotReset,
    RemoteEnvError,
    StepTimeout,
    WorkerLost,
)
from agent_worker.recorded import RecordedDialogue, is_seeded
from agent_worker.truncation import is_over, truncated, truncated_and_begun
from protocol.messages import Act, Call, Percept, Reset

if TYPE_CHECKING:
    from agent_worker.episode import Episode
    from agent_worker.wish import Wish
    from protocol.messages import Message, Request

ATTEMPTS = 3
"""So many workers may be lost over one request before it is given up: it cannot walk through the whole fleet."""


def is_loss(error: BaseException) -> bool:
    """Whether it says that the episode is over, and that another worker could go on with it."""
    return isinstance(error, (WorkerLost, EpisodeEnded)) and error.retry


class Plan(NamedTuple):
    """What to ask the next worker."""

    kind: type[Request]
    fields: dict[str, Any]
    ended: Percept | None = None
    """What the lanes perceived last, whose runs end with the reply (autoreset in the same step)."""
    why: str = ""
    """Why they end."""

    @property
    def needs_the_run(self) -> bool:
        """Whether what came before it matters to the reply."""
        return self.kind is not Reset or not is_seeded(self.fields.get("seed"), self.fields.get("mask"))


class Survival:
    """One episode, whichever worker hosts it now. A shell around it asks, and says here what went wrong."""

    def __init__(self, wish: Wish, episode: Episode) -> None:
        self._wish = wish
        self.description, self.dialogue = episode.description, _recorded(episode)
        self.plan: Plan | None = None
        """What the next worker is to be asked, or is being asked, in the place of what was lost."""
        self.lost: RemoteEnvError | None = None
        """Why there is no worker now."""
        self._given_up = ""
        """Why no other worker will be asked."""
        self._due = False
        """A run was cut off, and its lanes reset themselves with the next act."""
        self._losses = 0

    def moved(self, episode: Episode, losses: int) -> None:
        """A worker has it now; ``losses`` others were lost before it had."""
        last = self.dialogue.last
        self.description, self.dialogue, self.lost = episode.description, _recorded(episode), None
        self._losses += losses
        if self._due:
            self.dialogue.last = last

    @property
    def undisturbed(self) -> bool:
        """Whether requests go to the worker just as they are."""
        return self.lost is None and not self._due

    def check(self, kind: type[Request]) -> None:
        """Raise what hinders the user from asking now, while it is disturbed."""
        if self.plan is not None and kind is not Reset:
            what = f"{kind.performative} is not legal while {self.plan.kind.performative} has no reply"
            raise AlreadyPending(f"{self._wish.env_id}: {what}: wait, reset or close")
        self._planned(kind, {})

    def forget(self) -> None:
        """What was being asked is overtaken by a reset."""
        self.plan = None

    def begin(self, kind: type[Request], fields: dict[str, Any]) -> Plan | Percept:
        """The user asks while it is disturbed. Gives what to ask the next worker, or what to answer at once.

        Raises ``NotReset``, ``WorkerLost``; ``EnvClosed`` if it has been given up.
        """
        self._losses = 0
        return self._answer(self._planned(kind, fields))

    def lose(self, error: RemoteEnvError) -> Plan | Percept | None:
        """What was asked has failed. As ``begin``; raises ``error`` itself unless it is a loss. None: nothing was."""
        if not is_loss(error):
            if not isinstance(error, StepTimeout):
                self.plan = None
            raise error
        self.lost = error
        if self.dialogue.asked is None and self.plan is None:
            return None
        self._losses += 1
        if self._losses >= ATTEMPTS:
            self._fail(f"{ATTEMPTS} workers were lost over one request; not asking more")
        if self.plan is not None:
            return self.plan
        assert self.dialogue.asked is not None
        return self._answer(self._planned(*self.dialogue.asked))

    @property
    def attempts(self) -> int:
        """How many workers more may be lost."""
        return ATTEMPTS - self._losses

    def not_moved(self, error: RemoteEnvError) -> None:
        """No other worker could be brought to where this one was. Raises what the user is to be told."""
        assert self.lost is not None
        if self._wish.on_worker_loss == "replay" and not isinstance(error, WorkerLost):
            self._fail(f"it could not be replayed: {error}")
        if self._wish.on_worker_loss == "replay":
            self._given_up = f" ({error})"
        self.plan, self._losses = None, 0
        raise error

    def _fail(self, why: str) -> None:
        """Raise ``WorkerLost``, and say why. An episode that is to be replayed is over then."""
        self.plan, self._losses = None, 0
        error = WorkerLost(f"{self.lost}; {why}")
        error.retry = False
        if self._wish.on_worker_loss == "replay":
            self._given_up = f" ({error})"
        raise error from self.lost

    def _answer(self, plan: Plan | Percept) -> Plan | Percept:
        if isinstance(plan, Percept):
            self.plan, self._losses = None, 0
            self.dialogue.last = plan
            self._due = self.description.autoreset_mode == "next_step"
        else:
            self.plan = plan
        return plan

    def _planned(self, kind: type[Request], fields: dict[str, Any]) -> Plan | Percept:
        if self._given_up:
            after = f"{kind.performative} after the episode has ended{self._given_up}"
            raise EnvClosed(f"{self._wish.env_id}: {after}; make a new env")
        if self._wish.on_worker_loss == "truncate":
            return self._cut(kind, fields)
        plan, log = Plan(kind, fields), self.dialogue.log
        anew = kind is Reset and all(fields.get("mask") or b"\1") and not log.is_full
        if log.why_not and plan.needs_the_run and not anew:
            self._fail(f"it cannot be replayed: {log.why_not}")
        return plan

    def _cut(self, kind: type[Request], fields: dict[str, Any]) -> Plan | Percept:
        last, mode = self.dialogue.last, self.description.autoreset_mode
        over = last is None or is_over(last)
        if kind is Reset and all(fields.get("mask") or b"\1"):
            return Plan(kind, fields)
        if kind is Act and last is not None:
            if mode == "same_step":
                return Plan(Reset, dict(_RESET), last, str(self.lost))
            if mode == "next_step" and over:
                return Plan(Reset, dict(_RESET))
            if not over:
                return truncated(last, str(self.lost), self.description.num_envs)
        if kind is Call and over:
            return Plan(kind, fields)
        if over or kind is Reset:
            what = "reset() of all of its lanes" if kind is Reset else "reset()"
            raise NotReset(f"{self._wish.env_id}: its worker was lost: {what} comes before {kind.performative}")
        assert self.lost is not None
        raise self.lost

    def heard(self, reply: Message) -> Message:
        """The reply to what was asked, as the user is to see it."""
        plan, self.plan, self._losses = self.plan, None, 0
        if not isinstance(reply, Percept):
            return reply
        self._due = False
        if plan is None or plan.ended is None:
            return reply
        return truncated_and_begun(plan.ended, plan.why, reply, self.description)


def _recorded(episode: Episode) -> RecordedDialogue:
    dialogue = episode.token
    assert isinstance(dialogue, RecordedDialogue)
    return dialogue


_RESET: dict[str, Any] = {"seed": None, "options": None, "mask": None}
