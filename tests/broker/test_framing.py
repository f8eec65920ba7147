"""The lean framing: what is built equals what pika builds; what comes in is cut right in whatever pieces it comes."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame, spec

from broker.amqp import framing
from broker.amqp.framing import FramingError
from broker.amqp.reader import KEPT, FrameReader

FRAME_MAX = framing.FRAME_MAX


def pika_message(channel: int, method, body: bytes, frame_max: int = FRAME_MAX, **properties) -> bytes:
    """A message as pika marshals it."""
    most = frame_max - 8
    parts = [frame.Method(channel, method), frame.Header(channel, len(body), spec.BasicProperties(**properties))]
    parts += [frame.Body(channel, body[at : at + most]) for at in range(0, len(body), most)]
    return b"".join(part.marshal() for part in parts)


class Stream:
    """A reader that is fed pieces, and what it made of them."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes, bytes]] = []
        self.frames: list[bytes] = []
        self.reader = FrameReader(self._on_content, self.frames.append)

    def _on_content(self, channel: int, method: bytes, header: bytes, body: bytes) -> None:
        assert type(body) in (bytes, bytearray)  # the latter if it was received in its place
        self.messages.append((channel, method, body))

    def feed(self, data: bytes) -> None:
        """As a socket would: as much at once as fits into the buffers."""
        while data:
            room = self.reader.buffers()
            taken = 0
            for buffer in room:
                assert len(buffer)
                piece = data[taken : taken + len(buffer)]
                buffer[: len(piece)] = piece
                taken += len(piece)
            data = data[taken:]
            self.reader.advance(taken)

    def feed_first_buffer_only(self, data: bytes) -> None:
        """As a TLS socket would, which fills one buffer at a time."""
        while data:
            buffer = self.reader.buffers()[0]
            piece = data[: len(buffer)]
            buffer[: len(piece)] = piece
            data = data[len(piece) :]
            self.reader.advance(len(piece))


DELIVER = spec.Basic.Deliver(
    consumer_tag="12", delivery_tag=2**63 - 1, redelivered=True, exchange="gym.acts", routing_key="k.ü"
)
RETURN = spec.Basic.Return(reply_code=312, reply_text="NO_ROUTE", exchange="gym.acts", routing_key="nobody")
HEARTBEAT = frame.Heartbeat().marshal()


def traffic() -> tuple[bytes, list[bytes], list[bytes]]:
    """A stream with everything in it; the bodies and the other frames that it holds."""
    small, large = b"small", bytes(range(256)) * 700
    ack = frame.Method(2, spec.Basic.Ack(1)).marshal()
    stream = b"".join([
        pika_message(1, DELIVER, small),
        HEARTBEAT,
        pika_message(1, DELIVER, b""),
        pika_message(1, DELIVER, large, message_id="x" * 200),
        ack,
        pika_message(2, RETURN, large[:-1], frame_max=4096, headers={"a": 1}),
        pika_message(1, DELIVER, large + large),
        HEARTBEAT,
    ])  # fmt: skip
    return stream, [small, b"", large, large[:-1], large + large], [HEARTBEAT, ack, HEARTBEAT]


@pytest.mark.parametrize("size", [1, 7, 8, 1000, 16384, 65536, 131071, 131072, 10**7])
@pytest.mark.parametrize("way", ["feed", "feed_first_buffer_only"])
def test_a_stream_is_cut_the_same_in_whatever_pieces_it_comes(size, way):
    stream, bodies, frames = traffic()
    found = Stream()
    for at in range(0, len(stream), size):
        getattr(found, way)(stream[at : at + size])
    assert [body for _, _, body in found.messages] == bodies
    assert [channel for channel, _, _ in found.messages] == [1, 1, 1, 2, 1]
    assert found.frames == frames


