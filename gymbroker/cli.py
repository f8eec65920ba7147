"""The command line of gymbroker itself: ``demo``, ``doctor``, ``status``, ``permissions``."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent_worker import options
from agent_worker.errors import RemoteEnvError
from agent_worker.interrupts import EXIT_INTERRUPTED, interruptible
from agent_worker.remote import broker_url
from broker.errors import BrokerError
from gymbroker import __version__

app = typer.Typer(
    name="gymbroker",
    help="Reinforcement-learning environments as a service over RabbitMQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    """Reinforcement-learning environments as a service over RabbitMQ."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("gymbroker: %(message)s"))
    log = logging.getLogger("gymbroker")
    log.handlers[:], log.propagate = [handler], False
    if version:
        typer.echo(f"gymbroker {__version__}")
        raise typer.Exit


@app.command()
def demo(
    broker: Annotated[
        str, typer.Option(help="memory:// runs all in this process; amqp://... starts worker processes.")
    ] = "memory://",
    steps: Annotated[int, typer.Option(min=1, help="Steps of each price bandit.")] = 4000,
    out: Annotated[Path, typer.Option(help="Folder for the picture.")] = Path(),
) -> None:
    """Watch agents learn in environments that live behind the protocol."""
    from gymbroker.demo import DemoFailed, run_demo

    try:
        with interruptible():
            run_demo(broker, steps, out)
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    except (RemoteEnvError, BrokerError, DemoFailed) as error:
        _fail(str(error), 1)


@app.command()
def doctor(
    broker: options.Broker = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    timeout: options.ConnectTimeout = 5.0,
) -> None:
    """Check this machine and the broker, and say what to do about what is wrong."""
    from gymbroker.doctor import examine

    try:
        with interruptible():
            findings = examine(broker_url(broker), timeout)
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    if as_json:
        typer.echo(json.dumps({finding.what: finding.to_json() for finding in findings}))
    else:
        table = Table("check", "", "found", "what to do", box=None)
        for finding in findings:
            mark = "[green]ok[/]" if finding.ok else "[red]wrong[/]"
            table.add_row(finding.what, mark, Text(finding.found), Text(finding.advice))
        Console().print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def status(
    broker: options.Broker = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list on stdout.")] = False,
    timeout: options.ConnectTimeout = 5.0,
) -> None:
    """Show which env workers are at the broker, what they serve, and how many episodes they can take."""
    from gymbroker.doctor import workers_at

    try:
        with interruptible():
            workers = workers_at(broker_url(broker), timeout)
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    except BrokerError as error:
        _fail(str(error), 1)
    if as_json:
        typer.echo(json.dumps(workers))
        return
    if not workers:
        typer.echo("no env worker is there")
        return
    table = Table("worker", "envs", "free", "capacity", "draining", box=None)
    for worker in workers:
        draining = "yes" if worker["draining"] else ""
        free, capacity = str(worker["free"]), str(worker["capacity"])
        table.add_row(Text(worker["worker"]), Text(", ".join(worker["envs"])), free, capacity, draining)
    Console().print(table)


@app.command()
def permissions(
    env_user: Annotated[str, typer.Option(help="RabbitMQ user of the party that owns environments.")],
    agent_user: Annotated[str, typer.Option(help="RabbitMQ user of the party that owns policies.")],
    vhost: Annotated[str, typer.Option(help="Virtual host that both meet in.")] = "/",
) -> None:
    """Print the rabbitmqctl commands that make a user for each party, with the least rights that work."""
    from broker.permissions import rabbitmqctl_commands

    try:
        for command in rabbitmqctl_commands(vhost, env_user, agent_user):
            typer.echo(shlex.join(["rabbitmqctl", *command]))
    except ValueError as error:
        _fail(str(error), 2)


def _fail(text: str, code: int) -> NoReturn:
    print(f"gymbroker: {text}", file=sys.stderr)
    raise typer.Exit(code)
