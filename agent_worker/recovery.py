"""Another worker for an episode that lost its own: opened, found to be of the same env, and brought to the same state.

This waits: in the thread of the user's request, or, where others are served meanwhile, in one of its own.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from agent_worker.errors import GivenUp, ProtocolFailure, RemoteEnvError, ReplayDiverged, StepTimeout, WorkerLost
from agent_worker.opening import open_episode
from agent_worker.recorded import DONE, UNKNOWN, RecordedDialogue, read
from agent_worker.session import Session
from agent_worker.survival import ATTEMPTS, is_loss
from protocol.messages import Act

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_worker.survival import Survival
    from agent_worker.wish import Wish
    from protocol.description import Description

log = logging.getLogger("gymbroker")

CLOSE_S = 5.0
"""How long a worker may take to close an env that is not wanted after all."""

SAME = ("observation_space", "action_space", "state_space", "api", "num_envs", "autoreset_mode")
"""What must not be another one at the next worker."""


class Recovery:
    """One attempt to find another worker. It looks at ``survival`` as it is when this is made, and changes nothing."""

    def __init__(self, wish: Wish, survival: Survival, given_up: threading.Event | None = None) -> None:
        plan = survival.plan
        self._wish, self._former, self._log = wish, survival.description, survival.dialogue.log
        self._run = wish.on_worker_loss == "replay" and plan is not None and plan.needs_the_run
        self._left = survival.attempts
        self._given_up = given_up or threading.Event()
        self._lock = threading.Lock()
        self._outcome: Session | BaseException | None = None
        self.losses = 0
        """Workers that were lost before one had it."""
        log.warning("%s; asking for another worker", survival.lost)

    def run(self) -> Session:
        """Wait for it: ``make_timeout`` for a worker, ``step_timeout`` for each request that is replayed.

        Raises ``RemoteEnvError``, ``BrokerError``; ``GivenUp`` soon after ``give_up``.
        """
        while True:
            session = Session(self._wish, open_episode(self._wish, self._given_up))
            try:
                self._check(session.description)
                self._replay(session, self._log.replay(run=self._run))
                return session
            except BaseException as error:
                session.end(CLOSE_S if isinstance(error, Exception) else 0.0, "it is not where the former one was")
                if not is_loss(error):
                    raise
                log.warning("%s; asking for another worker", error)
                self.losses += 1
                if self.losses >= self._left:
                    final = WorkerLost(f"{error}; {ATTEMPTS} workers were lost over one request; not asking more")
                    final.retry = False
                    raise final from error

    def start(self) -> None:
        """Do so in a thread of its own. Next: ``done``, then ``outcome``."""

        def work() -> None:
            try:
                self._end(self.run())
            except BaseException as error:  # noqa: BLE001 - raised by who asks for the outcome
                self._end(error)

        threading.Thread(target=work, name="agent worker recovery", daemon=True).start()

    def _end(self, outcome: Session | BaseException) -> None:
        with self._lock:
            wanted = not self._given_up.is_set()
            self._outcome = outcome
        if not wanted and isinstance(outcome, Session):
            outcome.end(CLOSE_S, "nobody waits for it any more")

    @property
    def done(self) -> bool:
        """Whether there is an outcome."""
        return self._outcome is not None

    def outcome(self) -> Session:
        """What ``run`` gave, or raises what it raised."""
        assert self._outcome is not None
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def give_up(self) -> None:
        """Nobody waits any more. What is opened, or will be, is closed."""
        with self._lock:
            self._given_up.set()
            found = self._outcome
        if isinstance(found, Session):
            found.end(0.0, "nobody waits for it any more")

    def _check(self, description: Description) -> None:
        for name in SAME:
            if getattr(description, name) != getattr(self._former, name):
                workers = f"workers {self._former.worker}, which was lost, and {description.worker}"
                text = f"{workers} do not serve the same env: it has another {name}"
                raise ProtocolFailure(f"{self._wish.env_id}: {text}")

    def _replay(self, session: Session, asked: Iterable[tuple[bytes, bytes]]) -> None:
        """Ask ``session`` what its predecessor was asked. Raises ``ReplayDiverged`` at the first other reply."""
        dialogue = session.token
        assert isinstance(dialogue, RecordedDialogue)
        acts = 0
        for body, digest in asked:
            if self._given_up.is_set():
                raise GivenUp
            kind, given = read(body)
            acts += kind is Act
            try:
                session.request(kind, self._wish.step_timeout, **given)
            except StepTimeout:
                raise
            except RemoteEnvError:
                if session.ended or digest == DONE:
                    raise  # else it failed the first time, too, as the digest will show
            if digest not in (UNKNOWN, DONE, dialogue.log.last_digest):
                raise self._diverged(session.description, kind.performative, acts)

    def _diverged(self, description: Description, asked: str, acts: int) -> ReplayDiverged:
        what = f"step {acts} after the seeded reset" if asked == Act.performative else f"{asked} after {acts} steps"
        what = "the seeded reset itself" if asked == "reset" and not acts else what
        return ReplayDiverged(
            f"{self._wish.env_id}: worker {self._former.worker} was lost, and {what} gave another percept when it was "
            f"replayed on worker {description.worker}: the env does not do the same for the same seed and actions",
            acts,
        )
