"""Messages between a stepper and the process of an env."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from env_worker.pipe import Garbled, Pipe
from protocol.limits import DEFAULT_LIMITS


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Pipe(ours), Pipe(theirs), theirs


@pytest.mark.parametrize("size", [0, 1, 2**16 - 1, 2**16, 3 * 2**20 + 7])
def test_messages_arrive_whole_and_in_order(ends, size):
    ours, theirs, _ = ends
    bodies = [b"first", bytes(size), b"last"]
    sender = threading.Thread(target=lambda: [theirs.send(body) for body in bodies])
    sender.start()
    assert [ours.receive(time.monotonic() + 30) for _ in bodies] == bodies
    sender.join()


def test_a_time_out_in_the_middle_of_a_message_loses_nothing(ends):
    ours, _, raw = ends
    for piece in (b"\x05\0", b"\0\0he"):
        raw.sendall(piece)
        with pytest.raises(TimeoutError):
            ours.receive(time.monotonic())
    raw.sendall(b"llo\x01\0\0\0!")
    assert ours.receive(time.monotonic() + 30) == b"hello"
    assert ours.receive(time.monotonic() + 30) == b"!"


def test_who_reads_too_slowly_does_not_hold_the_sender(ends):
    ours, _, raw = ends

    def trickle():
        while raw.recv(1):
            pass

    reader = threading.Thread(target=trickle)
    reader.start()
    with pytest.raises(TimeoutError):
        ours.send(bytes(2**22), time.monotonic() + 0.1)
    ours.sock.shutdown(socket.SHUT_WR)
    reader.join()


def test_the_end_is_none(ends):
    ours, _, raw = ends
    raw.sendall(b"\x05\0\0\0he")
    raw.shutdown(socket.SHUT_WR)
    assert ours.receive(time.monotonic() + 30) is None


def test_a_message_that_is_too_long_is_refused_before_it_is_read(ends):
    ours, _, raw = ends
    raw.sendall((DEFAULT_LIMITS.body_bytes + 1).to_bytes(4, "little"))
    with pytest.raises(Garbled, match=f"at most {DEFAULT_LIMITS.body_bytes} are legal"):
        ours.receive(time.monotonic() + 30)
