"""An agent of its own making, that says what it likes."""

from __future__ import annotations

import secrets
import time
from typing import Any

from broker import connect, topology
from broker.port import Kind, Receipt
from protocol.codec import decode, encode
from protocol.messages import OUTSIDE, Accepted, Act, Make, Percept, Probe, Reset, Status

PATIENCE_S = 30.0


class Stranger:
    """An agent of its own making, that says what it likes to a worker."""

    def __init__(self, url: str) -> None:
        self.connection = connect(url, timeout_s=PATIENCE_S, name="stranger")
        self.mailbox = self.connection.mailbox()
        self.episode, self.incarnation = secrets.token_hex(16), self.connection.incarnation
        keys = [topology.percept_key(self.episode, self.incarnation), topology.percept_control_key(self.episode)]
        deadline = time.monotonic() + PATIENCE_S
        self.connection.inbox(topology.PERCEPTS, keys, self.mailbox, self, prefetch=0, deadline=deadline)

    def ask(self, env_id: str, body: bytes) -> None:
        deadline = time.monotonic() + PATIENCE_S
        assert self.connection.publish(topology.REQUESTS, env_id, body, deadline=deadline) is Receipt.ROUTED

    def make(self, env_id: str, **fields: Any) -> Make:
        return Make(self.episode, OUTSIDE, self.incarnation, env_id, **{"versions": [1], **fields})

    def hear(self) -> Any:
        """What is said next, but for probes: the worker looks after who has been silent for a while."""
        deadline = time.monotonic() + PATIENCE_S
        while (arrival := self.mailbox.get(deadline)) is not None:
            assert arrival.kind is Kind.MESSAGE
            message = decode(arrival.body)
            if not isinstance(message, Probe):
                return message
        raise AssertionError("no answer")

    def open(self, env_id: str, **fields: Any) -> str:
        """Open an episode; gives the key to send to."""
        self.ask(env_id, encode(self.make(env_id, **fields)))
        assert isinstance(self.hear(), Accepted)
        status = self.hear()
        assert isinstance(status, Status)
        self.worker = status.incarnation
        self.key = topology.act_key(self.episode, self.worker)
        return self.key

    def send(self, body: bytes) -> None:
        """Say something in the episode."""
        self.connection.send(topology.ACTS, self.key, body)

    def publish(self, body: bytes) -> Receipt:
        """Say something in the episode, and wait until it is in the worker's queue, or is not."""
        return self.connection.publish(topology.ACTS, self.key, body, deadline=time.monotonic() + PATIENCE_S)

    def reset(self) -> Percept:
        """The first step."""
        self.send(encode(Reset(self.episode, 0, self.incarnation)))
        percept = self.hear()
        assert isinstance(percept, Percept)
        return percept

    def act(self, step_id: int, action: Any = 1) -> bytes:
        """Bytes of an act."""
        return encode(Act(self.episode, step_id, self.incarnation, action))
