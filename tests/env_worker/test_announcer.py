"""When a worker says that it is there, and what it declares anew then."""

from __future__ import annotations

from env_worker.announcer import PRESENCE_S, Announcer


class Broker:
    """The connection: what was renewed."""

    incarnation = "1"

    def __init__(self):
        self.renewed = []

    def listen(self, *arguments):
        return "questions"

    def announce(self, *arguments):
        pass

    def renew(self, env_ids, subscriptions):
        self.renewed.append((list(env_ids), list(subscriptions)))


class Catalogue:
    entries = ("CartPole-v1",)


def test_a_worker_that_is_busy_all_the_time_declares_anew_as_often_as_an_idle_one():
    broker, announcer = Broker(), Announcer("worker", Catalogue(), 1)
    announcer.attach(broker, None)
    now = 1000.0
    assert announcer.due(now)
    announcer.renew(["world"], now)
    assert broker.renewed == [(["CartPole-v1"], ["world", "questions"])]
    for _ in range(10):
        announcer.announce(1, draining=False)
        assert not announcer.due(now + PRESENCE_S / 2)
        assert announcer.due(now + PRESENCE_S)
