"""The command line of the env worker: options to settings, errors to exit codes; no logic."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import typer

from broker.url import DEFAULT_BROKER
from env_worker import options
from env_worker.calls import Allowed
from env_worker.catalogue import known_ids
from env_worker.confine import to_bytes
from env_worker.logs import configure
from env_worker.settings import WorkerSettings
from env_worker.supervisor import Supervisor, WorkerFailed

app = typer.Typer(
    name="env-worker",
    help="Host reinforcement-learning environments for agents that reach you through RabbitMQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Host reinforcement-learning environments for agents that reach you through RabbitMQ."""


# Typer reads the options from the parameters: each stands here once, and once where it goes.
@app.command()
def serve(
    env_ids: options.EnvIds,
    broker: options.Broker = DEFAULT_BROKER,
    capacity: options.Capacity = 16,
    processes: options.Processes = 1,
    env_kwargs: options.EnvKwargs = "{}",
    imports: options.Imports = None,
    backend: options.Backend = "auto",
    factory: options.Factory = None,
    allow_call: options.AllowCall = None,
    allow_get: options.AllowGet = None,
    allow_set: options.AllowSet = None,
    vector: options.Vector = "loop",
    max_num_envs: options.MaxNumEnvs = 4096,
    step_timeout: options.StepTimeout = 60.0,
    idle_timeout: options.IdleTimeout = 7200.0,
    drain_timeout: options.DrainTimeout = 30.0,
    connect_timeout: options.ConnectTimeout = 60.0,
    seat_timeout: options.SeatTimeout = 30.0,
    missing_seat: options.MissingSeat = "default",
    isolation: options.Isolation = "none",
    memory_limit: options.MemoryLimit = None,
    verbose: options.Verbose = False,
) -> None:
    """Serve ENV_ID... until SIGTERM (finish, then end) or Ctrl-C (end now)."""
    configure(verbose)
    if broker.lower().startswith("memory:"):
        _fail("--broker: memory:// is within one process, and no agent could reach a worker there; expected amqp://", 2)
    _find_modules_here()
    try:
        settings = WorkerSettings(
            env_ids=tuple(dict.fromkeys(env_ids)),
            broker=broker, capacity=capacity, processes=processes,
            env_kwargs=_parse_kwargs(env_kwargs), imports=tuple(imports or ()), backend=backend, factory=factory,
            allowed=Allowed(*(tuple(dict.fromkeys(names or ())) for names in (allow_call, allow_get, allow_set))),
            vector=vector, max_num_envs=max_num_envs,
            step_timeout=step_timeout, idle_timeout=idle_timeout, drain_timeout=drain_timeout,
            connect_timeout=connect_timeout, seat_timeout=seat_timeout, missing_seat=missing_seat,
            isolation=isolation, memory_limit=None if memory_limit is None else to_bytes(memory_limit),
            verbose=verbose,
        )  # fmt: skip
    except ValueError as error:
        _fail(str(error), code=2)
    try:
        Supervisor(settings).run()
    except WorkerFailed as error:
        _fail(str(error), code=error.exit_code)


@app.command(name="list")
def list_ids(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: {library: [ids]}.")] = False,
) -> None:
    """List the env ids that could be served here without --import."""
    found = known_ids()
    if as_json:
        typer.echo(json.dumps(found))
        return
    for api, ids in found.items():
        for env_id in ids:
            typer.echo(f"{env_id}\t{api}")


def _find_modules_here() -> None:
    """After all other places: what lies in the current folder hides nothing that is installed."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _parse_kwargs(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"--env-kwargs: expected JSON, got {text!r}: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"--env-kwargs: expected a JSON object, got {text!r}")
    return value


def _fail(text: str, code: int) -> None:
    print(f"env-worker: {text}", file=sys.stderr)
    raise typer.Exit(code)
