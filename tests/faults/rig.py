"""What a row of the matrix plays on: a private broker, proxies in front of it, and the processes of one trial after
the other. A ``Stage`` is made for a row and lives through its trials; a ``Trial`` is one fault and what came of it.
"""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
import time
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.faults import journal
from tests.faults.checker import SLACK_S, Violation, check
from tests.faults.envs import go
from tests.faults.machine import sweep
from tests.faults.processes import Agent, Outcome, Worker, open_files
from tests.faults.proxy import Proxy
from tests.support.commands import eventually
from tests.support.processes import alive
from tools.rabbit import CONFIG, Rabbit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

T = TypeVar("T")

LEASE_S, WINDOW_S = 1.0, 1.0
"""Of the workers under test: small, as each trial waits for twice their sum."""

PATIENT_S = 10.0
"""The window where one side knows of a broken connection long before the other."""

TIMEOUTS = {"make_timeout": 60.0, "step_timeout": 60.0, "resume_window": WINDOW_S, "reconnect_timeout": 60.0}
SPARE = 2
"""Workers that start up while a trial runs."""

LEAVE_S = 45.0
"""How long processes may take to end in peace."""

MORE_FILES = 4
"""So many files more than after the first trial are no leak: a connection or a pipe that is just being made."""

ANSWER_S = 400.0
"""Longest that the rig itself waits for an agent."""


@dataclass
class Trial:
    """One trial: what was measured, and what went against what was expected."""

    stage: Stage
    number: int
    tokens: list[str] = field(default_factory=list)
    wrong: list[Violation] = field(default_factory=list)
    detect_s: float | None = None
    """From the fault to when somebody was told."""
    recover_s: float | None = None
    """From the fault to when steps went on."""
    replays: bool = False
    """Its agent has a lost worker's run replayed."""
    figures: dict[str, float] = field(default_factory=dict)
    """What else was measured, by its name."""

    def token(self) -> str:
        """A new episode's name."""
        self.tokens.append(f"t{self.number}-{secrets.token_hex(4)}")
        return self.tokens[-1]

    def expect(self, holds: bool, text: object) -> None:
        """Note a violation of what the row expects, unless it holds."""
        if not holds:
            self.wrong.append(Violation("expected", str(text)))

    def do(self, agent: Agent, token: str, what: str, *, error: str = "", **fields: Any) -> Outcome:
        """Give a command, wait, and note if it ends by another error than ``error`` (empty: by none)."""
        agent.begin(token, what, **fields)
        return self.await_(agent, token, error=error)

    def await_(self, agent: Agent, token: str, *, error: str = "") -> Outcome:
        """Wait for the command that was begun."""
        outcome = agent.result(token, ANSWER_S)
        self.expect(outcome.error == error, f"{outcome}; expected {error or 'none'}")
        return outcome

    def open(
        self, agent: Agent, worker: Worker | None = None, *, timeouts: dict[str, Any] | None = None, **kwargs: Any
    ) -> str:
        """Open an episode, at ``worker`` if that has an env id of its own, and reset it; gives its token.

        ``timeouts``, and other arguments of the agent's own; ``kwargs`` are those of the env.
        """
        token = self.token()
        fields = {**TIMEOUTS, **(timeouts or {}), **({"env_id": worker.env_id} if worker else {})}
        self.do(agent, token, "open", kwargs=kwargs, **fields)
        self.do(agent, token, "reset")
        return token

    def play(self, agent: Agent, token: str, count: int) -> None:
        """So many steps."""
        self.do(agent, token, "steps", count=count)

    def close(self, agent: Agent, token: str) -> None:
        """End an episode."""
        self.do(agent, token, "close")


def new_env_id() -> str:
    """An id that no other worker serves: those of former trials must not take the agents of the next."""
    return f"Faulty{secrets.token_hex(4)}-v0"


