"""Where one row is played once: the processes that it needs, started for it and ended after it."""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.broker import SHIPPED, Broker, Tuning
from bench.machine import Others
from bench.processes import ROOT, BenchFailed, Program, cpu_seconds
from bench.venvs import python_of
from tools.rabbit import RabbitFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from typing_extensions import Self


class House:
    """What all turns share: brokers, each started when it is first asked for, and a folder for logs.

    One broker is awake at a time. The others are stopped where they are, and take nothing of the machine.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._brokers: dict[Tuning, Broker] = {}
        self._sizes: dict[tuple[str, ...], tuple[str, str]] = {}
        self.logs = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="gymbroker-bench-")))
        self.others = Others()
        """What others take of the machine while we measure."""

    @property
    def brokers(self) -> list[Broker]:
        """Those that have been started."""
        return list(self._brokers.values())

    def broker(self, tuning: Tuning = SHIPPED) -> Broker:
        """The RabbitMQ of this benchmark with these settings. Raises ``BenchFailed`` if it does not start with them."""
        if tuning not in self._brokers:
            try:
                self._brokers[tuning] = self._stack.enter_context(Broker(tuning))
            except RabbitFailed as failure:
                raise BenchFailed(str(failure)) from failure
        return self._brokers[tuning]

    def broker_pids(self, tuning: Tuning = SHIPPED) -> list[int]:
        """The process of that broker, if there is one."""
        return [self._brokers[tuning].pid] if tuning in self._brokers else []

    def wake(self, tuning: Tuning) -> None:
        """Let this broker go on, if there is one, and stop the others."""
        for other, broker in self._brokers.items():
            if other == tuning:
                broker.go_on()
            else:
                broker.pause()

    def sizes(self, stage: Stage, env_id: str, *lanes: str) -> tuple[str, str]:
        """Bytes of the request and of the reply of one step of ours: measured once."""
        place = (env_id, *lanes)
        if place not in self._sizes:
            found = stage.ask("sizes", *place)
            self._sizes[place] = (str(found["request"]), str(found["reply"]))
        return self._sizes[place]

    def stage(self) -> Stage:
        """A new, empty stage; a context manager."""
        return Stage(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class Stage:
    """Servers that wait for agents, and agents, which are what is measured. All end with the ``with`` block."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.agents: list[Program] = []
        self.servers: list[Program] = []
        self._stack = ExitStack()
        self._numbers: Iterator[int] = itertools.count()
        self._tuning = SHIPPED
        house.wake(SHIPPED)

    def tune(self, tuning: Tuning) -> None:
        """From now on ``broker`` is one with these settings."""
        self._tuning = tuning
        self.house.wake(tuning)

    @property
    def broker(self) -> Broker:
        """The RabbitMQ that is talked to."""
        return self.house.broker(self._tuning)

    @property
    def broker_pids(self) -> list[int]:
        """Its process, if there is one."""
        return self.house.broker_pids(self._tuning)

    def agent(self, program: str, *arguments: str, peer: str | None = None) -> Program:
        """Start a program of ``bench.programs`` that takes orders; it is to be measured."""
        found = self._start(program, arguments, peer, obeys=True)
        self.agents.append(found)
        return found

    def server(self, program: str, *arguments: str, peer: str | None = None) -> dict[str, Any]:
        """Start a program of ``bench.programs`` that agents talk to, and wait for what it says when it is ready."""
        found = self._start(program, arguments, peer, obeys=False)
        self.servers.append(found)
        return found.hear()

    def silent_server(self, program: str, port: int, *, peer: str) -> None:
        """As ``server``, for a program that says nothing when it is ready, but listens at ``port``."""
        found = self._start(program, (str(port),), peer, obeys=False)
        self.servers.append(found)
        found.wait_for_port(port)

    def ask(self, program: str, *arguments: str) -> dict[str, Any]:
        """Run a program of ``bench.programs`` before anything is measured, and give what it says."""
        found = self._start(program, arguments, None, obeys=True)
        said = found.hear()
        found.stop()
        return said

    def worker(self, *arguments: str, processes: int = 1, tls: bool = False, **variables: str) -> Program:
        """Start ``env-worker serve`` with ``arguments``, and wait until all its processes serve.

        ``variables`` go into its environment.
        """
        url = self.broker.url("env_worker", tls=tls)
        module = ("env_worker", "serve", "--processes", str(processes), *arguments)
        found = self._launch("env-worker", [sys.executable, "-m", *module], obeys=False, GYMBROKER_URL=url, **variables)
        self.servers.append(found)
        found.wait_for("serving", processes)
        return found

    def _start(self, program: str, arguments: tuple[str, ...], peer: str | None, *, obeys: bool) -> Program:
        python = sys.executable if peer is None else str(python_of(peer))
        return self._launch(program, [python, "-m", f"bench.programs.{program}", *arguments], obeys=obeys)

    def _launch(self, name: str, command: list[str], *, obeys: bool, **variables: str) -> Program:
        log = self.house.logs / f"{name}-{secrets.token_hex(4)}-{next(self._numbers)}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("GYMBROKER_", "PYTHON"))}
        environment |= {"PYTHONPATH": str(ROOT), **variables}
        found = Program(name, command, log, environment, obeys=obeys)
        self._stack.callback(found.stop)
        return found

    def cpu_seconds(self) -> dict[str, float]:
        """What agents, servers and broker have used of the cores so far."""
        roles = {"agent": [one.pid for one in self.agents], "server": [one.pid for one in self.servers]}
        roles["broker"] = self.broker_pids
        return {role: cpu_seconds(pids) for role, pids in roles.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def tuned(tuning: Tuning, play: Callable[[Stage], None]) -> Callable[[Stage], None]:
    """``play`` with a broker of these settings."""

    def play_with_it(stage: Stage) -> None:
        stage.tune(tuning)
        play(stage)

    return play_with_it
