"""How long a round trip to an env worker takes."""

from __future__ import annotations

import statistics
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent_worker.census import Census, served_by
from agent_worker.errors import BadKwargs, EnvError, UnknownEnv
from agent_worker.remote import broker_url
from agent_worker.session import Session
from agent_worker.wish import Wish
from broker import shared

if TYPE_CHECKING:
    from broker.port import Connection


@dataclass(frozen=True)
class Ping:
    """Round trips to one worker, in microseconds."""

    broker: str
    server: str
    worker: str
    env_id: str
    count: int
    rtt_us_min: float
    rtt_us_p50: float
    rtt_us_p99: float

    def to_json(self) -> dict[str, Any]:
        """As a dict that is JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.count} round trips to {self.worker} ({self.env_id}) through {self.server} at {self.broker}: "
            f"min {self.rtt_us_min:.0f} us, p50 {self.rtt_us_p50:.0f} us, p99 {self.rtt_us_p99:.0f} us"
        )


def ping(env_id: str | None, broker: str | None, count: int, timeout: float) -> Ping:
    """Open an episode of ``env_id``, send it ``count`` probes. None: of the first env served that can be made.

    Raises ``RemoteEnvError`` or ``BrokerError``; ``timeout`` seconds is the bound of each wait.
    """
    url = broker_url(broker)
    connection = shared(url, timeout_s=timeout, name="agent worker ping")
    session = _open([env_id] if env_id is not None else _served(connection), url, timeout)
    try:
        rtts_us = sorted(session.ping(timeout) * 1e6 for _ in range(count))
    finally:
        session.close(timeout)
    return Ping(
        broker=connection.label,
        server=" ".join(connection.server.get(name, "") for name in ("product", "version")).strip(),
        worker=session.description.worker,
        env_id=session.env_id,
        count=count,
        rtt_us_min=rtts_us[0],
        rtt_us_p50=statistics.median(rtts_us),
        rtt_us_p99=rtts_us[min(count - 1, int(count * 0.99))],
    )


def _served(connection: Connection) -> list[str]:
    census = Census(connection)
    try:
        served = served_by(census.find())
    finally:
        census.close()
    if not served:
        raise UnknownEnv(f"no env worker is at {connection.label}")
    return served


def _open(env_ids: list[str], url: str, timeout: float) -> Session:
    """Of the first that can be made. Raises what is wrong with the last."""
    for env_id in env_ids[:-1]:
        with suppress(EnvError, BadKwargs):  # it may need what is not installed there, or an argument
            return Session.open(Wish(url, env_id, make_timeout=timeout, connect_timeout=timeout))
    return Session.open(Wish(url, env_ids[-1], make_timeout=timeout, connect_timeout=timeout))
