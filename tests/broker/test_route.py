"""Deliveries that are known by one like them: what comes by a route is what would have come without it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame, spec

import broker
from broker import topology
from broker.amqp.framing import FramingError
from broker.amqp.reader import FrameReader
from broker.amqp.route import Route
from tests.broker.site import eventually, soon
from tests.broker.test_framing import Stream, pika_message

OURS = spec.Basic.Deliver("00000001", 7, redelivered=False, exchange="gym.acts", routing_key="episode.1.act")

METHOD = frame.Method(1, OURS).marshal()[7:-1]


def feed(reader: FrameReader, data: bytes) -> None:
    """As a TLS socket would."""
    while data:
        buffer = reader.buffers()[0]
        piece = data[: len(buffer)]
        buffer[: len(piece)] = piece
        data = data[len(piece) :]
        reader.advance(len(piece))


def routed(channel: int = 1) -> tuple[Stream, list[tuple[int, bool, bytes]]]:
    """A reader that knows how ``OURS`` comes, and what comes that way."""
    found, came = Stream(), []
    route = Route(channel, METHOD, lambda tag, again, body: came.append((tag, again, body)))
    found.reader.routes[route.prefix] = route
    return found, came


@pytest.mark.parametrize("size", [1, 20, 60, 1000, 10**6])
def test_a_delivery_whose_like_was_seen_is_taken_as_one_piece(size):
    stream = b"".join(
        pika_message(1, spec.Basic.Deliver("00000001", tag, tag % 2 == 1, "gym.acts", "episode.1.act"), bytes(tag))
        for tag in range(1, 200)
    )
    found, came = routed()
    for at in range(0, len(stream), size):
        found.feed(stream[at : at + size])
    whole = [(tag, tag % 2 == 1, bytes(tag)) for tag in range(1, 200)]
    bodies = [body for _, _, body in found.messages]  # what did not come in one piece went the general way
    assert sorted(came + [(len(body), len(body) % 2 == 1, body) for body in bodies]) == whole
    assert size < 10**6 or came == whole


@pytest.mark.parametrize(
    "other",
    [
        pika_message(1, OURS, b"body", content_type="x"),
        pika_message(1, OURS, b""),
        pika_message(1, OURS, b"body" * 2000, frame_max=4096),
        pika_message(2, OURS, b"body"),
        pika_message(1, spec.Basic.Deliver("00000001", 7, False, "gym.acts", "episode.2.act"), b"body"),
        pika_message(1, spec.Basic.Deliver("00000001", 7, False, "gym.act", "sepisode.1.act"), b"body"),
        pika_message(1, spec.Basic.Deliver("00000002", 7, False, "gym.acts", "episode.1.act"), b"body"),
    ],
)
def test_what_only_looks_like_it_goes_the_general_way(other):
    found, came = routed()
    found.feed(pika_message(1, OURS, b"before") + other + pika_message(1, OURS, b"after"))
    assert [body for _, _, body in came] == [b"before", b"after"]
    assert len(found.messages) == 1


@settings(max_examples=300)
@given(st.data())
def test_with_and_without_a_route_a_damaged_stream_says_the_same_in_the_same_order(data):
    stream = bytearray(b"".join(pika_message(1, OURS, body) for body in (b"first", b"second", b"x" * 300)))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(stream)))
    heard = []
    for routes in ((), (Route(1, METHOD, print),)):
        said: list[object] = []

        def general(channel, method, header, body, said=said):
            said.append((method[:21], bool(method[21:22].strip(b"\0")), method[22:], body))

        reader = FrameReader(general, said.append)
        for route in routes:
            route.deliver = lambda tag, again, body, said=said: said.append(
                (METHOD[:13] + tag.to_bytes(8, "big"), again, METHOD[22:], body)
            )
            reader.routes[route.prefix] = route
        try:
            feed(reader, bytes(stream[:cut]))
            feed(reader, bytes(stream[cut:]))
        except FramingError as error:
            said.append(str(error))
        heard.append(said)
    assert heard[0] == heard[1]


def test_a_route_is_of_one_key():
    other = spec.Basic.Deliver("00000001", 7, redelivered=False, exchange="gym.acts", routing_key="episode.1.acts")
    assert Route(1, METHOD, print).is_of(METHOD)
    assert not Route(1, METHOD, print).is_of(frame.Method(1, other).marshal()[7:-1])


def test_each_consumer_of_an_open_connection_has_a_route_once_a_message_has_come_and_none_when_it_is_cancelled(rabbit):
    connection = broker.connect(rabbit.url, timeout_s=10)
    connection.declare_exchanges(soon())
    routes, box, held = connection.adapter.reader.routes, connection.mailbox(), {}
    for number in range(20):
        keys = [f"{number}.{connection.incarnation}", f"control {number}"]
        held[number] = keys, connection.inbox(topology.ACTS, keys, box, number, prefetch=4, deadline=soon())
    sent = [(number, turn) for turn in range(6) for number in held]
    for number, turn in sent:  # every third by its other key
        connection.send(topology.ACTS, held[number][0][turn % 3 == 0], bytes((number, turn)))
    came = []
    for _ in sent:
        arrival = box.get(soon())
        assert arrival.token == arrival.body[0]
        came.append(tuple(arrival.body))
        connection.ack(arrival)
    assert sorted(came) == sorted(sent)
    assert all([turn for number, turn in came if number == one] == list(range(6)) for one in held)
    assert len(routes) == len(held)
    for _, inbox in held.values():
        connection.cancel(inbox)
    eventually(lambda: box.get(soon(0.05)) is None and routes == {}, "the broker has deleted all queues")
    connection.close()
