"""Too many agents, too many messages, too large ones, and some that nobody reads: what it costs, and whom."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from agent_worker.errors import NoFreeWorker
from broker import topology
from broker.port import Receipt
from env_worker.slot import PREFETCH
from protocol.errors import ErrorCode
from tests.support.commands import eventually, worker
from tests.support.relay import Relay
from tests.support.stranger import PATIENCE_S, Stranger
from tests.support.turns import Turns

COUNTING, TURNS, WIDE = "tests.support.envs:Counting", "tests.support.turns:Turns", "tests.support.turns:Wide"


@pytest.fixture
def strangers(broker_url):
    """``strangers()`` gives an agent of its own making, on a connection of its own."""
    found: list[Stranger] = []

    def one(url: str = broker_url) -> Stranger:
        found.append(Stranger(url))
        return found[-1]

    yield one
    for stranger in found:
        stranger.connection.close()


@pytest.fixture
def turns():
    """The gate before the steps of ``Turns``, open; and a clean log."""
    Turns.gate.set()
    Turns.waits.clear()
    Turns.log.clear()
    yield Turns
    Turns.gate.set()


class TestLine:
    def test_more_agents_than_slots_wait_in_line_and_all_have_their_turn(self, serve, remote):
        stepper = serve(COUNTING, capacity=2)._stepper
        taken: list[int] = []
        played: list[int] = []

        def play() -> None:
            env = remote(COUNTING, make_timeout=PATIENCE_S)
            env.reset()
            taken.append(len(stepper.slots))
            played.append(int(env.step(0)[0][0]))
            env.close()

        threads = [threading.Thread(target=play) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
        assert played == [1] * 8
        assert max(taken) <= 2

    def test_who_waits_too_long_is_told_and_leaves_nothing_behind_in_the_line(self, serve, remote, patience):
        serve(COUNTING, capacity=1)
        holder = remote(COUNTING).open()
        with pytest.raises(NoFreeWorker, match=f"no worker took the request within {patience:g} s at "):
            remote(COUNTING, make_timeout=patience).open()
        holder.close()
        assert remote(COUNTING).reset()[0] == [0]


class TestFlood:
    def test_a_flood_of_acts_waits_at_the_broker_and_a_few_of_them_at_the_worker(self, serve, strangers, turns):
        stepper = serve(TURNS)._stepper
        flooder = strangers()
        flooder.open(TURNS, kwargs={"name": "flooder"})
        flooder.reset()
        turns.gate.clear()
        for step_id in range(1, 3001):
            flooder.send(flooder.act(step_id))
        assert turns.waits.wait(PATIENCE_S)
        here = [arrival for arrival in list(stepper._mailbox.items) if arrival.tag]
        assert len(here) <= PREFETCH
        turns.gate.set()
        assert flooder.hear().step_id == 1
        eventually(lambda: len(turns.log) >= topology.INBOX_LENGTH, "what did fit is stepped")
        dialogue = stepper.slots[flooder.episode].episode.dialogue
        assert set(dialogue.ignored) <= {ErrorCode.STEP_GAP.value}, "what did not fit was dropped: a gap, and no step"

    def test_what_did_not_fit_can_be_asked_for_again(self, serve, strangers, turns):
        serve(TURNS)
        flooder = strangers()
        flooder.open(TURNS, kwargs={"name": "flooder"})
        flooder.reset()
        turns.gate.clear()
        most = topology.INBOX_LENGTH + PREFETCH
        receipts = [flooder.publish(flooder.act(step_id)) for step_id in range(1, most + 10)]
        routed = receipts.count(Receipt.ROUTED)
        assert receipts == [Receipt.ROUTED] * routed + [Receipt.REFUSED] * (most + 9 - routed)
        assert topology.INBOX_LENGTH <= routed <= most
        turns.gate.set()
        assert [flooder.hear().step_id for _ in range(routed)] == list(range(1, routed + 1))
        flooder.send(flooder.act(routed + 1))
        assert flooder.hear().step_id == routed + 1

    def test_steps_are_interleaved_by_arrival_so_that_a_flood_starves_nobody(self, serve, strangers, turns):
        """What is counted are turns: of the flood so many are taken as lie before the other's act, and no more."""
        stepper = serve(TURNS)._stepper
        flooder, other = strangers(), strangers()
        for one, name in ((flooder, "flooder"), (other, "other")):
            one.open(TURNS, kwargs={"name": name})
            one.reset()
        flood = iter(range(1, 10_000))
        for step_id in (1, 2, 3):
            turns.gate.clear()
            turns.waits.clear()
            del turns.log[:]
            for number in (next(flood) for _ in range(200)):
                flooder.send(flooder.act(number))
            assert turns.waits.wait(PATIENCE_S)
            act = other.act(step_id)
            assert other.publish(act) is Receipt.ROUTED
            eventually(lambda act=act: has_come(stepper, act), "the worker has the other's act")
            turns.gate.set()
            assert other.hear().step_id == step_id
            before = turns.log.index("other")
            # Over RabbitMQ a few more may be on their way: each round trip brings as many as are prefetched.
            assert before <= 10 * PREFETCH, f"{before} turns of the flood before the other's"
            eventually(lambda: len(turns.log) >= 201, "the whole flood has been stepped")

    def test_a_flood_of_large_bodies_takes_no_more_memory_of_the_worker_than_a_few(self, rabbit, tmp_path):
        with worker(rabbit.url, tmp_path / "log", COUNTING) as one:
            flooder = Stranger(rabbit.url)
            flooder.open(COUNTING)
            flooder.reset()
            size, count = 2**20, 80
            flooder.send(flooder.act(1, bytes(size)))
            assert flooder.hear().code == ErrorCode.BAD_ACTION.value
            pid = one.steppers()[0]
            before = memory_of(pid)
            for step_id in range(2, count):
                flooder.send(flooder.act(step_id, bytes(size)))
            eventually(lambda: flooder.mailbox.items, "it is being refused")
            while flooder.hear().step_id < 2:
                pass
            neighbour = Stranger(rabbit.url)
            neighbour.open(COUNTING)
            neighbour.reset()
            assert memory_of(pid) - before < (PREFETCH + 12) * size
            for stranger in (flooder, neighbour):
                stranger.connection.close()


