"""What an env worker is told on its command line, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import TIMEOUT_MAX
from typing import Any

from broker import topology
from broker.url import DEFAULT_BROKER
from env_worker.calls import Allowed

BACKENDS = ("auto", "gymnasium", "gym")

VECTOR_BACKENDS = ("loop", "entry-point", "envpool")

MISSING_SEAT = ("default", "forfeit")

ISOLATION = ("none", "process")


@dataclass(frozen=True)
class WorkerSettings:
    """Settings of one env worker. All times are in seconds. Raises ``ValueError`` for a value that makes no sense."""

    env_ids: tuple[str, ...]
    """Ids or ``module:Class`` paths to serve: nothing else can be asked for."""
    broker: str = field(default=DEFAULT_BROKER, repr=False)  # it may hold a password
    capacity: int = 16
    """Episodes at once, of one stepper process."""
    processes: int = 1
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of every env, or of each if the keys are the served ids. An agent cannot change them."""
    imports: tuple[str, ...] = ()
    """Modules that register envs when they are imported."""
    backend: str = "auto"
    factory: str | None = None
    """``module:attribute`` of an object that makes envs; see ``env_worker.factory``."""
    step_timeout: float = 60.0
    """A call into an env (build, reset, step, render, close) that takes longer is ended, with its process."""
    idle_timeout: float = 7200.0
    """An episode whose agent lives but asks nothing for so long is closed; 0: never."""
    drain_timeout: float = 30.0
    """After SIGTERM, running episodes have so long to finish."""
    connect_timeout: float = 60.0
    """How long to try to reach the broker."""
    lease: float = 10.0
    """An episode that is silent for so long is probed for whether its agent still lives."""
    resume_window: float = 2.0
    """An agent that cannot be reached has so long to come back before its episode is closed."""
    vector: str = "loop"
    """How lanes are stepped: ``loop`` over envs, Gymnasium's own vector ``entry-point`` of the env, or ``envpool``."""
    max_num_envs: int = 4096
    """Most lanes of one episode."""
    allowed: Allowed = Allowed()  # noqa: RUF009 - it is frozen
    """What agents may call, read and set of an env besides its own methods: nothing, unless it is named here."""
    seat_timeout: float = 30.0
    """How long the others of a world wait for a seat whose agent is missing or says nothing."""
    missing_seat: str = "default"
    """What then: ``default``, an action is played for it; or ``forfeit``, the run ends for all."""
    isolation: str = "none"
    """``process``: each episode's env lives in a child process that has no credentials; see ``env_worker.children``."""
    memory_limit: int | None = None
    """Bytes that such a child, and each process that it starts, may take; None: as many as there are."""
    verbose: bool = False
    """Log in detail."""

    def __post_init__(self) -> None:
        if not self.env_ids:
            raise ValueError("name at least one env id to serve")
        for env_id in self.env_ids:
            topology.requests_spec(env_id)  # refuses what is too long for the name of a queue
        self._check_numbers()
        choices = {"backend": BACKENDS, "vector": VECTOR_BACKENDS, "missing_seat": MISSING_SEAT, "isolation": ISOLATION}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if self.memory_limit is not None and self.isolation == "none":
            raise ValueError("memory_limit: it is of a process of an env's own, and isolation is none")

    def _check_numbers(self) -> None:
        for name, least in (("capacity", 1), ("processes", 1), ("max_num_envs", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected {least} or more, got {getattr(self, name)}")
        for name in ("step_timeout", "connect_timeout", "lease", "seat_timeout"):
            if not 0 < getattr(self, name) <= TIMEOUT_MAX:
                raise ValueError(f"{name}: expected more than 0 seconds, but not for ever, got {getattr(self, name)}")
        for name in ("idle_timeout", "drain_timeout", "resume_window"):
            if not 0 <= getattr(self, name) <= TIMEOUT_MAX:
                raise ValueError(f"{name}: expected 0 or more seconds, but not for ever, got {getattr(self, name)}")

    def kwargs_of(self, env_id: str) -> dict[str, Any]:
        """Keyword arguments that the operator fixed for this env."""
        if self.env_kwargs and all(key in self.env_ids for key in self.env_kwargs):
            return dict(self.env_kwargs.get(env_id, {}))
        return dict(self.env_kwargs)
