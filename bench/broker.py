"""A RabbitMQ of the benchmark's own, with the settings that docker-compose.yml ships: they are read from there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.processes import ROOT
from tools.rabbit import Rabbit

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

PASSWORD = "only-for-the-benchmark"
DEFINITIONS = "load_definitions = "


def shipped_config() -> str:
    """deploy/rabbitmq/rabbitmq.conf, with the definitions in the folder of the node."""
    text = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()
    return re.sub(f"(?m)^{DEFINITIONS}.*$", f"{DEFINITIONS}@FOLDER@/definitions.json", text)


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
    """RabbitMQ as shipped, and who connects to it as whom."""

    def __init__(self) -> None:
        files = {"definitions.json": shipped_definitions()}
        self._rabbit = Rabbit(
            tls=True, config=shipped_config(), files=files, erl_args=shipped_erl_args(), bound=True
        )  # fmt: skip

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
        """RabbitMQ's and Erlang's."""
        overview = self._rabbit.ctl("status", "--formatter", "json")
        rabbit = re.search(r'"rabbitmq_version":"([^"]+)"', overview)
        erlang = re.search(r"Erlang/OTP (\d+)", overview)
        return f"{rabbit[1] if rabbit else '?'} on Erlang/OTP {erlang[1] if erlang else '?'}"

    def __enter__(self) -> Self:
        self._rabbit.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rabbit.close()
