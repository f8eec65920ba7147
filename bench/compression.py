"""Group ``compression``: frames over links of several speeds, as they are and deflated."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.frames import LANES, MEGABYTES
from bench.rows import Group, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stage import Stage

ORDER = {"seconds": 1.0}
BALL, NOISE = "bench.programs.frames:Ball", "bench.programs.frames:Frames"


def over(megabits: int | None, env_id: str, *compression: str) -> Callable[[Stage], None]:
    """One episode in lockstep; the agent reaches the broker over a link of so many megabits a second; None: direct."""

    def play(stage: Stage) -> None:
        stage.worker(env_id)
        url = stage.broker.url("agent_worker")
        if megabits is not None:
            port = str(urlsplit(url).port)
            link = stage.server("link", port, str(megabits))
            url = url.replace(f":{port}", f":{link['port']}")
        stage.agent("ours_lanes", env_id, url, LANES, str(MEGABYTES), *compression)

    return play


def pair(name: str, about: str, megabits: int | None, env_id: str) -> tuple[Row, Row]:
    """The same without and with compression; the second is compared with the first."""
    return (
        Row(name, f"{about}, as it is", over(megabits, env_id), ORDER, name),
        Row(f"{name}-deflate", f"{about}, deflated", over(megabits, env_id, "deflate"), ORDER, name),
    )


GROUP = Group(
    name="compression",
    title="16 lanes of 84 x 84 x 4 uint8 over a link: megabytes of observations a second",
    figure="rate",
    unit="MB/s",
    reference="near",
    rows=(
        *pair("near", "a game's frames, broker on this machine", None, BALL),
        *pair("noise", "noise, broker on this machine", None, NOISE),
        *pair("link-100", "a game's frames, agent at 100 Mbit/s", 100, BALL),
        *pair("link-10", "a game's frames, agent at 10 Mbit/s", 10, BALL),
    ),
    turn_s=(1.8, 1.25),
    most_rounds=3,
)
