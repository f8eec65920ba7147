"""Who is sent more and more that is no reply waits no longer than it said."""

from __future__ import annotations

import time

import pytest

from agent_worker import RemoteVectorEnv, opening
from agent_worker.census import Census
from agent_worker.errors import NoFreeWorker, StepTimeout
from broker import connect
from broker.port import Arrival, Kind
from protocol.codec import encode
from protocol.messages import Probe, Working
from protocol.presence import Presence

COUNTING = "tests.support.envs:Counting"


class Flooded:
    """A mailbox in which there is always one more."""

    def __init__(self, mailbox, arrival):
        self.mailbox, self.arrival = mailbox, arrival

    def __getattr__(self, name):
        return getattr(self.mailbox, name)

    def get(self, deadline):
        return self.arrival


def working(session):
    """What its worker says while it steps."""
    dialogue = session._dialogue
    return Arrival(Kind.MESSAGE, session.token, encode(Working(dialogue.episode, 1, dialogue.worker, 60.0)))


@pytest.fixture
def flooded(serve, remote):
    serve(COUNTING)
    env = remote(COUNTING)
    env.reset()
    session = env._session
    session._mailbox = Flooded(session._mailbox, working(session))
    yield env
    session._mailbox = session._mailbox.mailbox


def test_a_step(flooded):
    flooded.step_timeout = 0.5
    with pytest.raises(StepTimeout):
        flooded.step(0)


def test_a_reply_that_has_come_when_the_time_is_up_is_taken_from_behind_what_is_none(flooded):
    session = flooded._session
    flooded.step_timeout = 0.0
    with pytest.raises(StepTimeout):
        flooded.step(0)
    flood, session._mailbox = session._mailbox, session._mailbox.mailbox
    late = session._mailbox.get(time.monotonic() + 20.0)
    came = [flood.arrival, flood.arrival, late]
    session._mailbox = flood
    flood.get = lambda deadline: came.pop(0) if came else None
    assert flooded.wait(0.0)[0] == [1]


def test_a_close(flooded):
    flooded._session.close(0.5)
    assert flooded._session.ended


def test_a_ping(flooded):
    session = flooded._session
    probe = Probe(session._dialogue.episode, 1, session._dialogue.worker)
    session._mailbox.arrival = Arrival(Kind.MESSAGE, session.token, encode(probe))
    with pytest.raises(StepTimeout):
        session.ping(0.5)


@pytest.mark.parametrize("close", [False, True])
def test_lanes(serve, broker_url, close):
    serve(COUNTING)
    env = RemoteVectorEnv(COUNTING, 2, broker_url, episodes=2, step_timeout=0.5)
    env.reset()
    joint = env._gathering._joint
    joint.mailbox = Flooded(joint.mailbox, working(env._gathering.sessions[0]))
    if not close:
        with pytest.raises(StepTimeout):
            env.step([0, 0])
    env._gathering.close(0.5)
    assert all(session.ended for session in env._gathering.sessions)


def test_an_opening(serve, remote, monkeypatch, patience):
    one = serve(COUNTING, capacity=1)
    held = remote(COUNTING)
    held.reset()
    flood = working(held._session)
    monkeypatch.setattr(opening._Opening, "_get", lambda self, until: flood)
    with pytest.raises(NoFreeWorker):
        remote(COUNTING, make_timeout=patience).open()
    assert len(one._stepper.slots) == 1


def test_a_census(serve, broker_url):
    serve(COUNTING)
    connection = connect(broker_url, timeout_s=20.0)
    census = Census(connection)
    census.ask()
    presence = Presence("host/1", "0" * 16, (COUNTING,), 1, 1)
    census._mailbox = Flooded(census._mailbox, Arrival(Kind.MESSAGE, census, presence.encode()))
    assert presence in census.gather(time.monotonic() + 0.5)
    connection.close()
