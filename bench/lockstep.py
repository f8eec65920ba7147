"""Group ``lockstep``: one CartPole-v1, one step after the other, env and agent in two processes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from bench.rows import Group, Row
from tools.rabbit import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.stage import Stage

ENV = "CartPole-v1"
ORDER = {"steps": 2000}


def echo(
    program: str, env_id: str = ENV, *lanes: str, units: float = 1, tls: bool = False, ways: Sequence[str] = ()
) -> Callable[[Stage], None]:
    """Both ends of an echo of what our step sends, through queues named as an episode's.

    ``ways``: what ``raw_echo`` is to do otherwise than we do.
    """

    def play(stage: Stage) -> None:
        keys = [f"episode.{secrets.token_hex(16)}.{side}.{secrets.token_hex(8)}" for side in ("act", "percept")]
        rest = (*keys, *stage.house.sizes(stage, env_id, *lanes), str(units), *ways)
        stage.server(program, "env", stage.broker.url("env_worker", tls=tls), *rest)
        stage.agent(program, "agent", stage.broker.url("agent_worker", tls=tls), *rest)

    return play


def ours(*options: str, tls: bool = False) -> Callable[[Stage], None]:
    """An ``env-worker serve`` with these options and an agent."""

    def play(stage: Stage) -> None:
        stage.worker(ENV, *options, tls=tls)
        stage.agent("ours_agent", ENV, stage.broker.url("agent_worker", tls=tls))

    return play


def ours_in_memory(stage: Stage) -> None:
    """Env and agent in one process."""
    stage.agent("ours_agent", ENV, "memory://")


def local(stage: Stage) -> None:
    """No protocol at all."""
    stage.agent("local_agent", ENV)


def aivle(*words: str) -> Callable[[Stage], None]:
    """zmq REQ/REP and JSON."""

    def play(stage: Stage) -> None:
        port = stage.server("aivle_server", *words, peer="aivle")["port"]
        stage.agent("aivle_agent", str(port), *words, peer="aivle")

    return play


def gymie(stage: Stage) -> None:
    """A websocket and JSON."""
    (port,) = free_ports(1)
    stage.silent_server("gymie_server", port, peer="gymie")
    stage.agent("gymie_agent", str(port), peer="gymie")


def dm_env_rpc(stage: Stage) -> None:
    """gRPC."""
    port = stage.server("dm_env_rpc_server", peer="dm_env_rpc")["port"]
    stage.agent("dm_env_rpc_agent", str(port), peer="dm_env_rpc")


def agymc(stage: Stage) -> None:
    """Coroutines in one process."""
    stage.agent("agymc_agent", "1", peer="agymc")


def ray(stage: Stage) -> None:
    """An actor of Ray."""
    stage.agent("ray_agent", peer="ray")


ABOUT = {
    "raw": "the limit: our bytes as AMQP frames on a socket, through the same broker",
    "ours": "env-worker serve and agent over RabbitMQ (amqp)",
    "pika-blocking": "our bytes by pika's BlockingConnection",
    "pika-select": "our bytes by pika's SelectConnection",
    "raw-tls": "as raw, over TLS",
    "ours-tls": "as ours, over TLS (amqps, certificate checked)",
    "ours-isolated": "as ours, the env in a child process (--isolation process)",
    "ours-memory": "env and agent of ours in one process (memory://)",
    "aivle": "aiVLE Gym 0.2.0: zmq and JSON. Wire written anew: it is on no package index",
    "aivle-lean": "the same without the debug texts that aiVLE Gym makes at every step",
    "gymie": "Gymie 0.5.4: eventlet websocket and JSON, with a client in Python",
    "dm_env_rpc": "dm_env_rpc 1.1.7: gRPC, with its own adaptor",
    "ray": "Ray 2.60.0: the env in an actor",
    "agymc": "agymc 0.1.1.1: coroutines in the agent's process",
    "local": "gymnasium.make in the agent's process",
}

PLAYS = {
    "raw": echo("raw_echo"),
    "ours": ours(),
    "pika-blocking": echo("pika_blocking"),
    "pika-select": echo("pika_select"),
    "raw-tls": echo("raw_echo", tls=True),
    "ours-tls": ours(tls=True),
    "ours-isolated": ours("--isolation", "process"),
    "ours-memory": ours_in_memory,
    "aivle": aivle(),
    "aivle-lean": aivle("lean"),
    "gymie": gymie,
    "dm_env_rpc": dm_env_rpc,
    "ray": ray,
    "agymc": agymc,
    "local": local,
}

GROUP = Group(
    name="lockstep",
    title="One CartPole-v1 in lockstep: p50 of a whole env.step()",
    figure="p50_us",
    unit="us",
    reference="raw",
    rows=tuple(Row(name, ABOUT[name], play, ORDER) for name, play in PLAYS.items()),
    turn_s=(1.8, 1.2),
)
