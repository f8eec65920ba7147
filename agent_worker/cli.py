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

Broker = Annotated[
    str | None,
    typer.Option(
        envvar="GYMBROKER_URL", show_default=False,
        help="amqp://user:password@host:port/vhost or amqps://...  [default: RabbitMQ on localhost]",
    ),
]  # fmt: skip
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log in detail, and show tracebacks.")]
Policy = Annotated[
    str,
    typer.Option(
        help="random, bandit, bandit-faithful, a model of Stable-Baselines3 (model.zip or ppo:model.zip), "
        "a PyTorch module (policy.pt, .pth, .pt2), or module:attr (found in the current folder, too).",
    ),
]
PolicyClass = Annotated[
    str | None, typer.Option(metavar="MODULE:CLASS", help="The network whose weights (state_dict) are in policy.pt.")
]
Stochastic = Annotated[bool, typer.Option("--stochastic", help="Draw actions by a network's output, not its best.")]
Trust = Annotated[
    bool, typer.Option("--trust-policy", help="Run pickled Python in the policy's file; it may be any program.")
]
Episodes = Annotated[int | None, typer.Option(min=1, help="Stop after so many.  [default: 10]")]
Steps = Annotated[int | None, typer.Option(min=1, help="Stop after so many, of all lanes, instead of --episodes.")]
Lanes = Annotated[int, typer.Option(min=1, help="Lanes to act in at once.")]
Spread = Annotated[int, typer.Option(min=1, help="Spread the lanes over so many episodes: workers share them.")]
Shared = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", show_default=False,
        help="Share the episodes with all agent workers that give this name; each prints the summary of the whole.",
    ),
]  # fmt: skip
Seed = Annotated[int | None, typer.Option(min=0, help="Of the policy; episode i is reset with seed + i.")]
Kwargs = Annotated[str, typer.Option(help="JSON object: keyword arguments of the env.")]
World = Annotated[str | None, typer.Option(help="Join the world of that name: an env of many agents.")]
Seat = Annotated[str | None, typer.Option(help="As which agent of the world.  [default: any that is free]")]
Compression = Annotated[
    str | None, typer.Option(help="deflate: long observations and frames are deflated on their way, for slow links.")
]
Loss = Annotated[
    str,
    typer.Option(
        metavar="raise|truncate|replay",
        help="What becomes of a run whose env worker is lost: it ends all, or it is truncated, or replayed elsewhere.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout instead of a table.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE.png", help="Save the learning curve there.")]
MakeTimeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for a worker with a free slot.")]
StepTimeout = Annotated[float, typer.Option(min=0, help="Seconds to wait for each reply.")]
ConnectTimeout = Annotated[float, typer.Option(min=0, help="Seconds to try to reach the broker.")]


@app.command()
def run(
    env_id: Annotated[str, typer.Argument(help="Id that an env worker serves.")],
    broker: Broker = None,
    policy: Policy = "random",
    policy_class: PolicyClass = None,
    stochastic: Stochastic = False,
    trust_policy: Trust = False,
    episodes: Episodes = None,
    steps: Steps = None,
    num_envs: Lanes = 1,
    env_episodes: Spread = 1,
    evaluation: Shared = None,
    seed: Seed = None,
    env_kwargs: Kwargs = "{}",
    world: World = None,
    seat: Seat = None,
    compression: Compression = None,
    on_worker_loss: Loss = "raise",
    as_json: Json = False,
    plot: Plot = None,
    make_timeout: MakeTimeout = 30.0,
    step_timeout: StepTimeout = 300.0,
    connect_timeout: ConnectTimeout = 30.0,
    verbose: Verbose = False,
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
    broker: Broker = None,
    count: Annotated[int, typer.Option(min=1, help="Round trips.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for a worker, and for each answer.")] = 10.0,
    verbose: Verbose = False,
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