@settings(max_examples=60)
@given(data=st.data())
def test_a_stream_is_cut_the_same_at_any_split(data):
    stream, bodies, frames = traffic()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    found = Stream()
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        (found.feed if data.draw(st.booleans()) else found.feed_first_buffer_only)(stream[start:stop])
    assert [body for _, _, body in found.messages] == bodies
    assert found.frames == frames


def test_messages_of_two_channels_may_be_woven_into_each_other():
    first = pika_message(1, DELIVER, b"a" * 9000, frame_max=4096)
    second = pika_message(2, DELIVER, b"b" * 9000, frame_max=4096)
    pieces = []
    for whole in (first, second):
        at, frames = 0, []
        while at < len(whole):
            size = framing.HEAD.unpack_from(whole, at)[2] + 8
            frames.append(whole[at : at + size])
            at += size
        pieces.append(frames)
    woven = b"".join(frame for both in zip(*pieces, strict=True) for frame in both)
    found = Stream()
    found.feed(woven)
    assert [(channel, body) for channel, _, body in found.messages] == [(1, b"a" * 9000), (2, b"b" * 9000)]


def in_frames(body: bytes) -> list[bytes]:
    """A message on channel 1 as its frames."""
    most = FRAME_MAX - 8
    heads = [frame.Method(1, DELIVER).marshal(), frame.Header(1, len(body), spec.BasicProperties()).marshal()]
    return heads + [frame.Body(1, body[at : at + most]).marshal() for at in range(0, len(body), most)]


@pytest.mark.parametrize("between", [b"", HEARTBEAT, pika_message(2, DELIVER, b"b" * 300_000)], ids=len)
def test_between_the_frames_of_a_long_body_may_be_others(between):
    body = bytes(range(256)) * 2000
    found = Stream()
    found.feed(between.join(in_frames(body)))
    assert (1, body) in [(channel, seen) for channel, _, seen in found.messages]
    assert len(found.messages) + len(found.frames) == 1 + ((between and len(in_frames(body)) - 1) or 0)


@pytest.mark.parametrize("others_end", [b"\xce", b"\xcd"])
@pytest.mark.parametrize(
    ("following", "says"),
    [
        (framing.HEAD.pack(framing.BODY, 1, 100_000), "longer than its header"),
        (framing.HEAD.pack(framing.BODY, 2, 50_000), "none has begun"),
        (framing.HEAD.pack(9, 1, 50_000), "of type 9"),
        (framing.HEAD.pack(framing.BODY, 1, FRAME_MAX), "not AMQP"),
    ],
)
def test_what_may_not_follow_the_first_frame_of_a_long_body_is_refused(following, says, others_end):
    most = FRAME_MAX - 8
    frames = in_frames(bytes(most + 60_000))
    found = Stream()
    found.feed(b"".join(frames[:2]) + frames[2][:-1])
    with pytest.raises(FramingError, match=says if others_end == b"\xce" else "does not end"):
        found.feed(others_end + following)


@given(data=st.binary(max_size=400))
def test_any_bytes_are_frames_or_a_framing_error(data):
    found = Stream()
    with suppress(FramingError):
        found.feed(data)
    assert all(other[-1] == 0xCE for other in found.frames)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"AMQP\x00\x00\x09\x01", "another version"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not AMQP"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "not AMQP"),
        (b"\x01\x00\x00\xff\xff\xff\xff", "not AMQP"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00", "does not end"),
        (frame.Body(1, b"x").marshal(), "none has begun"),
        (frame.Header(1, 1, spec.BasicProperties()).marshal(), "none has begun"),
        (frame.Method(1, DELIVER).marshal() + frame.Header(1, 2**40, spec.BasicProperties()).marshal(), "at most"),
        (
            frame.Method(1, DELIVER).marshal()
            + frame.Header(1, 3, spec.BasicProperties()).marshal()
            + frame.Body(1, b"four").marshal(),
            "longer than its header",
        ),
        (
            frame.Method(1, DELIVER).marshal()
            + frame.Header(1, 3, spec.BasicProperties()).marshal()
            + frame.Body(1, b"a").marshal()
            + frame.Body(1, b"bcd").marshal(),
            "longer than its header",
        ),
        (
            frame.Method(1, DELIVER).marshal()
            + frame.Header(1, 8, spec.BasicProperties()).marshal()
            + frame.Body(1, b"").marshal()
            + frame.Header(1, 0, spec.BasicProperties()).marshal(),
            "a second header",
        ),
    ],
)
def test_what_is_not_amqp_is_refused_by_name(data, says):
    with pytest.raises(FramingError, match=says):
        Stream().feed(data)


