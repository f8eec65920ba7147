"""The corpus of bad inputs, sent to a worker and to an agent that are at work: each is refused, counted, and passed."""

from __future__ import annotations

import gzip
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pika
import pytest

from agent_worker import opening
from agent_worker.errors import NoFreeWorker, ProtocolFailure, WorkerLost
from broker import connect, topology
from broker.port import MESSAGE_MAX, Receipt
from env_worker import intake
from protocol.codec import decode, encode
from protocol.env_dialogue import EnvDialogue
from protocol.errors import ErrorCode
from protocol.messages import Close, Closed, Error, Percept
from tests.protocol.corpus import ARRAYS, BODIES, ENVELOPES, MSGPACK, STRANGERS
from tests.protocol.examples import AGENT, EPISODE, WORKER
from tests.support.commands import eventually
from tests.support.stranger import PATIENCE_S, Stranger

COUNTING = "tests.support.envs:Counting"
CODES = {code.value for code in ErrorCode}

SOME = [*list(MSGPACK)[:8], "a pickle", "gzip", "extension type 127", *list(ARRAYS)[:4], *list(ENVELOPES)[:8]]
"""For where each of them takes a while."""


@pytest.fixture
def worker(serve):
    """Its stepper: what it has counted."""
    return serve(COUNTING)._stepper


@pytest.fixture
def stranger(broker_url, worker):
    one = Stranger(broker_url)
    yield one
    one.connection.close()


def as_said_by(message, stranger: Stranger):
    """A message of the corpus, in the episode of a stranger who is its agent."""
    names = {EPISODE: stranger.episode, AGENT: stranger.incarnation, WORKER: stranger.worker}
    episode, incarnation = (names.get(one, one) for one in (message.episode, message.incarnation))
    return encode(replace(message, episode=episode, incarnation=incarnation))


def test_no_body_of_the_corpus_ends_an_episode(stranger, worker):
    stranger.open(COUNTING)
    stranger.reset()
    heard = Counter()
    for name, (body, _) in BODIES.items():
        stranger.send(body)
        error = stranger.hear()
        assert isinstance(error, Error), name
        heard[error.code] += 1
    assert set(heard) == {ErrorCode.MALFORMED.value, ErrorCode.UNSUPPORTED_VERSION.value}
    assert worker.slots[stranger.episode].episode.dialogue.ignored == heard
    stranger.send(stranger.act(1))
    assert isinstance(stranger.hear(), Percept)
    stranger.send(encode(Close(stranger.episode, 2, stranger.incarnation)))
    assert isinstance(stranger.hear(), Closed)
    eventually(lambda: worker.ignored == heard, "what was counted in the episode is counted of the worker")


def test_no_body_of_the_corpus_in_the_queue_of_requests_harms_anybody(stranger, worker, remote):
    for body, _ in BODIES.values():
        stranger.ask(COUNTING, body)
    for undue in STRANGERS.values():
        stranger.ask(COUNTING, undue.body)
    assert remote(COUNTING).reset()[0] == [0]  # it stood in line behind them
    counted = worker.ignored
    makes = {name for name, undue in STRANGERS.items() if decode(undue.body).performative == "make"}
    assert counted["no make"] == len(STRANGERS) - len(makes)
    assert counted[ErrorCode.UNKNOWN_ENV.value] == len(makes)
    assert counted.total() == len(BODIES) + len(STRANGERS)


def test_what_is_not_due_or_of_a_stranger_is_counted_and_executes_nothing(stranger, worker):
    stranger.open(COUNTING)
    stranger.reset()
    stranger.send(stranger.act(1))
    stranger.hear()
    for undue in STRANGERS.values():
        stranger.send(as_said_by(decode(undue.body), stranger))
    stranger.send(stranger.act(2))
    answers = []
    while not isinstance(answer := stranger.hear(), Percept):
        answers.append(answer.code)
    due = Counter(undue.env for undue in STRANGERS.values())
    assert worker.slots[stranger.episode].episode.dialogue.ignored == due
    assert Counter(answers) == {reason: count for reason, count in due.items() if reason in CODES}
    assert answer.observation == (2).to_bytes(8, "little"), "two acts, two steps"


class Impostor:
    """Somebody who can write to the queue of an agent's replies."""

    def __init__(self, url: str, env) -> None:
        self._session = env._session
        self.dialogue = self._session._dialogue
        self._connection = connect(url, timeout_s=PATIENCE_S)

    def say(self, body: bytes) -> None:
        key = topology.percept_key(self.dialogue.episode, self.dialogue.incarnation)
        deadline = time.monotonic() + PATIENCE_S
        assert self._connection.publish(topology.PERCEPTS, key, body, deadline=deadline) is Receipt.ROUTED

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def env(remote, worker):
    found = remote(COUNTING)
    found.reset()
    found.step(0)
    return found