def has_come(stepper, body: bytes) -> bool:
    """Whether a message lies with a worker that steps, and does not read what comes meanwhile."""
    stepper._connection.mailbox().get(0.0)  # reads the socket
    return any(arrival.body == body for arrival in list(stepper._mailbox.items))


def memory_of(pid: int) -> int:
    """The most bytes that a process has held since it began."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


class TestSilence:
    @pytest.fixture
    def broker_url(self, rabbit):
        return rabbit.url

    def test_an_agent_that_never_reads_costs_a_bounded_queue_and_may_come_back(
        self, rabbit, broker_url, serve, strangers, remote
    ):
        """Its connection goes through a relay that stops: what an agent looks like that has stopped reading.

        After 30 s of that RabbitMQ closes the connection: there is no time to ask it how long the queue is.
        """
        stepper = serve(WIDE, COUNTING)._stepper
        neighbour = remote(COUNTING)
        neighbour.reset()
        with Relay(rabbit.port) as relay:
            silent = strangers(f"amqp://guest:guest@127.0.0.1:{relay.port}/?heartbeat=600")
            silent.open(WIDE)
            silent.reset()
            relay.stop()
            speaker = strangers()  # somebody else's connection, for its own writes nothing either
            count, dialogue = 800, stepper.slots[silent.episode].episode.dialogue
            for last in range(100, count + 1, 100):  # as many as fit into the queue: no confirm is waited for
                for step_id in range(last - 99, last + 1):
                    speaker.connection.send(topology.ACTS, silent.key, silent.act(step_id))
                eventually(lambda last=last: dialogue._step_id == last, "all has been stepped")
            eventually(lambda: not stepper._connection.wire.backlog, "the worker has got rid of all that it wrote")
            assert neighbour.step(0)[0] == [1]
            relay.resume()
            silent.send(silent.act(count))
            heard = [silent.hear().step_id]
            while heard[-1] < count:
                heard.append(silent.hear().step_id)
            assert len(heard) < count - topology.INBOX_LENGTH / 2, "what did not fit into its queue was given up"
            silent.send(silent.act(count + 1))
            while silent.hear().step_id <= count:
                pass
