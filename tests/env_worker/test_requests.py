"""From which queues of requests a worker takes, and when."""

from __future__ import annotations

import pytest

from broker.errors import BrokerTimeout
from env_worker.requests import Requests


class Broker:
    """The connection, and the mailbox: what is served, and what does not answer in time."""

    def __init__(self):
        self.served, self.silent = [], set()

    def serve(self, env_id, mailbox, token, deadline):
        if env_id in self.silent:
            raise BrokerTimeout("no answer")
        self.served.append(env_id)
        return env_id

    def cancel(self, subscription):
        self.served.remove(subscription)


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def requests(broker):
    one = Requests(("a", "b", "c"), "token")
    one.attach(broker, broker)
    return one


def test_each_queue_is_taken_from_once_until_it_is_left(broker, requests):
    for _ in range(2):
        requests.take()
        assert broker.served == ["a", "b", "c"]
    requests.leave()
    assert broker.served == []
    requests.take()
    assert broker.served == ["a", "b", "c"]


def test_what_the_broker_did_not_give_in_time_is_taken_by_the_next_call(broker, requests):
    broker.silent.add("b")
    with pytest.raises(BrokerTimeout):
        requests.take()
    broker.silent.clear()
    requests.take()
    assert broker.served == ["a", "b", "c"]