def test_a_delivery_and_a_return_are_read_as_pika_reads_them():
    found = Stream()
    found.feed(pika_message(1, DELIVER, b"") + pika_message(1, RETURN, b""))
    (_, delivered, _), (_, returned, _) = found.messages
    assert framing.delivery(delivered) == ("12", 2**63 - 1, True)
    assert framing.routing_key(delivered) == "k.ü"
    assert framing.routing_key(returned) == "nobody"


@pytest.mark.parametrize("size", [0, 1, 96, 4087, 4088, 4089, 10_000])
def test_what_is_sent_equals_what_pika_would_send(size):
    body = bytes(size)
    head = framing.publish_head(5, "gym.acts", "k.ü")
    ours = b"".join(framing.content(head, 5, body, 4096))
    method = spec.Basic.Publish(exchange="gym.acts", routing_key="k.ü", mandatory=True)
    assert ours == pika_message(5, method, body, frame_max=4096)
    if 0 < size <= framing.FRAME_MIN - 8:
        assert head + framing.before_body(5, size) + body + b"\xce" == ours


def test_settling_frames_equal_those_of_pika():
    assert framing.ack(3, 2**63 - 1) == frame.Method(3, spec.Basic.Ack(2**63 - 1)).marshal()
    assert framing.requeue(3, 9) == frame.Method(3, spec.Basic.Reject(9, requeue=True)).marshal()


def test_a_stopped_reader_ignores_what_follows():
    found = Stream()
    found.reader.stopped = True
    found.feed(HEARTBEAT * 3)
    assert found.frames == []


@pytest.mark.parametrize("size", [KEPT, KEPT + 1, KEPT + FRAME_MAX, 3 * KEPT])
def test_of_a_body_above_the_limit_so_much_is_kept_that_it_can_be_refused(size):
    stream = pika_message(1, DELIVER, bytes(size)) + pika_message(1, DELIVER, b"next")
    for way in ("feed", "feed_first_buffer_only"):
        found = Stream()
        tracemalloc.start()
        try:
            for at in range(0, len(stream), 2**20):
                getattr(found, way)(stream[at : at + 2**20])
            assert tracemalloc.get_traced_memory()[1] < KEPT + 2**22
        finally:
            tracemalloc.stop()
        large, after = (body for _, _, body in found.messages)
        assert len(large) == size if size <= KEPT else len(large) > KEPT
        assert after == b"next"


@pytest.mark.parametrize("size", [2**29 + 1, 2**40, 2**60, 2**64 - 1])
def test_a_body_that_no_broker_can_have_is_refused_before_anything_is_allocated(size):
    stream = frame.Method(1, DELIVER).marshal() + frame.Header(1, size, spec.BasicProperties()).marshal()
    found = Stream()
    tracemalloc.start()
    try:
        with pytest.raises(FramingError, match=f"a body of {size} bytes"):
            found.feed(stream)
        assert tracemalloc.get_traced_memory()[1] < 2**16
    finally:
        tracemalloc.stop()


def test_what_a_header_announces_takes_no_memory_before_it_comes():
    found = Stream()
    tracemalloc.start()
    try:
        for channel in range(1, 200):
            found.feed(frame.Method(channel, DELIVER).marshal())
            found.feed(frame.Header(channel, 2**29, spec.BasicProperties()).marshal())
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