@pytest.fixture
def impostor(broker_url, env):
    one = Impostor(broker_url, env)
    yield one
    one.close()


def test_an_agent_that_hears_no_message_says_so_and_still_gets_its_reply(env, impostor):
    for turn, name in enumerate(SOME):
        impostor.say(BODIES[name][0])
        with pytest.raises(ProtocolFailure, match="the worker broke the protocol"):
            env.step(0)
        assert env.wait(PATIENCE_S)[0] == [2 + turn], name
    assert impostor.dialogue.ignored == {"malformed": len(SOME)}


def test_a_ping_that_hears_no_message_says_so(env, impostor):
    impostor.say(BODIES[SOME[0]][0])
    with pytest.raises(ProtocolFailure, match="the worker broke the protocol"):
        env._session.ping(PATIENCE_S)
    assert env.step(0)[0] == [2]


@pytest.mark.parametrize("odd", [{"reward": bytes(8)}, {"terminated": b"\0"}, {"truncated": b"\1"}])
def test_a_percept_of_lanes_is_none_of_one_env(env, impostor, odd):
    said = {"reward": 0.0, "terminated": False, "truncated": False, "info": {}, "observation": bytes(8), **odd}
    impostor.say(encode(Percept(impostor.dialogue.episode, 2, impostor.dialogue.worker, **said)))
    with pytest.raises(ProtocolFailure, match="percept is one of lanes"):
        env.step(0)
    assert env.step(0)[0] == [3]


def test_a_worker_that_says_it_needs_for_ever_is_not_waited_for_for_ever(remote, broker_url, monkeypatch):
    monkeypatch.setattr(opening, "MARGIN_S", 0.5)
    monkeypatch.setattr(opening, "LONGEST_MAKE_S", 3.0)
    liar = connect(broker_url, timeout_s=PATIENCE_S)
    deadline, mailbox = time.monotonic() + PATIENCE_S, liar.mailbox()
    liar.declare_exchanges(deadline)
    liar.serve("Never-v0", mailbox, None, deadline)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(remote("Never-v0", make_timeout=3.0, step_timeout=1.0).open)
        asked = mailbox.get(deadline)
        make = decode(asked.body)
        key = topology.act_key(make.episode, liar.incarnation)
        liar.inbox(topology.ACTS, [key], mailbox, None, prefetch=0, deadline=deadline)
        accepted = EnvDialogue(make, liar.incarnation).accepted(1e300)
        liar.send(topology.PERCEPTS, topology.percept_key(make.episode, make.incarnation), accepted, settles=asked)
        with pytest.raises(NoFreeWorker, match="its env was not there within"):
            waits.result(2 * PATIENCE_S)
    liar.close()


def test_an_agent_counts_what_is_not_due_or_of_strangers_and_gets_its_reply(env, impostor):
    due = Counter()
    names = {EPISODE: impostor.dialogue.episode, WORKER: impostor.dialogue.worker}
    for name, undue in STRANGERS.items():
        message = decode(undue.body)
        if undue.agent in ("", "an older step") or (undue.agent == "illegal" and message.step_id >= 0):
            continue  # what its steps have reached by then makes a difference
        episode, incarnation = (names.get(one, one) for one in (message.episode, message.incarnation))
        impostor.say(encode(replace(message, episode=episode, incarnation=incarnation)))
        due[undue.agent] += 1
        before = env._session._dialogue.ignored.total()
        if undue.agent == "illegal":
            with pytest.raises(ProtocolFailure):
                env.step(0)
            env.wait(PATIENCE_S)
        else:
            env.step(0)
        assert env._session._dialogue.ignored.total() == before + 1, name
    assert impostor.dialogue.ignored == due
    assert {"another episode", "another incarnation", "nothing new", "illegal"} == set(due)


class Sender:
    """A stranger with a client of his own, who can write what ours never would."""

    def __init__(self, url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))

    def send(self, exchange: str, key: str, body: bytes, **properties) -> str:
        """What the broker says to it."""
        channel = self.connection.channel()
        channel.confirm_delivery()
        try:
            channel.basic_publish(exchange, key, body, pika.BasicProperties(**properties), mandatory=True)
        except pika.exceptions.NackError:
            return "refused"
        except pika.exceptions.ChannelClosedByBroker as error:
            return str(error.reply_code)
        return "kept"


@pytest.fixture
def broker_url(request):
    """Both transports; RabbitMQ only where a test asks for ``sender``."""
    if "sender" in request.fixturenames:
        return request.getfixturevalue("rabbit").url
    if request.param == "memory":
        return f"memory://{secrets.token_hex(4)}"
    return request.getfixturevalue("amqp_url")


