"""The command line of the env worker: options to settings, errors to exit codes; no logic."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from env_worker.catalogue import known_ids
from env_worker.logs import configure
from env_worker.settings import DEFAULT_BROKER, WorkerSettings
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


@app.command()
def serve(
    env_ids: Annotated[
        list[str], typer.Argument(metavar="ENV_ID...", help="Ids to serve, or module:Class paths. Nothing else is.")
    ],
    broker: Annotated[
        str,
        typer.Option(
            envvar="GYMBROKER_URL", show_default=False,
            help="amqp://user:password@host:port/vhost or amqps://...  [default: RabbitMQ on localhost]",
        ),
    ] = DEFAULT_BROKER,
    capacity: Annotated[int, typer.Option(help="Episodes at once, in each process.")] = 16,
    processes: Annotated[int, typer.Option(help="Stepper processes; about one for each core.")] = 1,
    env_kwargs: Annotated[
        str, typer.Option(help="JSON: keyword arguments of the envs, or {id: {...}}. Agents cannot change them.")
    ] = "{}",
    imports: Annotated[
        list[str] | None, typer.Option("--import", help="Module that registers envs; may be given several times.")
    ] = None,
    backend: Annotated[str, typer.Option(help="Where ids are looked up: auto, gymnasium or gym.")] = "auto",
    vector: Annotated[str, typer.Option(help="How lanes are stepped: loop, or entry-point.")] = "loop",
    max_num_envs: Annotated[int, typer.Option(help="Most lanes of one episode.")] = 4096,
    step_timeout: Annotated[float, typer.Option(help="Seconds that one call into an env may take.")] = 60.0,
    idle_timeout: Annotated[
        float, typer.Option(help="Seconds without a request until an episode ends; 0: never.")
    ] = 7200.0,
    drain_timeout: Annotated[float, typer.Option(help="Seconds that running episodes have after SIGTERM.")] = 30.0,
    connect_timeout: Annotated[float, typer.Option(help="Seconds to try to reach the broker.")] = 60.0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log in detail.")] = False,
) -> None:  # fmt: skip
    """Serve ENV_ID... until SIGTERM (finish, then end) or Ctrl-C (end now)."""
    configure(verbose)
    try:
        settings = WorkerSettings(
            env_ids=tuple(dict.fromkeys(env_ids)),
            broker=broker,
            capacity=capacity,
            processes=processes,
            env_kwargs=_parse_kwargs(env_kwargs),
            imports=tuple(imports or ()),
            backend=backend,
            vector=vector,
            max_num_envs=max_num_envs,
            step_timeout=step_timeout,
            idle_timeout=idle_timeout,
            drain_timeout=drain_timeout,
            connect_timeout=connect_timeout,
            verbose=verbose,
        )
    except ValueError as error:
        _fail(str(error), code=2)
    try:
        Supervisor(settings).run()
    except WorkerFailed as error:
        _fail(str(error), code=1)


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
