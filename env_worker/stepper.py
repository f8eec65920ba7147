"""The shell around episodes: one connection, one stepping thread, many envs.

A message's way: queue -> ``Mailbox.run`` -> ``Stepper.handle`` -> ``Episode.handle`` -> env, and the reply back by
``Connection.send`` in the same write as the ack.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from broker import topology
from broker.errors import BrokerError, ConnectionLost
from broker.port import Kind, Receipt
from env_worker import intake
from env_worker.announcer import Announcer, stepper_name
from env_worker.episode import Episode
from env_worker.farewell import tell_all
from env_worker.hosted_world import HostedWorld
from env_worker.ignored import Ignored
from env_worker.isolated import IsolatedEpisode, Isolation
from env_worker.requests import Requests
from env_worker.seat_episode import SeatEpisode
from env_worker.slot import DECLARE_S, Slot
from env_worker.worlds import Worlds
from protocol.errors import ErrorCode, Fault
from protocol.rules import State

if TYPE_CHECKING:
    from broker.port import Arrival, Connection, Mailbox
    from env_worker.catalogue import Served
    from env_worker.children import Children
    from env_worker.pulse import Pulse
    from env_worker.settings import WorkerSettings

log = logging.getLogger("gymbroker")

TICK_S = 0.1
"""How often housekeeping is done."""


class Stepper:
    """Takes ``make`` requests while there are free slots, and steps the envs of its episodes."""

    def __init__(
        self, settings: WorkerSettings, catalogue: Served, pulse: Pulse, children: Children | None = None
    ) -> None:
        self.name = stepper_name()
        self.slots: dict[str, Slot] = {}
        """Live episodes by id."""
        self.ignored = Ignored()  # requests, and in episodes
        self.draining = False
        self._settings, self._catalogue, self._pulse = settings, catalogue, pulse
        self._connection: Connection
        self._mailbox: Mailbox
        self._requests = Requests(catalogue.entries, self)
        self._worlds = Worlds(settings, pulse)
        self._turn = threading.Lock()
        """Held by who handles something: the stepping thread, or one that hears the child process of an env."""
        self._isolation = None if children is None else Isolation(children, self.slots, self._turn, self._opened)
        self._announcer = Announcer(self.name, catalogue, settings.capacity)

    @property
    def free(self) -> int:
        """Episodes that it could still take."""
        cost = len(self.slots) - self._worlds.spared
        return 0 if self.draining else max(0, self._settings.capacity - cost)

    def attach(self, connection: Connection) -> None:
        """Begin to serve on this connection; episodes of a former connection say ``resume`` to their agents."""
        with self._turn:
            self._connection, self._mailbox = connection, connection.mailbox()
            if self._isolation is not None:
                self._isolation.attach(connection)
            connection.declare_exchanges(time.monotonic() + DECLARE_S)
            self._announcer.attach(connection, self._mailbox)
            for slot in self.slots.values():
                slot.expect_return(time.monotonic())
            for slot in list(self.slots.values()):
                slot.come_back(connection, self._mailbox)
            self._worlds.attach(connection, self._mailbox)
            self._requests.attach(connection, self._mailbox)
            self._take_requests()

    def run(self, deadline: float) -> None:
        """Serve until ``deadline``, with housekeeping now and then. Raises ``ConnectionLost``."""
        while (now := time.monotonic()) < deadline:
            self._mailbox.run(self.handle, min(deadline, now + TICK_S))
            with self._turn:
                self.tick(time.monotonic())

    def drain(self) -> None:
        """Take no more requests; go on with the episodes there are."""
        with self._turn:
            self.draining = True
            self._requests.leave()
            self._announce()

    def end(self, code: ErrorCode, text: str, fault: Fault, *, retry: bool) -> None:
        """Tell every agent that its episode is over, and close the envs."""
        with self._turn:
            self._end(list(self.slots.values()), code, text, fault, retry=retry)

    def _end(self, slots: list[Slot], code: ErrorCode, text: str, fault: Fault, *, retry: bool) -> None:
        for slot in slots:  # all before the first is dropped, which may end the run of others in its world
            self._tell(slot, code, text, fault, retry=retry)
        for slot in slots:
            self._drop(slot)

    def farewell(self, hung: Slot | None, text: str) -> None:
        """Tell all agents that this process ends. For the watchman: no env is touched, and nothing forgotten."""
        tell_all(self._connection, list(self.slots.values()), hung, text)

    def tick(self, now: float) -> None:
        """Housekeeping: find agents that are gone and episodes that are idle; say that we are there."""
        settings = self._settings
        for slot in list(self.slots.values()):
            if slot.episode.ended:  # its child has closed its env, or is dead
                self._drop(slot)
            elif slot.is_lost(now, settings.resume_window):
                log.info("episode %s: its agent is gone", slot.episode.public_id)
                self._drop(slot)
            elif settings.idle_timeout and slot.idle_for(now) >= settings.idle_timeout:
                text = f"no request for {settings.idle_timeout:g} s"
                self._tell(slot, ErrorCode.IDLE_TIMEOUT, text, Fault.AGENT, retry=True)
                self._drop(slot)
            elif now - max(slot.heard, slot.probed) >= settings.lease:
                slot.probed = now
                self._connection.send(topology.PERCEPTS, slot.key, slot.episode.dialogue.probe())
        for world in self._worlds.tick(now):
            text = "the connection broke, and somebody else has taken the name of this world since"
            self._end(list(world.members.values()), ErrorCode.WORKER_FAILED, text, Fault.WORKER, retry=True)
        self._take_requests()  # a slot may have become free while the broker was not to be reached
        if self._announcer.due(now):
            self._announcer.renew(self._worlds.inboxes, now)
            self._announce()
        self.ignored.tell(now)

    def handle(self, arrival: Arrival) -> None:
        """One thing out of the mailbox."""
        with self._turn:
            slot = arrival.token
            if isinstance(slot, Slot):
                if arrival.kind is Kind.MESSAGE:
                    self._step(slot, arrival)
                elif slot.lost_since is None and arrival.key in ("", slot.key):  # else: under its former name
                    # Its queue at the broker is gone, or ours is: both mean that it cannot be reached now.
                    slot.lost_since = time.monotonic()
            elif slot is self._announcer:
                self._announcer.hear(arrival, self.free, draining=self.draining)
            elif arrival.kind is Kind.MESSAGE:
                self._make(arrival)
            elif isinstance(slot, HostedWorld):
                self._worlds.lose_name(slot)
            else:
                self._requests.leave()  # somebody has deleted a queue of requests: the next tick declares it anew

    def _step(self, slot: Slot, arrival: Arrival) -> None:
        slot.listened(self._pulse.begin(slot))
        try:
            reply = slot.episode.handle(arrival.body)
        except KeyboardInterrupt:  # over memory:// it strikes in the agent's thread, and the worker goes on
            self._connection.ack(arrival)
            raise
        except Exception:  # a fault of ours: it costs this episode, and none of the others
            log.exception("episode %s: a message could not be handled; please report this", slot.episode.public_id)
            self._connection.ack(arrival)
            self._end([slot], ErrorCode.WORKER_FAILED, "a fault of the env worker", Fault.WORKER, retry=True)
            return
        finally:
            self._pulse.end()
        if slot.episode.dialogue.agent != slot.agent:
            slot.readdress(self._connection, self._mailbox)
        if reply is None:
            self._connection.ack(arrival)
        else:
            self._connection.send(topology.PERCEPTS, slot.key, reply, settles=arrival)
        if slot.world is not None:
            self._worlds.advance(slot.world, slot.heard)
        if slot.episode.ended:
            self._drop(slot)

    def _make(self, arrival: Arrival) -> None:
        wanted = intake.read(arrival.body, self._connection.incarnation, self._catalogue)
        if isinstance(wanted, intake.Refusal):
            self.ignored[wanted.code.value] += 1
            self._connection.send(topology.PERCEPTS, wanted.key, wanted.body, settles=arrival)
            return
        if isinstance(wanted, str) or wanted.make.episode in self.slots or wanted.make.episode in self._worlds.over:
            self.ignored[wanted if isinstance(wanted, str) else "an episode that is known"] += 1
            self._connection.ack(arrival)
            return
        make = wanted.make
        world = None if make.world is None else self._worlds.find(make)
        if isinstance(arrival.token, HostedWorld) and world is not arrival.token:
            # It is for another world, or for none: our own queue is not the way. Its agent asks again.
            self._connection.ack(arrival)
            return
        if world is None and self.free == 0:
            self._connection.requeue(arrival)
            return
        given = make, self._connection.incarnation, wanted.entry, self._settings, self.name
        if self._isolation is not None or make.world is None:
            alone = Episode(*given) if self._isolation is None else IsolatedEpisode(*given, self._isolation)
            self._open(Slot(alone), arrival)
            return
        world = world or self._worlds.elect(make, arrival)
        if world is not None:
            self._open(Slot(SeatEpisode(*given, world), world), arrival)

    def _open(self, slot: Slot, arrival: Arrival) -> None:
        episode = slot.episode.dialogue.episode
        self.slots[episode] = slot
        slot.join_world()
        try:
            if self.free == 0:
                self._requests.leave()
            if self._accept(slot, arrival):
                self._build(slot)
        except (BrokerError, KeyboardInterrupt) as failure:
            # The broker stalls: the agent finds no queue of ours, and asks again. Or, over memory://, a Ctrl-C struck
            # in an agent's thread: the make is handled again. Only what is made by now is said on the next connection.
            if not isinstance(failure, ConnectionLost) or slot.episode.dialogue.state is State.NEW:
                self.slots.pop(episode, None)
                slot.episode.shut()
                slot.leave_world()
                if isinstance(failure, KeyboardInterrupt):
                    slot.close(self._connection)
            raise

    def _accept(self, slot: Slot, arrival: Arrival) -> bool:
        """Say ``accepted`` and settle the ``make``. False: the agent is not there any more."""
        slot.open(self._connection, self._mailbox)
        accepted = slot.episode.dialogue.accepted(self._settings.step_timeout)
        receipt = self._connection.publish(topology.PERCEPTS, slot.key, accepted, deadline=time.monotonic() + DECLARE_S)
        self._connection.ack(arrival)
        if receipt is Receipt.ROUTED:
            return True
        log.info("episode %s: its agent was gone before it began", slot.episode.public_id)
        self._drop(slot)
        return False

    def _build(self, slot: Slot) -> None:
        self._pulse.begin(slot)
        try:
            reply = slot.episode.build()
        finally:
            self._pulse.end()
        if reply is None:
            return  # its child is making the env
        slot.heard = time.monotonic()
        self._connection.send(topology.PERCEPTS, slot.key, reply)
        if slot.episode.ended:
            if slot.world is not None:
                self._worlds.probe(slot.world)
            self._drop(slot)
        else:
            self._opened(slot)

    def _opened(self, slot: Slot) -> None:
        log.info("episode %s: %s is open (%d free)", slot.episode.public_id, slot.episode.env_id, self.free)
        self._announce()

    def _tell(self, slot: Slot, code: ErrorCode, text: str, fault: Fault, *, retry: bool) -> None:
        log.info("episode %s ends: %s", slot.episode.public_id, text)
        body = slot.episode.dialogue.fail(code, text, fault, retry=retry, ends=True)
        self._connection.send(topology.PERCEPTS, slot.key, body)

    def _announce(self) -> None:
        self._announcer.announce(self.free, draining=self.draining)

    def _take_requests(self) -> None:
        if self.free:
            self._requests.take()

    def _drop(self, slot: Slot) -> None:
        """Forget an episode: close its env, delete its queue, take requests again."""
        episode = slot.episode.dialogue.episode
        if self.slots.pop(episode, None) is None:
            return
        slot.leave_world()
        self.ignored.update(slot.episode.dialogue.ignored)
        self._pulse.begin(slot)
        try:
            slot.episode.shut()
        finally:
            self._pulse.end()
        try:
            slot.close(self._connection)
            if slot.world is not None:
                self._worlds.left(slot.world, slot, time.monotonic())
            self._take_requests()
            self._announce()
        except ConnectionLost:
            raise
        except BrokerError as error:
            log.warning("episode %s: its queue could not be deleted: %s", slot.episode.public_id, error)
