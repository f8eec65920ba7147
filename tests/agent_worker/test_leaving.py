"""Who leaves the line for an env tells a worker whose answer is under way."""

from __future__ import annotations

from collections import deque

import pytest

from agent_worker.leaving import leave
from broker import topology
from broker.errors import BrokerTimeout, ConnectionLost
from broker.port import Arrival, Kind
from protocol.errors import DecodeError
from protocol.messages import Accepted

EPISODE, WORKER = "0" * 32, "1" * 16


class Line:
    """Connection, mailbox and dialogue in one: ``late`` comes while the queue is being deleted, then ``failure``."""

    episode = EPISODE

    def __init__(self, late=(), failure=None):
        self.late, self.failure, self.come, self.cancelled, self.told = late, failure, deque(), [], []

    def cancel(self, inbox):
        self.cancelled.append(inbox)

    def outlive(self, inbox, deadline):
        assert self.cancelled == [inbox]
        self.come.extend(Arrival(Kind.MESSAGE, None, body) for body in self.late)
        if self.failure is not None:
            raise self.failure

    def get(self, deadline):
        return self.come.popleft() if self.come else None

    def receive(self, body):
        if body != b"accepted":
            raise DecodeError("none")
        return Accepted(EPISODE, 0, WORKER, 60.0)

    def dismiss(self):
        return b"dismiss"

    def send(self, exchange, key, body):
        self.told.append((exchange, key, body))


@pytest.mark.parametrize("failure", [None, BrokerTimeout("slow")])
def test_a_worker_whose_word_comes_while_the_line_is_left_is_told(failure):
    line = Line([b"odd", b"accepted"], failure)
    leave(line, "inbox", line, line)
    assert line.told == [(topology.ACTS, topology.act_key(EPISODE, WORKER), b"dismiss")]


def test_a_connection_that_breaks_meanwhile_is_no_error_of_who_leaves():
    line = Line([b"accepted"], ConnectionLost("gone"))
    leave(line, "inbox", line, line)
    assert line.told == []
