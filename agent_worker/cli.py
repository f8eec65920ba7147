"""The command line of the agent worker: options to settings, errors to exit codes; no logic of its own."""

from __future__ import annotations

import json
import logging
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from agent_worker.errors import RemoteEnvError
from agent_worker.pinging import ping as measure_ping
from agent_worker.plot import PlotError, require_plotting, save_learning_curves
from agent_worker.policies import PolicyError, check_name, load_policy
from agent_worker.remote_env import RemoteEnv
from agent_worker.report import progress, summary_table
from agent_worker.rollout import rollout
from broker.errors import BrokerError

if TYPE_CHECKING:
    from types import FrameType

    from agent_worker.rollout import Summary

app = typer.Typer(
    name="agent-worker",
    help="Run a policy in environments that others host, through RabbitMQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

EXIT_INTERRUPTED = 130

Broker = Annotated[
    str | None,
    typer.Option(
        envvar="GYMBROKER_URL", show_default=False,
        help="amqp://user:password@host:port/vhost or amqps://...  [default: RabbitMQ on localhost]",
    ),
]  # fmt: skip
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log in detail, and show tracebacks.")]


@app.command()
def run(
    env_id: Annotated[str, typer.Argument(help="Id that an env worker serves.")],
    broker: Broker = None,
    policy: Annotated[
        str, typer.Option(help="random, bandit, bandit-faithful, or module:attr (found in the current folder, too).")
    ] = "random",
    episodes: Annotated[int | None, typer.Option(min=1, help="Stop after so many.  [default: 10]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after so many, instead of --episodes.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the policy and the first reset.")] = None,
    env_kwargs: Annotated[str, typer.Option(help="JSON object: keyword arguments of the env.")] = "{}",
    world: Annotated[str | None, typer.Option(help="Join the world of that name: an env of many agents.")] = None,
    seat: Annotated[str | None, typer.Option(help="As which agent of the world.  [default: any that is free]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout instead of a table.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Save the learning curve there.")] = None,
    make_timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for a worker with a free slot.")] = 30.0,
    step_timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for each reply.")] = 300.0,
    connect_timeout: Annotated[float, typer.Option(min=0, help="Seconds to try to reach the broker.")] = 30.0,
    verbose: Verbose = False,
) -> None:
    """Play ENV_ID with a policy, and say how it went."""
    _log_to_stderr(verbose)
    signal.signal(signal.SIGTERM, _interrupt)
    if episodes is not None and steps is not None:
        _fail("give either --episodes or --steps, not both", 2)
    if episodes is None and steps is None:
        episodes = 10
    timeouts: dict[str, Any] = {
        "make_timeout": make_timeout, "step_timeout": step_timeout, "connect_timeout": connect_timeout,
    }  # fmt: skip
    kwargs = _parse_kwargs(env_kwargs, {**timeouts, "world": world, "seat": seat})
    try:
        check_name(policy)
        if plot is not None:
            require_plotting(plot)
        env = RemoteEnv(env_id, broker, world=world, seat=seat, **timeouts, **kwargs)
        try:
            summary = _play(env.open(), env_id, policy, episodes, steps, seed)
        finally:
            env.close()
        _report(summary, policy, as_json, plot)
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    except (RemoteEnvError, BrokerError, PolicyError, PlotError, ValueError, OSError) as error:
        if verbose:
            traceback.print_exc()
        _fail(f"{type(error).__name__}: {error}", 2 if isinstance(error, (PolicyError, PlotError)) else 1)
    except Exception as error:  # noqa: BLE001 - a door: a policy of the user may raise anything
        if verbose:
            traceback.print_exc()
        _fail(f"{type(error).__name__}: {error} (--verbose shows where)", 1)
    if summary.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


@app.command()
def ping(
    env_id: Annotated[str | None, typer.Argument(help="Id to ping a worker of.  [default: any that is served]")] = None,
    broker: Broker = None,
    count: Annotated[int, typer.Option(min=1, help="Round trips.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for a worker, and for each answer.")] = 10.0,
    verbose: Verbose = False,
) -> None:
    """Measure the round trip to an env worker and back, without its env."""
    _log_to_stderr(verbose)
    try:
        found = measure_ping(env_id, broker, count, timeout)
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    except (RemoteEnvError, BrokerError) as error:
        if verbose:
            traceback.print_exc()
        _fail(f"{type(error).__name__}: {error}", 1)
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        typer.echo(str(found))


def _play(
    env: RemoteEnv, env_id: str, policy: str, episodes: int | None, steps: int | None, seed: int | None
) -> Summary:
    actor = load_policy(
        policy, observation_space=env.observation_space, action_space=env.action_space, seed=seed
    )
    total, unit = (episodes, "episodes") if episodes is not None else (steps, "steps")
    assert total is not None
    with progress(total, unit, label=env_id) as tally:  # type: ignore[arg-type]
        return rollout(
            env, actor, episodes=episodes, steps=steps, seed=seed, on_step=tally.on_step, on_run=tally.on_run
        )


def _report(summary: Summary, policy: str, as_json: bool, plot: Path | None) -> None:
    found = summary.to_json() | {"policy": policy}
    if plot is not None and summary.steps:
        found["plot"] = str(save_learning_curves({policy: summary}, plot))
    if as_json:
        typer.echo(json.dumps(found))
        return
    Console().print(summary_table({policy: summary}))
    if "plot" in found:
        typer.echo(f"learning curve: {found['plot']}")


def _parse_kwargs(text: str, taken: dict[str, Any]) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        _fail(f"--env-kwargs: expected JSON, got {text!r}: {error}", 2)
    if not isinstance(value, dict):
        _fail(f"--env-kwargs: expected a JSON object, got {text!r}", 2)
    clash = sorted(set(value) & {"env_id", "broker", *taken})
    if clash:
        _fail(f"--env-kwargs: {', '.join(clash)} is an option of its own", 2)
    return value


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a run like Ctrl-C: with the summary of what was played."""
    raise KeyboardInterrupt


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
