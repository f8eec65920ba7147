"""The worlds that are hosted here: elected by the broker, gone on with, and ended. A shell around ``World``.

The election: who declares the exclusive queue of a world hosts it. Whoever is refused hands the ``make`` on to that
queue, so that competing workers never split a world. ``docs/adr/0011`` says what could have been done instead.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from broker import topology
from broker.errors import QueueTaken
from broker.port import Receipt
from env_worker.hosted_world import HostedWorld
from env_worker.slot import DECLARE_S, PREFETCH
from protocol.codec import encode
from protocol.env_dialogue import error
from protocol.errors import ErrorCode, Fault
from protocol.messages import OUTSIDE

if TYPE_CHECKING:
    from broker.port import Arrival, Connection, Mailbox, Subscription
    from env_worker.pulse import Pulse
    from env_worker.settings import WorkerSettings
    from env_worker.slot import Slot
    from env_worker.world import World
    from protocol.messages import Make

log = logging.getLogger("gymbroker")

PROBE_S = 1.0
"""How often agents are probed at the most because others want their seats."""

CLAIM_S = 1.0
"""How often a name that was lost with a connection is claimed again."""

UNDECIDED_S = 5.0
"""A world that for so long can be neither hosted nor reached is refused: others stand in line behind it."""

NAMELESS_S = 60.0
"""A world that does not get its name back for so long ends: somebody else may host one of that name by now."""


class Worlds:
    """The worlds of one stepper."""

    def __init__(self, settings: WorkerSettings, pulse: Pulse) -> None:
        self.hosted: dict[str, HostedWorld] = {}
        """By key."""
        self._settings, self._pulse = settings, pulse
        self._connection: Connection
        self._mailbox: Mailbox
        self._undecided: list[Arrival] = []
        """Requests for worlds that can be neither hosted nor reached at the moment."""
        self._refuse_at: dict[str, float] = {}
        """When to refuse such a request, by episode."""
        self.over: deque[str] = deque(maxlen=512)
        """Episodes of seats that have ended on this connection: a ``make`` may come twice, also after its end."""

    @property
    def spared(self) -> int:
        """By how many episodes the slots are more than what they cost: a world counts as one, whatever its seats."""
        return sum(len(world.members) - 1 for world in self.hosted.values())

    @property
    def inboxes(self) -> list[Subscription]:
        """What those who ask for a seat are heard by."""
        return [world.inbox for world in self.hosted.values() if world.inbox is not None]

    def attach(self, connection: Connection, mailbox: Mailbox) -> None:
        """Go on on a new connection: claim the names of the worlds there are."""
        self._connection, self._mailbox = connection, mailbox
        self._undecided, self._refuse_at = [], {}
        self.over.clear()
        for world in self.hosted.values():
            self.lose_name(world)

    def lose_name(self, world: HostedWorld) -> None:
        """Its queue is gone: claim it again."""
        world.inbox, world.nameless_since, world.claimed_at = None, time.monotonic(), 0.0

    def find(self, make: Make) -> HostedWorld | None:
        """The world that ``make`` names, if it is hosted here."""
        assert make.world is not None
        return self.hosted.get(topology.world_key(make.env_id, make.world))

    def elect(self, make: Make, arrival: Arrival) -> HostedWorld | None:
        """Host the world that ``make`` names, or hand ``arrival`` on to who does; None: it is not for us any more."""
        assert make.world is not None
        world = HostedWorld(topology.world_key(make.env_id, make.world))
        elected = self._claim(world)
        if elected:
            self.hosted[world.key] = world
        elif not self._hand_on(world.key, arrival):
            self._wait(make, arrival)
            return None
        self._refuse_at.pop(make.episode, None)
        return world if elected else None

    def _hand_on(self, key: str, arrival: Arrival) -> bool:
        deadline = time.monotonic() + DECLARE_S
        routed = self._connection.publish(topology.WORLDS, key, arrival.body, deadline=deadline) is Receipt.ROUTED
        if routed:
            self._connection.ack(arrival)
        return routed

    def _wait(self, make: Make, arrival: Arrival) -> None:
        """The host is about to go, or drowns in requests: give it back a little later, lest it be back at once."""
        now = time.monotonic()
        if now < self._refuse_at.setdefault(make.episode, now + UNDECIDED_S):
            self._undecided.append(arrival)
            return
        del self._refuse_at[make.episode]
        text = "somebody holds the name of this world, and cannot be reached by it"
        refusal = error(
            make.episode, OUTSIDE, self._connection.incarnation, ErrorCode.WORKER_FAILED, text, Fault.WORKER,
            retry=True, ends=True,
        )  # fmt: skip
        key = topology.percept_key(make.episode, make.incarnation)
        self._connection.send(topology.PERCEPTS, key, encode(refusal), settles=arrival)

    def _claim(self, world: HostedWorld) -> bool:
        """Ask the broker to be the one who hosts it."""
        deadline = world.claimed_at = time.monotonic()
        try:
            world.inbox = self._connection.inbox(
                topology.WORLDS, [world.key], self._mailbox, world, prefetch=PREFETCH, deadline=deadline + DECLARE_S
            )
        except QueueTaken:
            return False
        return True

    def tick(self, now: float) -> list[HostedWorld]:
        """Housekeeping; gives the worlds that have to end, because they do not get their names back."""
        undecided, self._undecided = self._undecided, []
        for arrival in undecided:
            self._connection.requeue(arrival)
        if not undecided and self._refuse_at:  # somebody else has got them
            self._refuse_at = {episode: at for episode, at in self._refuse_at.items() if now < at + UNDECIDED_S}
        ending = []
        for world in list(self.hosted.values()):
            if not world.members:
                self._end(world)
                continue
            self.advance(world, now)
            again = world.inbox is None and now - world.claimed_at >= CLAIM_S
            if again and not self._claim(world) and now - world.nameless_since >= NAMELESS_S:
                ending.append(world)
        return ending

    def advance(self, world: HostedWorld, now: float) -> None:
        """Let the world go on, and send to each of its seats what it is to hear."""
        state = world.state
        if state is None or not world.members:
            return
        self._pulse.begin(next(iter(world.members.values())))
        try:
            state.advance(now)
        finally:
            self._pulse.end()
            if state.replies:
                self._send(world, state)

    def _send(self, world: HostedWorld, state: World) -> None:
        replies, state.replies = state.replies, []
        seats = {slot.episode.seat: slot for slot in world.members.values()}
        # All are settled before the first is sent: should the connection break, who comes back is answered from memory.
        bodies = [(seats[seat], seats[seat].episode.settle(reply)) for seat, reply in replies if seat in seats]
        now = time.monotonic()
        for slot, body in bodies:
            if body is not None:
                slot.told = now
                self._connection.send(topology.PERCEPTS, slot.key, body)

    def probe(self, world: HostedWorld) -> None:
        """Find out which agents of its seats are gone, because somebody asks for one."""
        now = time.monotonic()
        for slot in world.members.values():
            if not slot.episode.ended and now - slot.probed >= PROBE_S:
                slot.probed = now
                self._connection.send(topology.PERCEPTS, slot.key, slot.episode.dialogue.probe())

    def left(self, world: HostedWorld, slot: Slot, now: float) -> None:
        """A seat is empty, or was never had: the others go on, or the world ends with the last one."""
        self.over.append(slot.episode.dialogue.episode)
        if world.members:
            self.advance(world, now)
        else:
            self._pulse.begin(slot)
            try:
                world.close()
            finally:
                self._pulse.end()
            self._end(world)

    def _end(self, world: HostedWorld) -> None:
        """Give its name free."""
        world.close()
        self.hosted.pop(world.key, None)
        inbox, world.inbox = world.inbox, None
        if inbox is not None:
            self._connection.cancel(inbox)
