"""The proxy understands frames, and does to the n-th message what it is told, and to no other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from broker import connect, topology
from broker.errors import BrokerError, ConnectionLost
from broker.port import Kind
from tests.faults.amqp_frames import Cutter
from tests.faults.faults import Fault
from tests.faults.proxy import Proxy
from tests.support.commands import eventually

if TYPE_CHECKING:
    from tools.rabbit import Rabbit

KEY = "episode.percept"
WAIT_S = 20.0


@pytest.fixture
def proxy(rabbit: Rabbit):
    with Proxy(rabbit.port) as one:
        yield one


@pytest.fixture
def pair(rabbit, proxy):
    """A sender behind the proxy and who hears it without one; both closed at the end."""
    sender = connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/", timeout_s=WAIT_S)
    hearer = connect(rabbit.url, timeout_s=WAIT_S)
    hearer.declare_exchanges(time.monotonic() + WAIT_S)
    box = hearer.mailbox()
    hearer.inbox(topology.PERCEPTS, [KEY], box, None, prefetch=0, deadline=time.monotonic() + WAIT_S)
    yield sender, box
    hearer.close()
    if not sender.closed:
        sender.close()


def heard(box, count):
    found = []
    while len(found) < count:
        arrival = box.get(time.monotonic() + WAIT_S)
        assert arrival is not None, f"{len(found)} of {count} came"
        found.append(arrival.body)
    return found


def say(sender, *bodies):
    for body in bodies:
        sender.send(topology.PERCEPTS, KEY, body)


def publishes(deed, nth, **fields):
    return Fault("up", "basic.publish", deed, nth, exchange=topology.PERCEPTS, **fields)


def test_all_passes_where_nothing_is_armed(proxy, pair):
    sender, box = pair
    bodies = [b"%d" % n * size for n, size in enumerate([1, 1000, 300_000])]
    say(sender, *bodies)
    assert heard(box, 3) == bodies


def test_the_nth_is_passed_twice(proxy, pair):
    sender, box = pair
    fault = proxy.strike(publishes("duplicate", 2))
    say(sender, b"1", b"2", b"3")
    assert heard(box, 4) == [b"1", b"2", b"2", b"3"]
    assert fault.fired.is_set()


def test_the_nth_is_dropped_and_no_other(proxy, pair):
    sender, box = pair
    proxy.strike(publishes("drop", 2))
    say(sender, b"1", b"2", b"3", b"4")
    assert heard(box, 3) == [b"1", b"3", b"4"]


def test_the_nth_has_a_byte_that_differs(proxy, pair):
    sender, box = pair
    proxy.strike(publishes("corrupt", 2))
    say(sender, b"one", b"two", b"three")
    assert heard(box, 3) == [b"one", b"tw\x90", b"three"]


def test_the_nth_is_delayed_and_the_order_stays(proxy, pair):
    sender, box = pair
    fault = proxy.strike(publishes("delay", 2, seconds=0.5))
    say(sender, b"1", b"2", b"3")
    assert heard(box, 3) == [b"1", b"2", b"3"]
    assert time.monotonic() - fault.fired_at >= 0.5


@pytest.mark.parametrize(("deed", "after"), [("reset", 0), ("cut", 70_000)])
def test_the_connection_breaks_at_the_nth_and_what_was_before_has_passed(proxy, pair, deed, after):
    sender, box = pair
    proxy.strike(publishes(deed, 2, after=after))
    say(sender, b"1")
    assert heard(box, 1) == [b"1"]
    with pytest.raises(ConnectionLost):
        say(sender, b"2" * 200_000)
        sender.mailbox().get(time.monotonic() + WAIT_S)
        raise AssertionError("it still stands")
    again = connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/", timeout_s=WAIT_S)
    say(again, b"3")
    assert heard(box, 1) == [b"3"]
    again.close()


def test_a_blackhole_swallows_all_that_follows_and_keeps_the_connection(proxy, pair):
    sender, box = pair
    fault = proxy.strike(publishes("blackhole", 2))
    say(sender, b"1", b"2", b"3")
    assert heard(box, 1) == [b"1"]
    assert fault.fired.wait(WAIT_S)
    assert box.get(time.monotonic() + 0.2) is None
    assert not sender.closed
    proxy.reset_all()


def test_what_is_held_passes_when_it_is_released(proxy, pair):
    sender, box = pair
    proxy.hold("up")
    say(sender, b"1", b"2")
    assert box.get(time.monotonic() + 0.2) is None
    proxy.release()
    assert heard(box, 2) == [b"1", b"2"]


def test_deliveries_are_struck_on_their_way_back(rabbit, proxy):
    hearer = connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/", timeout_s=WAIT_S)
    hearer.declare_exchanges(time.monotonic() + WAIT_S)
    box = hearer.mailbox()
    hearer.inbox(topology.PERCEPTS, [KEY], box, None, prefetch=0, deadline=time.monotonic() + WAIT_S)
    proxy.strike(Fault("down", "basic.deliver", "drop", 2, exchange=topology.PERCEPTS, key="percept$"))
    say(hearer, b"1", b"2", b"3")
    assert heard(box, 2) == [b"1", b"3"]
    hearer.close()


def test_connections_are_refused_and_taken_again(proxy, pair):
    sender, _ = pair
    proxy.refuse()
    with pytest.raises(BrokerError):
        connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/", timeout_s=0.0)
    proxy.reset_all()
    eventually(lambda: sender.closed, "the open one is reset")
    proxy.accept()
    connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/", timeout_s=WAIT_S).close()


def test_a_return_is_no_delivery(proxy, pair):
    sender, _ = pair
    box = sender.mailbox()
    sender.watch("episode.nobody", box, None)
    proxy.strike(Fault("down", "basic.return", "duplicate", 1, exchange=topology.PERCEPTS, key="nobody"))
    sender.send(topology.PERCEPTS, "episode.nobody", b"x")
    kinds = [arrival.kind for _ in range(2) if (arrival := box.get(time.monotonic() + WAIT_S)) is not None]
    assert kinds == [Kind.RETURNED, Kind.RETURNED]


def content(body, pieces):
    def frame(kind, payload):
        return bytes([kind]) + b"\x00\x01" + len(payload).to_bytes(4, "big") + payload + b"\xce"

    payload = b"\x00\x3c\x00\x28\x00\x00" + bytes([len(b"exc")]) + b"exc" + b"\x02ky" + b"\x00"
    header = b"\x00\x3c\x00\x00" + len(body).to_bytes(8, "big") + b"\x00\x00"
    step = -(-len(body) // pieces) if pieces else 1
    bodies = [frame(3, body[at : at + step]) for at in range(0, len(body), step)]
    return b"".join([frame(1, payload), frame(2, header), *bodies])


@pytest.mark.parametrize("chunk", [1, 3, 7, 1000])
def test_frames_are_cut_wherever_the_stream_is_split(chunk):
    stream = b"AMQP\x00\x00\x09\x01" + content(b"body of it", 3) + b"\x08\x00\x00\x00\x00\x00\x00\xce"
    stream += content(b"", 0)
    cutter, units = Cutter(client=True), []
    for at in range(0, len(stream), chunk):
        units += cutter.feed(stream[at : at + chunk])
    assert [unit.name for unit in units] == ["protocol header", "basic.publish", "heartbeat", "basic.publish"]
    assert (units[1].exchange, units[1].key) == ("exc", "ky")
    assert len(units[1].frames) == 5
    assert b"".join(unit.data for unit in units) == stream
