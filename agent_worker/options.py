"""The options of ``agent-worker``: what each is called, and what its help says. What they mean: ``running.Run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_worker.errors import InvalidArgument
from agent_worker.wish import seconds


def _seconds(value: float) -> float:
    try:
        return seconds("time", value)
    except InvalidArgument as error:
        raise typer.BadParameter(str(error)) from error


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
MakeTimeout = Annotated[
    float, typer.Option(callback=_seconds, help="Seconds to wait for a worker with a free slot.")
]
StepTimeout = Annotated[float, typer.Option(callback=_seconds, help="Seconds to wait for each reply.")]
ConnectTimeout = Annotated[float, typer.Option(callback=_seconds, help="Seconds to try to reach the broker.")]
PingTimeout = Annotated[
    float, typer.Option(callback=_seconds, help="Seconds to wait for a worker, and for each answer.")
]
