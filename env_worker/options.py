"""The options of ``env-worker serve``: what each is called, and what its help says. What they mean: ``settings``."""

from __future__ import annotations

from typing import Annotated

import typer

_MAKING = "How envs are made"
_LANES = "Lanes"
_TIMES = "Time limits"
_ISOLATION = "Isolation: envs of strangers"
_WORLDS = "Worlds: envs of many agents, each agent with a seat of its own"

EnvIds = Annotated[
    list[str], typer.Argument(metavar="ENV_ID...", help="Ids to serve, or module:Class paths. Nothing else is.")
]
Broker = Annotated[
    str,
    typer.Option(
        envvar="GYMBROKER_URL", show_default=False,
        help="amqp://user:password@host:port/vhost or amqps://...  [default: RabbitMQ on localhost]",
    ),
]  # fmt: skip
Capacity = Annotated[int, typer.Option(help="Episodes at once, in each process.")]
Processes = Annotated[int, typer.Option(help="Stepper processes; about one for each core.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log in detail.")]

EnvKwargs = Annotated[
    str,
    typer.Option(
        rich_help_panel=_MAKING,
        help="JSON: keyword arguments of the envs, or {id: {...}}. Agents cannot change them.",
    ),
]
Imports = Annotated[
    list[str] | None,
    typer.Option("--import", rich_help_panel=_MAKING, help="Module that registers envs; may be given several times."),
]
Backend = Annotated[
    str, typer.Option(rich_help_panel=_MAKING, help="Where ids are looked up: auto, gymnasium or gym.")
]
Factory = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:ATTRIBUTE", rich_help_panel=_MAKING,
        help="Object that makes envs, and may change what they give: for simulators with an API of their own.",
    ),
]  # fmt: skip
_CALLS = "What agents may use of an env besides reset, step, render and close"

AllowCall = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", rich_help_panel=_CALLS, help="Method that agents may call; several times."),
]
AllowGet = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", rich_help_panel=_CALLS, help="Attribute that agents may read; several times."),
]
AllowSet = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", rich_help_panel=_CALLS, help="Attribute that agents may set; several times."),
]

Vector = Annotated[
    str, typer.Option(rich_help_panel=_LANES, help="How lanes are stepped: loop, entry-point or envpool.")
]
MaxNumEnvs = Annotated[int, typer.Option(rich_help_panel=_LANES, help="Most lanes of one episode.")]

StepTimeout = Annotated[
    float, typer.Option(rich_help_panel=_TIMES, help="Seconds that one call into an env may take.")
]
IdleTimeout = Annotated[
    float, typer.Option(rich_help_panel=_TIMES, help="Seconds without a request until an episode ends; 0: never.")
]
DrainTimeout = Annotated[
    float, typer.Option(rich_help_panel=_TIMES, help="Seconds that running episodes have after SIGTERM.")
]
ConnectTimeout = Annotated[float, typer.Option(rich_help_panel=_TIMES, help="Seconds to try to reach the broker.")]

Isolation = Annotated[
    str,
    typer.Option(
        rich_help_panel=_ISOLATION,
        help="none, or process: each episode's env in a child process without the broker's credentials.",
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        metavar="BYTES", rich_help_panel=_ISOLATION, help="Most memory of such a process, such as 512M or 2G."
    ),
]

SeatTimeout = Annotated[
    float, typer.Option(rich_help_panel=_WORLDS, help="Seconds that the others wait for a seat that is missing.")
]
MissingSeat = Annotated[
    str, typer.Option(rich_help_panel=_WORLDS, help="What then: default (an action is played for it), or forfeit.")
]
