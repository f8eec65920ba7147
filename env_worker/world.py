"""A world of seats: who sits where, when the env goes on, and what becomes of seats that are missing. Pure rules.

No queue, no thread, no clock. What a seat asks for is written down by ``reset``, ``act`` and ``leave``; then
``advance(now)`` does what has become due, and ``replies`` holds what each seat is to hear of it, maybe much later than
it asked. ``now`` is in seconds of any clock that only goes forward.

* A run begins when every seat that is waited for has asked for it by a ``reset``.
* In a run the env goes on when each agent whose action it needs now has acted (``Game.awaits``).
* The clock runs as long as somebody waits for somebody else. When ``seat_timeout`` seconds have passed, who is waited
  for is missing: by the policy ``default`` a default action is played for it; by ``forfeit`` the run ends for all, or
  does not begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from env_worker.host import Refused
from env_worker.interrupts import is_ctrl_c
from env_worker.seat import NOTHING, Pending, Seat, Stage
from protocol.errors import ErrorCode

if TYPE_CHECKING:
    from env_worker.game import Game, Turn

AT_ONCE = 100
"""Steps in one ``advance``: where all that are awaited are missing the env goes on by itself, maybe for ever."""


class World:
    """One env of many agents, and its seats.

    ``missing_seat``: ``default`` or ``forfeit``. ``seat_timeout``: seconds that others wait for a seat.
    """

    def __init__(self, game: Game, missing_seat: str, seat_timeout: float) -> None:
        self.game, self.seat_timeout = game, seat_timeout
        self.seats = {name: Seat(name) for name in game.seats}
        self.replies: list[tuple[str, dict[str, Any] | BaseException]] = []
        """What is to be sent: the seat, and the fields of its percept or what went wrong. Whoever sends it, clears."""
        self.running = False
        self.steps = 0
        """Of the present run."""
        self._forfeits = missing_seat == "forfeit"
        self._since: float | None = None
        """Since when somebody has been waiting for somebody else."""
        self._gone: list[str] = []
        """Who has given up the present run, where that ends it for all."""

    # What seats ask for.

    def join(self, wanted: str | None) -> str:
        """Take a seat, the next free one for None; gives its name. Raises ``Refused``."""
        if wanted is not None and wanted not in self.seats:
            text = f"seat: this world has {', '.join(self.seats)}; got {wanted[:80]!r}"
            raise Refused(ErrorCode.UNKNOWN_SEAT, text)
        free = [name for name, seat in self.seats.items() if not seat.taken]
        if not free or wanted not in (None, *free):
            text = f"all {len(self.seats)} seats are taken" if wanted is None else f"seat {wanted!r} is taken"
            raise Refused(ErrorCode.SEAT_TAKEN, f"{text}: free again when its agent closes it or is gone", retry=True)
        name = wanted or free[0]
        self.seats[name] = Seat(name, taken=True)
        return name

    def leave(self, name: str) -> None:
        """The agent has closed its seat, or is gone. It is not waited for again until somebody takes it."""
        self._quit(self.seats[name])
        self.seats[name] = Seat(name, expected=False)

    def reset(self, name: str, seed: int | None, options: dict[Any, Any] | None) -> None:
        """The agent asks for a new run; it gives up the present one, and what it asked for before is void."""
        seat = self.seats[name]
        self._quit(seat)
        seat.pending, seat.seed, seat.options = Pending.RESET, seed, options

    def act(self, name: str, action: Any) -> None:
        """The agent acts. Raises ``Refused`` if its run is over and it knows."""
        seat = self.seats[name]
        if seat.stage is Stage.OUT:
            raise Refused(ErrorCode.RESET_NEEDED, f"seat {name!r} plays in no run now: reset() joins the next one")
        seat.pending = Pending.ACT
        if seat.stage is Stage.OVER:
            self._tell(seat)
        elif not (self.game.turns and seat.missed):
            seat.action = action
        elif name in self.game.awaits:
            # It was meant for a turn that has been played for it. What is there now it has not seen: it may act again.
            self._since = None
            self._tell(seat)

    def _quit(self, seat: Seat) -> None:
        if seat.stage is Stage.IN and self._forfeits:
            self._gone.append(seat.name)
        seat.begin(Stage.OUT)

    # What becomes of it.

    def advance(self, now: float) -> None:
        """Do what is due, or as much of it as may be done at once; the rest when it is called next.

        Raises nothing but a Ctrl-C: who waits is told what the env raises.
        """
        try:
            for _ in range(AT_ONCE):
                if not self._go_on(now):
                    break
                self._since = None
        except BaseException as error:  # a door to foreign code: whatever it raises is its own
            self._break(error)
            if is_ctrl_c(error):
                raise
        if not any(seat.pending for seat in self.seats.values()):
            self._since = None
        elif self._since is None:
            self._since = now

    def _go_on(self, now: float) -> bool:
        """Do one thing, if one is due. False: it is for somebody, or for time, to go on."""
        due = self._since is not None and now - self._since >= self.seat_timeout
        if not self.running:
            return self._start(due)
        living = self.game.living
        if self._gone:
            self._forfeit(self._gone)
        elif not any(self.seats[name].stage is Stage.IN for name in living):
            self._end()
        else:
            awaited = self.game.awaits
            self._welcome(living, awaited)
            missing = [name for name in awaited if self.seats[name].awaited]
            if missing and not due:
                return False
            if missing and self._forfeits:
                self._forfeit(missing)
            else:
                self._step(awaited)
        return True

    def _start(self, due: bool) -> bool:
        """Begin a run, if all who are waited for have come, or the time has."""
        ready = [seat for seat in self.seats.values() if seat.pending is Pending.RESET]
        absent = [seat for seat in self.seats.values() if seat not in ready]
        awaited = [seat.name for seat in absent if seat.expected or self._forfeits]
        if not ready or (awaited and not due):
            return False
        if awaited and self._forfeits:
            text = f"{', '.join(awaited)} did not come within {self.seat_timeout:g} s; reset() waits for them again"
            self._fail(ready, Refused(ErrorCode.SEATS_MISSING, text, retry=True))
            return True
        seeds = [seat.seed for seat in ready if seat.seed is not None]
        options = [seat.options for seat in ready if seat.options is not None]
        turns = self.game.reset(seeds[0] if seeds else None, options[0] if options else None)
        self.running, self.steps, self._gone = True, 0, []
        for seat in ready:
            seat.begin(Stage.IN, Pending.RESET)
            seat.was_in = True
        for seat in absent:
            seat.was_in = False
            seat.expected = seat.expected and seat.taken
        self._hear(turns, [seat.name for seat in absent])
        return True

    def _welcome(self, living: list[str], awaited: list[str]) -> None:
        """Who comes in the middle of a run plays from here. Who takes turns hears of it when it is its turn."""
        for name in living:
            seat = self.seats[name]
            if seat.pending is Pending.RESET and not seat.was_in:
                seat.begin(Stage.IN, Pending.RESET)
                seat.was_in, seat.joined_at = True, self.steps
                turn = self.game.glance(name) if name in awaited else None
                if turn is not None:
                    self._hear([turn], [])

    def _step(self, awaited: list[str]) -> None:
        """Let the env go on, with default actions for who has not acted."""
        actions: dict[str, Any] = {}
        missing = []
        for name in awaited:
            seat = self.seats[name]
            if seat.ready:
                actions[name], seat.action = seat.action, NOTHING
            else:
                actions[name] = self.game.default(name)
                seat.missed += seat.stage is Stage.IN
                missing.append(name)
        turns = self.game.step(actions)
        self.steps += 1
        self._hear(turns, missing)

    def _hear(self, turns: list[Turn], missing: list[str]) -> None:
        """Keep what came of it for each seat that plays, and tell those who wait for it."""
        for seat in self.seats.values():
            if seat.stage is Stage.IN:
                seat.missing.update(missing)
        for turn in turns:
            seat = self.seats[turn.seat]
            if seat.stage is Stage.IN:
                seat.hear(turn)
                if seat.pending is not None:
                    self._tell(seat)

    def _tell(self, seat: Seat) -> None:
        """Answer what the agent asked for by all that it has to hear."""
        if seat.failure is not None:
            self._fail([seat], seat.failure)
        else:
            self.replies.append((seat.name, seat.tell(self.seats)))

    def _forfeit(self, missing: list[str]) -> None:
        """End the run for all, because these are missing."""
        for seat in self.seats.values():
            if seat.stage is Stage.IN:
                seat.forfeit = list(missing)
        self._end()

    def _end(self) -> None:
        """The run is over for all who still play in it."""
        self.running = False
        for seat in self.seats.values():
            turn = self.game.glance(seat.name) if seat.stage is Stage.IN else None
            if turn is not None:
                turn.truncated = seat.forfeit is not None
                turn.terminated = not turn.truncated  # the env has taken it out without a word
                self._hear([turn], [])
            elif seat.pending is not None and seat.stage is Stage.IN:
                self._fail([seat], RuntimeError(f"the run was over before {seat.name} had anything to see"))

    def _break(self, error: BaseException) -> None:
        """The env has raised: the run is over, as nobody knows how far it came. Who waits hears it now."""
        self.running = False
        for seat in self.seats.values():
            if seat.pending is not None:
                self._fail([seat], error)
            elif seat.stage is Stage.IN:
                seat.stage, seat.failure = Stage.OVER, error.with_traceback(None)

    def _fail(self, seats: list[Seat], error: BaseException) -> None:
        for seat in seats:
            seat.begin(Stage.OUT)
            self.replies.append((seat.name, error))
