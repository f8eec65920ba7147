"""Too many agents, too many messages, too large ones, and some that nobody reads: what it costs, and whom."""

from __future__ import annotations

import threading
import time
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
        serve(TURNS)
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
            assert other.publish(other.act(step_id)) is Receipt.ROUTED
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
        """Its connection goes through a relay that stops: what an agent looks like that has stopped reading."""
        stepper = serve(WIDE, COUNTING)._stepper
        neighbour = remote(COUNTING)
        neighbour.reset()
        with Relay(rabbit.port) as relay:
            silent = strangers(f"amqp://guest:guest@127.0.0.1:{relay.port}/?heartbeat=600")
            silent.open(WIDE)
            silent.reset()
            relay.stop()
            speaker = strangers()  # somebody else's connection, for its own writes nothing either
            count = 800
            for step_id in range(1, count + 1):
                while speaker.connection.publish(
                    topology.ACTS, silent.key, silent.act(step_id), deadline=time.monotonic() + PATIENCE_S
                ) is not Receipt.ROUTED:
                    pass
            slot = stepper.slots[silent.episode]
            eventually(lambda: slot.episode.dialogue._step_id == count, "all has been stepped")
            lengths = queue_lengths(rabbit, silent.episode)
            assert 0 < lengths[topology.percept_key(silent.episode, silent.incarnation)] <= topology.INBOX_LENGTH
            eventually(lambda: not stepper._connection.wire.backlog, "the worker has got rid of all that it wrote")
            assert neighbour.step(0)[0] == [1]
            relay.resume()
            silent.send(silent.act(count))
            while silent.hear().step_id < count:
                pass
            silent.send(silent.act(count + 1))
            while silent.hear().step_id <= count:
                pass


def queue_lengths(rabbit, episode: str) -> dict[str, int]:
    """Messages in the queues of an episode, at the broker or with who consumes them and has not settled them."""
    rows = [line.split("\t") for line in rabbit.ctl("list_queues", "name", "messages").splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and episode in row[0]}
