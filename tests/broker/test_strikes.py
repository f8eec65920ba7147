"""A Ctrl-C at every point of what is asked of RabbitMQ: whoever asks next gets the lead, the lock and its answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import broker
from broker import topology
from broker.errors import ConnectionLost
from tests.broker.site import soon
from tests.support.strikes import every

POINTS = 100
"""What is asked has so many points at least."""


def test_what_a_struck_wait_held_is_free_for_others(amqp_url):
    connection = broker.shared(amqp_url, timeout_s=10.0)
    connection.declare_exchanges(soon())

    def ask() -> None:
        one = broker.shared(amqp_url, timeout_s=10.0)
        one.keep(topology.EVALUATIONS, "evaluation.struck", b"kept", soon())

    def others_can(where: str) -> None:
        with ThreadPoolExecutor(1) as pool:
            try:
                pool.submit(ask).result(30.0)
            except ConnectionLost:  # it was struck while it wrote, and ends a moment later
                pool.submit(ask).result(30.0)

    assert every(ask, others_can, step=3) > POINTS
