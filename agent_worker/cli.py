"""The command line of the agent worker: options to settings, errors to exit codes; no logic of its own."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from agent_worker import options
from agent_worker.acting import PolicyError
from agent_worker.errors import RemoteEnvError
from agent_worker.evaluation import EvaluationError, OtherSettings
from agent_worker.interrupts import EXIT_INTERRUPTED, interruptible
from agent_worker.pinging import ping as measure_ping
from agent_worker.plot import PlotError, require_plotting, save_learning_curves
from agent_worker.report import summary_table
from agent_worker.running import Run, play
from broker.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_worker.running import Outcome

app = typer.Typer(
    name="agent-worker",
    help="Run a policy in environments that others host, through RabbitMQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

EXPECTED = (RemoteEnvError, BrokerError, PolicyError, PlotError, EvaluationError, ValueError, OSError)
"""Errors whose text says all that there is to say."""

FAULTS_OF_THE_COMMAND = (PolicyError, PlotError, OtherSettings)


@app.command()
def run(
    env_id: Annotated[str, typer.Argument(help="Id that an env worker serves.")],
    broker: options.Broker = None,
    policy: options.Policy = "random",
    policy_class: options.PolicyClass = None,
    stochastic: options.Stochastic = False,
    trust_policy: options.Trust = False,
    episodes: options.Episodes = None,
    steps: options.Steps = None,
    num_envs: options.Lanes = 1,
    env_episodes: options.Spread = 1,
    evaluation: options.Shared = None,
    seed: options.Seed = None,
    env_kwargs: options.Kwargs = "{}",
    world: options.World = None,
    seat: options.Seat = None,
    compression: options.Compression = None,
    on_worker_loss: options.Loss = "raise",
    as_json: options.Json = False,
    plot: options.Plot = None,
    make_timeout: options.MakeTimeout = 30.0,
    step_timeout: options.StepTimeout = 300.0,
    connect_timeout: options.ConnectTimeout = 30.0,
    verbose: options.Verbose = False,
) -> None:
    """Play ENV_ID with a policy, and say how it went."""
    _log_to_stderr(verbose)
    _refuse_memory(broker)
    try:
        wanted = Run(
            env_id, policy, broker, episodes=episodes, steps=steps, seed=seed, num_envs=num_envs,
            env_episodes=env_episodes, evaluation=evaluation, stochastic=stochastic, trust_policy=trust_policy,
            policy_class=policy_class, env_kwargs=_parse_kwargs(env_kwargs), world=world, seat=seat,
            compression=compression, on_worker_loss=on_worker_loss,
            make_timeout=make_timeout, step_timeout=step_timeout, connect_timeout=connect_timeout,
        )  # fmt: skip
    except ValueError as error:
        _fail(str(error), 2)
    with _exit_codes(verbose):
        _play_and_report(wanted, as_json, plot)


@app.command()
def ping(
    env_id: Annotated[str | None, typer.Argument(help="Id to ping a worker of.  [default: any that is served]")] = None,
    broker: options.Broker = None,
    count: Annotated[int, typer.Option(min=1, help="Round trips.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    timeout: options.PingTimeout = 10.0,
    verbose: options.Verbose = False,
) -> None:
    """Measure the round trip to an env worker and back, without its env."""
    _log_to_stderr(verbose)
    _refuse_memory(broker)
    with _exit_codes(verbose):
        found = measure_ping(env_id, broker, count, timeout)
    typer.echo(json.dumps(found.to_json()) if as_json else str(found))


def _play_and_report(wanted: Run, as_json: bool, plot: Path | None) -> None:
    if plot is not None:
        require_plotting(plot)
    outcome = play(wanted)
    _report(outcome, wanted.policy, as_json, plot)
    if outcome.error is not None:
        raise outcome.error
    if outcome.summary.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


@contextmanager
def _exit_codes(verbose: bool) -> Iterator[None]:
    """What goes wrong inside, as a line on stderr and an exit code."""
    try:
        with interruptible():
            yield
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    except typer.Exit:
        raise
    except EXPECTED as error:
        if verbose:
            traceback.print_exc()
        _fail(f"{type(error).__name__}: {error}", 2 if isinstance(error, FAULTS_OF_THE_COMMAND) else 1)
    except Exception as error:  # noqa: BLE001 - a door: a policy of the user may raise anything
        if verbose:
            traceback.print_exc()
        _fail(f"{type(error).__name__}: {error} (--verbose shows where)", 1)


def _report(outcome: Outcome, policy: str, as_json: bool, plot: Path | None) -> None:
    found = outcome.summary.to_json() | {"policy": policy}
    if outcome.error is not None:
        found["error"] = f"{type(outcome.error).__name__}: {outcome.error}"
    if plot is not None and outcome.summary.steps:
        found["plot"] = str(save_learning_curves({policy: outcome.summary}, plot))
    if as_json:
        typer.echo(json.dumps(found))
        return
    Console().print(summary_table({policy: outcome.summary}))
    if "plot" in found:
        typer.echo(f"learning curve: {found['plot']}")


def _refuse_memory(broker: str | None) -> None:
    if broker is not None and broker.lower().startswith("memory:"):
        _fail("--broker: memory:// is within one process, and no env worker is in this one; expected amqp://", 2)


def _parse_kwargs(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        _fail(f"--env-kwargs: expected JSON, got {text!r}: {error}", 2)
    if not isinstance(value, dict):
        _fail(f"--env-kwargs: expected a JSON object, got {text!r}", 2)
    return value


def _log_to_stderr(verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("agent-worker: %(message)s"))
    log = logging.getLogger("gymbroker")
    log.handlers[:] = [handler]
    log.setLevel(logging.DEBUG if verbose else logging.WARNING)
    log.propagate = False


def _fail(text: str, code: int) -> NoReturn:
    print(f"agent-worker: {text}", file=sys.stderr)
    raise typer.Exit(code)
