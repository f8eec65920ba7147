"""A RabbitMQ of the benchmark's own, with the settings that docker-compose.yml ships: they are read from there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.processes import ROOT, BenchFailed
from tools.rabbit import Rabbit, RabbitFailed, free_ports

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

PASSWORD = "only-for-the-benchmark"
IN_USE = "[erlang:garbage_collect(P) || P <- processes()], erlang:memory(total)."
DEFINITIONS = "load_definitions = "


@dataclass(frozen=True)
class Tuning:
    """What is other than shipped. Brokers of one tuning are the same one."""

    erl_args: str = ""
    """Arguments of the Erlang VM, behind the shipped ones: the later of two holds."""
    config: tuple[tuple[str, str], ...] = ()
    """Lines of rabbitmq.conf, each in the place of the shipped one of its key."""
    plugins: tuple[str, ...] = ()
    copy: str = ""
    """Tells brokers apart that are to be the same but for chance."""


SHIPPED = Tuning()


def shipped_config() -> str:
    """deploy/rabbitmq/rabbitmq.conf, with the definitions in the folder of the node."""
    text = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()
    return re.sub(f"(?m)^{DEFINITIONS}.*$", f"{DEFINITIONS}@FOLDER@/definitions.json", text)


def tuned(config: str, tuning: Tuning) -> str:
    """``config`` with the lines of ``tuning``."""
    for key, value in tuning.config:
        config = re.sub(rf"(?m)^{re.escape(key)} *=.*\n", "", config) + f"{key} = {value}\n"
    if "rabbitmq_management" in tuning.plugins:
        (port,) = free_ports(1)
        config += f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n"
    return config


def shipped_definitions() -> str:
    """deploy/rabbitmq/definitions.json with passwords, as start.sh makes it: the two users with least rights."""
    text = (ROOT / "deploy/rabbitmq/definitions.json").read_text()
    return re.sub("@[A-Z]+_PASSWORD@", PASSWORD, text)


def shipped_erl_args() -> str:
    """What docker-compose.yml tells the Erlang VM."""
    name = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"
    found = re.search(rf"^ *{name}: (.+)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    return found[1].strip() if found else ""


class Broker:
    """RabbitMQ as shipped, but for ``tuning``, and who connects to it as whom."""

    def __init__(self, tuning: Tuning = SHIPPED) -> None:
        self._rabbit = Rabbit(
            tls=True,
            config=tuned(shipped_config(), tuning),
            files={"definitions.json": shipped_definitions()},
            erl_args=f"{shipped_erl_args()} {tuning.erl_args}".strip(),
            plugins=tuning.plugins,
        )

    @property
    def pid(self) -> int:
        """Process id of the Erlang VM."""
        return self._rabbit.pid

    def url(self, user: str, *, tls: bool = False) -> str:
        """Address for ``env_worker`` or ``agent_worker``; over TLS with the certificate checked."""
        if tls:
            return self._rabbit.tls_url(f"cacertfile={self._rabbit.ca}", user, PASSWORD)
        return self._rabbit.url_of(user, PASSWORD)

    def version(self) -> str:
        """RabbitMQ's and Erlang's. It is awake after that."""
        self.go_on()
        try:
            overview = self._rabbit.ctl("status", "--formatter", "json")
        except (RabbitFailed, subprocess.TimeoutExpired):
            overview = ""
        rabbit = re.search(r'"rabbitmq_version":"([^"]+)"', overview)
        erlang = re.search(r"Erlang/OTP (\d+)", overview)
        return f"{rabbit[1] if rabbit else '?'} on Erlang/OTP {erlang[1] if erlang else '?'}"

    def memory_bytes(self) -> int:
        """What its Erlang VM has in use when all its processes have collected garbage. Raises ``BenchFailed``."""
        try:
            return int(self._rabbit.ctl("eval", IN_USE))
        except (RabbitFailed, subprocess.TimeoutExpired) as error:
            raise BenchFailed(f"the broker does not tell what it has in use: {error}") from error

    def pause(self) -> None:
        """Stop its process where it is, so that it takes nothing of the machine. It must have no client."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """After ``pause``, or in any case."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self._rabbit.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rabbit.close()
