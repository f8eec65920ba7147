"""A world of seats with a clock of its own: what its tests sit at."""

from __future__ import annotations

from env_worker.game import game_of
from env_worker.multi import kind_of
from env_worker.world import World

T = 30.0
"""Seconds that seats wait for one another here."""


class Table:
    """A world and a clock; ``told(seat)`` is what a seat has heard since one last asked."""

    def __init__(self, env, missing_seat="default", *, join=True) -> None:
        self.env = env
        self.world = World(game_of(kind_of(env), env), missing_seat, T)
        self.now = 0.0
        self.heard: dict[str, list] = {seat: [] for seat in env.possible_agents}
        for seat in env.possible_agents if join else ():
            self.world.join(seat)

    def pass_by(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.world.advance(self.now)
        for seat, reply in self.world.replies:
            self.heard[seat].append(reply)
        self.world.replies.clear()

    def reset(self, *seats, seed=None, options=None) -> None:
        for seat in seats:
            self.world.reset(seat, seed, options)
            self.pass_by()

    def act(self, **actions) -> None:
        for seat, action in actions.items():
            self.world.act(seat, action)
            self.pass_by()

    def leave(self, seat) -> None:
        self.world.leave(seat)
        self.pass_by()

    def told(self, seat):
        """The one thing that it has heard; None: nothing yet."""
        heard, self.heard[seat] = self.heard[seat], []
        assert len(heard) <= 1, heard
        return heard[0] if heard else None


A, B, C = "player_0", "player_1", "player_2"