def pytest_generate_tests(metafunc):
    if "broker_url" in metafunc.fixturenames:
        one = "sender" in metafunc.fixturenames
        metafunc.parametrize("broker_url", ["amqp"] if one else ["memory", "amqp"], indirect=True)


@pytest.fixture
def sender(rabbit):
    one = Sender(rabbit.url)
    yield one
    one.connection.close()


@pytest.mark.parametrize(
    "properties",
    [
        {"content_type": "application/x-python-pickle", "content_encoding": "br"},
        {"headers": {"name": "x" * 100_000}},
        {"headers": {"CC": ["elsewhere"], "x-death": [{"count": 1}]}},
        {"priority": 255, "delivery_mode": 2, "timestamp": 2**63},
        {"reply_to": "amq.gen-elsewhere", "correlation_id": "x" * 255, "message_id": "1", "type": "close"},
        {"expiration": "60000", "app_id": "nobody", "user_id": "guest"},
    ],
    ids=lambda properties: next(iter(properties)),
)
def test_what_stands_in_the_properties_of_a_message_changes_nothing(sender, stranger, properties):
    stranger.open(COUNTING)
    stranger.reset()
    for step_id in (1, 2):
        assert sender.send(topology.ACTS, stranger.key, stranger.act(step_id), **properties) == "kept"
        assert stranger.hear().step_id == step_id


def test_a_body_that_says_it_is_compressed_is_not_decompressed(sender, stranger):
    stranger.open(COUNTING)
    stranger.reset()
    bomb = gzip.compress(bytes(2**26))
    assert sender.send(topology.ACTS, stranger.key, bomb, content_encoding="gzip") == "kept"
    assert stranger.hear().code == ErrorCode.MALFORMED.value


def test_an_expiration_that_is_none_costs_the_sender_its_channel_and_nobody_else_anything(sender, stranger):
    stranger.open(COUNTING)
    stranger.reset()
    assert sender.send(topology.ACTS, stranger.key, stranger.act(1), expiration="abc") == "406"
    stranger.send(stranger.act(1))
    assert isinstance(stranger.hear(), Percept)


def test_a_body_above_the_limit_is_refused_by_the_worker_or_by_the_broker_and_all_episodes_go_on(
    sender, stranger, worker, remote
):
    neighbour = remote(COUNTING)
    neighbour.reset()
    connection = worker._connection
    stranger.open(COUNTING)
    stranger.reset()
    assert sender.send(topology.ACTS, stranger.key, bytes(MESSAGE_MAX + 2**22)) == "kept"
    error = stranger.hear()
    assert error.code == ErrorCode.MALFORMED.value
    assert f"at most {MESSAGE_MAX} are legal" in error.text
    assert sender.send(topology.ACTS, stranger.key, bytes(topology.INBOX_BYTES + 1)) == "refused"
    assert sender.send(topology.REQUESTS, COUNTING, bytes(MESSAGE_MAX + 2**22)) == "kept"
    assert remote(COUNTING).reset()[0] == [0]
    assert neighbour.step(0)[0] == [1]
    stranger.send(stranger.act(1))
    assert isinstance(stranger.hear(), Percept)
    assert worker._connection is connection, "no connection was lost over it"
    assert worker.ignored["no message"] == 1


def test_a_request_that_shows_a_fault_of_ours_ends_no_worker(worker, remote, broker_url, monkeypatch, caplog):
    """The broker would give it to the next worker, and end that, too."""
    understand = intake.understand

    def broken(body, incarnation, catalogue):
        if body == b"poison":
            raise IndexError("a fault of ours")
        return understand(body, incarnation, catalogue)

    monkeypatch.setattr(intake, "understand", broken)
    connection = connect(broker_url, timeout_s=10.0)
    deadline = time.monotonic() + PATIENCE_S
    assert connection.publish(topology.REQUESTS, COUNTING, b"poison", deadline=deadline) is Receipt.ROUTED
    eventually(lambda: worker.ignored["unreadable"] == 1, "it is dropped")
    assert "IndexError: a fault of ours" in caplog.text
    assert remote(COUNTING).reset()[0] == [0]
    connection.close()


def test_a_message_that_shows_a_fault_of_ours_costs_its_episode_and_no_other(worker, remote, monkeypatch, caplog):
    victim, neighbour = remote(COUNTING), remote(COUNTING)
    for env in (victim, neighbour):
        env.reset()
    episode = next(iter(worker.slots.values())).episode
    monkeypatch.setattr(episode.dialogue, "receive", lambda body: 1 / 0)
    with pytest.raises(WorkerLost, match="a fault of the env worker"):
        victim.step(0)
    assert "ZeroDivisionError" in caplog.text
    assert neighbour.step(0)[0] == [1]
    assert remote(COUNTING).reset()[0] == [0]
    assert len(worker.slots) == 2
