"""An episode on a seat of a world: what is asked goes to the world, and is answered when the world has gone on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from env_worker.episode import Episode
from env_worker.host import BadCall, Host, Refused, RefusedRequest
from protocol.errors import ErrorCode

if TYPE_CHECKING:
    from env_worker.catalogue import Entry
    from env_worker.hosted_world import HostedWorld
    from env_worker.settings import WorkerSettings
    from env_worker.world import World
    from protocol.messages import Call, Make, Reset


class SeatHost(Host):
    """One seat of a world. To its agent it is a plain env."""

    api = "gymnasium"

    def __init__(self, world: World, seat: str, described: dict[str, Any]) -> None:
        self.env, self.world, self.seat = world.game.env, described, seat
        self.observation_space = world.game.observation_spaces[seat]
        self.action_space = world.game.action_spaces[seat]
        self._world = world

    def reset(self, request: Reset) -> None:
        """Ask for the next run. Raises ``RefusedRequest``."""
        if isinstance(request.seed, list) or request.mask is not None:
            raise RefusedRequest("a list of seeds or a mask is for a vector env, this is a seat of a world")
        self._world.reset(self.seat, request.seed, request.options)

    def step(self, wire: Any) -> None:
        """Act. Raises ``DecodeError`` for the action, and ``Refused`` if the run is over."""
        self._world.act(self.seat, self._world.game.decode(self.seat, wire))

    def call(self, request: Call) -> Any:
        """Nothing: the env is not its own. Raises ``BadCall``."""
        raise BadCall(f"{request.name!r}: a seat of a world answers no calls, as it shares its env with others")

    def close(self) -> None:
        """Leave the seat; the env goes on for the others."""
        self._world.leave(self.seat)


class SeatEpisode(Episode):
    """An episode whose env is a seat of a world. They are answered by ``settle``, when the world has gone on."""

    def __init__(
        self, make: Make, incarnation: str, entry: Entry, settings: WorkerSettings, worker: str, world: HostedWorld
    ) -> None:
        super().__init__(make, incarnation, entry, settings, worker)
        self.world = world
        self.patience_s = settings.seat_timeout

    @property
    def seat(self) -> str | None:
        """Which seat it is; None before it has one, and after it has left."""
        return self._host.seat if isinstance(self._host, SeatHost) else None

    def _open(self) -> Host:
        make, settings = self._make, self._settings
        if make.num_envs is not None:
            raise Refused(ErrorCode.BAD_KWARGS, "num_envs: a seat of a world is one plain env")
        world = self.world.open(make, self._entry, settings)
        seat = world.join(make.seat)
        described = {
            "name": make.world,
            "seat": seat,
            "seats": list(world.seats),
            "turns": world.game.turns,
            "missing_seat": settings.missing_seat,
            "seat_timeout_s": settings.seat_timeout,
        }
        return SeatHost(world, seat, described)