class Stage:
    """Where the trials of one row play: its broker, proxies, processes and journals. ``with rig.stage(...)``."""

    def __init__(self, rig: Rig, name: str, heartbeat_s: int) -> None:
        self.rig, self.name, self.heartbeat_s = rig, name, heartbeat_s
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=rig.folder))
        self.env_id = new_env_id()
        self.patience_s = 0.0
        self._files: dict[int, int] = {}
        self.workers: list[Worker] = []
        self.agents: list[Agent] = []
        self._spare: deque[Worker] = deque()
        self.rabbit = rig.rabbit
        self.needed: Any = None
        """What the row's setup has got for its trials."""
        self._more = ExitStack()
        self._proxies: dict[str, Proxy] = {}
        self._numbers = itertools.count(1)

    def enter(self, needed: AbstractContextManager[T]) -> T:
        """What the row needs besides, until its last trial is over."""
        return self._more.enter_context(needed)

    def url(self, proxy: Proxy | None = None, **options: int) -> str:
        """The broker's address, or that of a proxy in front of it."""
        place = f"127.0.0.1:{self.rabbit.port}" if proxy is None else f"{proxy.host}:{proxy.port}"
        query = "&".join(f"{name}={value}" for name, value in {"heartbeat": self.heartbeat_s, **options}.items())
        return f"amqp://guest:guest@{place}/%2F?{query}"

    def proxy(self, name: str) -> Proxy:
        """The proxy of that name, made when first asked for: ``worker``, ``agent``; ``tls`` before the TLS listener."""
        if name not in self._proxies:
            tls = name == "tls"
            self._proxies[name] = Proxy(self.rabbit.tls_port if tls else self.rabbit.port, raw=tls).__enter__()
        return self._proxies[name]

    def worker(self, *, url: str | None = None, env_id: str | None = None, **settings: Any) -> Worker:
        """Start a worker; ``ready()`` waits for it. ``env_id``: another one than that of the stage."""
        self.workers.append(self._start(env_id or self.env_id, url, settings))
        return self.workers[-1]

    def _start(self, env_id: str, url: str | None, settings: dict[str, Any]) -> Worker:
        given = {"lease": LEASE_S, "resume_window": WINDOW_S, "capacity": 4, "connect_timeout": 180.0, **settings}
        log = self.folder / f"worker-{next(self._numbers)}.log"
        return Worker(self.folder, env_id, url or self.url(), log, **given)

    def fresh(self, **settings: Any) -> Worker:
        """A worker that no trial has had, with an env id of its own; that of the trial before is told to end.

        The next ones start up meanwhile.
        """
        if self.workers:
            self.workers[-1].leave()
        while len(self._spare) < SPARE:
            self._spare.append(self._start(new_env_id(), None, settings))
        self.workers.append(self._spare.popleft())
        return self.workers[-1].ready(settings.get("processes", 1))

    def agent(self, *, url: str | None = None, prefix: Sequence[str] = ()) -> Agent:
        """Start an agent; ``ready()`` waits for it. ``prefix``: the command that becomes it."""
        log = self.folder / f"agent-{next(self._numbers)}.log"
        self.agents.append(Agent(self.folder, self.env_id, url or self.url(), log, prefix))
        return self.agents[-1]

    def wait_begun(self, token: str, serial: int) -> None:
        """Wait until the env executes a request."""
        self._wait_told(token, "begin", serial)

    def wait_done(self, token: str, serial: int) -> float:
        """Wait until the env has executed a request, and is about to answer it; gives when that was."""
        return self._wait_told(token, "did", serial)

    def _wait_told(self, token: str, event: str, serial: int) -> float:
        told = lambda: [one.t for one in self.entries(token) if (one.event, one.serial) == (event, serial)]
        eventually(told, f"the env tells {event} of request {serial}", ANSWER_S)
        return told()[0]

    def go(self, token: str) -> None:
        """Let a request that is held be done."""
        go(self.folder, token).touch()

    def close_connections(self, reason: str) -> None:
        """Let the broker close all connections."""
        self.rabbit.ctl("close_all_connections", reason)

    def count(self, what: str, queue: str) -> int:
        """``consumers`` or ``messages`` of the queues that have ``queue`` in their names."""
        rows = self.rabbit.ctl("list_queues", "name", what).splitlines()
        return sum(int(row.split()[1]) for row in rows if queue in row.split()[0])

    def finish(self, *processes: Worker | Agent) -> None:
        """End processes of one trial in peace; those that do not are told by ``left``."""
        for one in processes:
            one.leave()
            eventually(lambda one=one: one.popen.poll() is not None, f"{one.log.name} ends", LEAVE_S)

    def settle(self, trial: Trial) -> None:
        """After a trial: wait for twice the lease at the most until its envs are closed, then judge its journals.

        Where ``patience_s`` is set, as the worker's own connection broke, so much longer; and what a busy machine adds.
        """
        deadline = time.monotonic() + 2 * (LEASE_S + WINDOW_S) + self.patience_s + SLACK_S
        while (found := self.judge(trial)) and time.monotonic() < deadline:
            time.sleep(0.05)
        trial.wrong += found

    def entries(self, *tokens: str) -> list[journal.Entry]:
        """What the journals say of episodes by now."""
        return journal.read(self.folder, tokens)

    def judge(self, trial: Trial) -> list[Violation]:
        """The violations that the journals show now."""
        entries = journal.read(self.folder, trial.tokens)
        dead = {entry.pid for entry in entries if not alive(entry.pid)}
        deaths = [journal.Entry(0.0, "rig", pid, "died") for pid in dead]
        return check([*entries, *deaths], replays=trial.replays)

    def look_at_files(self) -> None:
        """Note how many files the processes have open; ``left`` compares."""
        self._files = {pid: open_files(pid) for pid in self._under_test()}

    def left(self) -> list[Violation]:
        """After the last trial: end the processes in peace, and tell what is left at the broker and on the machine."""
        grown = {pid: (had, open_files(pid)) for pid, had in self._files.items() if alive(pid)}
        left = [f"{has - had} files of process {pid}" for pid, (had, has) in grown.items() if has > had + MORE_FILES]
        left += [f"queue {name}" for name in self._queues()]
        for one in [*self.workers, *self._spare, *self.agents]:
            one.leave()
        deadline = time.monotonic() + LEAVE_S
        while (pids := self._under_test()) and time.monotonic() < deadline:
            time.sleep(0.05)
        left += [f"process {pid}" for pid in pids]
        return [Violation("left", text) for text in left]

    def _queues(self) -> list[str]:
        """The queues of episodes that are still there when they have had time to go, with half-open connections."""
        deadline = time.monotonic() + 2 * (LEASE_S + WINDOW_S) + 3 * min(self.heartbeat_s, 2) + SLACK_S
        while True:
            names = self.rabbit.ctl("list_queues", "name").split()
            left = [name for name in names if name.startswith(("episode.", "world."))]
            if not left or time.monotonic() > deadline:
                return left

    def _under_test(self) -> list[int]:
        """Process ids of all workers, steppers and agents of this stage."""
        mark = f"{journal.FOLDER}={self.folder}\0".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (path / "environ").read_bytes() and alive(int(path.name)):
                    found.append(int(path.name))
        return found

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for one in [*self.agents, *self.workers, *self._spare]:
            one.end()
        for proxy in self._proxies.values():
            proxy.__exit__()
        self._more.close()


class Rig:
    """The broker of one run, and a folder for all that is written. ``with Rig() as rig, rig.stage("F1") as stage``."""

    def __init__(self) -> None:
        sweep()
        self.folder = Path(tempfile.mkdtemp(prefix="gymbroker-faults-"))
        self.rabbit = Rabbit(config=CONFIG, tls=True)

    def stage(self, name: str, heartbeat_s: int = 10) -> Stage:
        """A stage for the trials of one row. ``heartbeat_s``: of all connections."""
        return Stage(self, name, heartbeat_s)

    @contextmanager
    def absent(self) -> Iterator[None]:
        """There is no broker meanwhile."""
        self.rabbit.stop()
        try:
            yield
        finally:
            self.rabbit.start()

    def __enter__(self) -> Rig:
        self.rabbit.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.rabbit.__exit__(kind, error, trace)
        if kind in (None, KeyboardInterrupt):  # else the journals may say why
            shutil.rmtree(self.folder, ignore_errors=True)
