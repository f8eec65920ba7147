"""What only a connection to RabbitMQ can meet: refusals, losses, silence, back-pressure."""

from __future__ import annotations

import re
import secrets
import socket
import threading
import time

import pika
import pytest

import broker
from broker import Kind, Receipt, topology
from broker.amqp import framing
from broker.amqp.publisher import MOST_KEYS
from tests.broker.site import bodies, eventually, quiet, soon
from tools.rabbit import free_ports

PASSWORD = "s3cret-pa55"


@pytest.fixture
def broker_url(rabbit) -> str:
    """Its own RabbitMQ: these tests close connections and delete queues behind its back."""
    url: str = rabbit.url
    return url


def refused(url: str, kind: type[broker.BrokerError]) -> str:
    """The text of the refusal of ``url``; with everything that hangs on it, it has no password."""
    with pytest.raises(kind) as caught:
        broker.connect(url, timeout_s=0)
    error: BaseException | None = caught.value
    while error is not None:
        assert PASSWORD not in str(error)
        assert PASSWORD not in repr(error)
        error = error.__cause__ or error.__context__
    return str(caught.value)


def test_a_wrong_password_is_refused_by_name_and_not_shown(rabbit):
    text = refused(rabbit.url_of("guest", PASSWORD), broker.AccessRefused)
    assert "user 'guest'" in text
    assert str(rabbit.port) in text


def test_a_wrong_virtual_host_is_refused_by_name(rabbit):
    assert "'nowhere'" in refused(rabbit.url_of("guest", "guest", "nowhere"), broker.AccessRefused)


def test_a_broker_that_is_not_there_is_named_without_user_and_password():
    (port,) = free_ports(1)
    text = refused(f"amqp://someone:{PASSWORD}@127.0.0.1:{port}/", broker.BrokerUnreachable)
    assert f"amqp://127.0.0.1:{port}/" in text
    assert "refused" in text
    assert "someone" not in text


def test_a_host_without_an_address_is_unreachable():
    assert "no.such.host.invalid" in refused("amqp://no.such.host.invalid/", broker.BrokerUnreachable)
    assert "unreachable" not in refused(f"amqp://{'x' * 70}.invalid/", broker.BrokerUnreachable)


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not AMQP"),
        (b"AMQP\x00\x00\x09\x00", "another version"),
        (b"", "without a word"),
    ],
)
def test_a_peer_that_speaks_something_else_is_no_broker(greeting, says):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            peer, _ = server.accept()
            with peer:
                peer.recv(8)
                peer.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        text = refused(f"amqp://u:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}/", broker.BrokerUnreachable)
        thread.join()
    assert says in text


def test_a_peer_that_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = refused(f"amqp://127.0.0.1:{server.getsockname()[1]}/", broker.BrokerUnreachable)
    assert "handshake" in text


def test_who_waits_learns_that_the_broker_closed_the_connection_and_why(rabbit, site):
    percepts, _ = site.percepts()
    caught: list[str] = []

    def wait():
        with pytest.raises(broker.ConnectionLost) as lost:
            site.agent.mailbox().get(soon(60))
        caught.append(str(lost.value))

    thread = threading.Thread(target=wait)
    thread.start()
    rabbit.ctl("close_all_connections", "maintenance tonight")
    with pytest.raises(broker.ConnectionLost, match=r"320 .*maintenance tonight"):
        percepts.get(soon())
    thread.join()
    assert "maintenance tonight" in caught[0]
    assert site.agent.label in caught[0]
    with pytest.raises(broker.ConnectionLost, match="maintenance tonight"):
        site.agent.send(topology.ACTS, "key", b"")


def test_a_connection_that_nobody_waits_on_notices_its_loss(rabbit, connect):
    lonely = broker.connect(f"{rabbit.url}?heartbeat=1", timeout_s=10)
    rabbit.ctl("close_all_connections", "bye")
    eventually(lambda: lonely.closed, "the keeper notices")
    lonely.close()


def test_a_queue_deleted_under_its_consumer_is_told_to_it_and_to_nobody_else(rabbit, site):
    acts, key = site.acts(token="deleted")
    other, other_key = site.acts(f"other.{site.env.incarnation}")
    serving = site.env.mailbox()
    site.env.serve(site.env_id, serving, "serving", soon())
    for queue in (key, topology.requests_queue(site.env_id)):
        rabbit.ctl("delete_queue", queue)
    gone = [acts.get(soon()), serving.get(soon())]
    assert [(one.kind, one.token, one.tag) for one in gone] == [
        (Kind.CANCELLED, "deleted", 0),
        (Kind.CANCELLED, "serving", 0),
    ]
    site.agent.send(topology.ACTS, other_key, b"still there")
    assert bodies(other, 1) == [b"still there"]


def test_a_queue_deleted_right_after_its_consumer_has_begun_is_told_to_it(site, connect, monkeypatch):
    """Both may come in one read, or another thread may read the second."""
    mailbox, operator = site.env.mailbox(), connect()
    reply = site.env.reply

    def late(*what):
        outcome = reply(*what)
        operator._drop(topology.requests_spec("Deleted").name)
        eventually(lambda: site.env.pump.breathe() or not site.env._subscriptions, "it is known to be deleted")
        return outcome

    monkeypatch.setattr(site.env, "reply", late)
    site.env.serve("Deleted", mailbox, "requests", soon())
    arrival = mailbox.get(soon())
    assert (arrival.kind, arrival.token) == (Kind.CANCELLED, "requests")


def test_heartbeats_are_kept_while_nobody_waits(rabbit):
    """Three times the heartbeat in silence: RabbitMQ closes a connection after two."""
    quiet_one = broker.connect(f"{rabbit.url}?heartbeat=3", timeout_s=10)
    until = time.monotonic() + 10.0
    while time.monotonic() < until:
        assert not quiet_one.closed
        time.sleep(0.1)
    assert quiet_one.publish(topology.REQUESTS, secrets.token_hex(4), b"", deadline=soon()) is Receipt.UNROUTABLE
    quiet_one.close()


def test_queues_are_declared_as_the_topology_says(rabbit, site):
    _, act_key = site.acts()
    site.env.serve(site.env_id, site.env.mailbox(), "make", soon())
    site.agent.listen(topology.EVENTS, ["#"], site.agent.mailbox(), "events", soon())
    listed = rabbit.ctl("list_queues", "name", "durable", "exclusive", "auto_delete", "arguments", "--no-table-headers")
    rows = {line.split("\t")[0]: line for line in listed.splitlines()}
    assert re.search(r'\ttrue\tfalse\tfalse\t.*"x-dead-letter-exchange","gym.dead"', rows[f"requests.{site.env_id}"])
    assert '"x-max-length",10000' in rows[f"requests.{site.env_id}"]
    assert '"x-overflow","reject-publish"' in rows[act_key]
    assert re.search(r'\tfalse\ttrue\tfalse\t.*"x-max-length",256', rows[act_key])
    assert '"x-overflow","drop-head"' in rows[f"observer.{site.agent.incarnation}.1"]
    assert '"x-message-ttl",604800000' in rows["gym.dead"]


def test_a_make_that_expires_is_kept_with_the_dead_letters(rabbit, site):
    site.served_once()
    site.agent.publish(topology.REQUESTS, site.env_id, b"too late", deadline=soon(), expires_s=0.01)
    raw = pika.BlockingConnection(pika.URLParameters(rabbit.url))
    try:
        channel, found = raw.channel(), []

        def is_dead():
            while (got := channel.basic_get(topology.DEAD, auto_ack=True))[0] is not None:  # others' may lie there, too
                found.append((got[0].routing_key, got[2]))
            return (site.env_id, b"too late") in found

        eventually(is_dead, "the expired make lies in gym.dead")
    finally:
        raw.close()


def test_operators_see_who_is_connected(rabbit):
    name = f"env worker {secrets.token_hex(4)}"
    connection = broker.connect(rabbit.url, timeout_s=10, name=name)
    assert name in rabbit.ctl("list_connections", "client_properties")
    connection.close()


def test_a_late_ack_after_the_queue_is_gone_harms_nobody(site):
    mailbox = site.env.mailbox()
    doomed = site.env.inbox(topology.ACTS, ["doomed"], mailbox, "token", prefetch=4, deadline=soon())
    for _ in range(2):
        site.agent.send(topology.ACTS, "doomed", b"act")
    first, second = mailbox.get(soon()), mailbox.get(soon())
    site.env.cancel(doomed)
    assert quiet(mailbox)
    site.env.ack(first)
    site.env.requeue(second)
    other, key = site.acts()
    site.agent.send(topology.ACTS, key, b"all is well")
    assert bodies(other, 1) == [b"all is well"]


def test_to_renew_what_is_bound_to_a_queue_that_is_gone_refuses_nobody_else(rabbit, site):
    mailbox = site.env.mailbox()
    gone = site.env.listen(topology.PRESENCE, ["#"], mailbox, "gone", soon())
    rabbit.ctl("delete_queue", topology.observer_queue(site.env.incarnation, 1))
    site.env.renew([], [gone])
    site.env.listen(topology.PRESENCE, ["#"], mailbox, "another", soon())
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as raw:
        raw.channel().exchange_delete(topology.EVENTS)
    site.env.renew([], [])
    eventually(lambda: topology.EVENTS in rabbit.ctl("list_exchanges", "name").split(), "it is declared again")


def test_the_name_of_a_world_can_be_bound_anew(rabbit, site):
    key, mailbox = topology.world_key(site.env_id, "table"), site.env.mailbox()
    world = site.env.inbox(topology.WORLDS, [key], mailbox, "world", prefetch=8, deadline=soon())
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as raw:
        raw.channel().exchange_delete(topology.WORLDS)
    site.env.renew([], [world])
    routed = lambda: site.agent.publish(topology.WORLDS, key, b"make", deadline=soon()) is Receipt.ROUTED
    eventually(routed, "who asks for the world finds it")


@pytest.mark.parametrize("deleted", ["queue", "exchange"])
def test_the_queue_of_makes_can_be_renewed_by_who_takes_nothing_from_it_now(rabbit, site, deleted):
    site.served_once()
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as raw:
        if deleted == "queue":
            raw.channel().queue_delete(topology.requests_queue(site.env_id))
        else:
            raw.channel().exchange_delete(topology.REQUESTS)
            site.env.declare_exchanges(soon())
    assert site.make() is Receipt.UNROUTABLE
    site.env.renew([site.env_id], [])
    eventually(lambda: site.make() is Receipt.ROUTED, "agents find the line")


@pytest.fixture
def largest(rabbit):
    """Bytes of the largest message that the broker takes on channels that are opened from now on."""

    def limit(size):  # the first is where RabbitMQ 3 looks, the second where RabbitMQ 4 does
        where = f"application:set_env(rabbit, max_message_size, {size}), persistent_term:put(max_message_size, {size})."
        rabbit.ctl("eval", where)

    former = rabbit.ctl("eval", "{ok, Size} = application:get_env(rabbit, max_message_size), Size.").strip()
    limit(1_000_000)
    yield 1_000_000
    limit(int(former))


def test_a_body_that_the_broker_finds_too_large_is_told_and_takes_no_delivery_with_it(largest, site):
    acts, key = site.acts()
    too_large = bytes(largest + 1)
    with pytest.raises(broker.BrokerError, match="message size 1000001"):
        site.agent.publish(topology.ACTS, key, too_large, deadline=soon())
    waiting = site.agent.mailbox()
    with pytest.raises(broker.BrokerError, match="message size 1000001"):
        for _ in range(200):  # the broker takes its time on a loaded machine
            site.agent.send(topology.ACTS, key, too_large)
            waiting.get(soon(0.2))
    percepts, percept_key = site.percepts()
    site.agent.send(topology.ACTS, key, b"small enough")
    site.env.send(topology.PERCEPTS, percept_key, b"reply", settles=acts.get(soon()))
    assert bodies(percepts, 1) == [b"reply"]


def test_an_idle_connection_acks_what_it_kept_back(site, monkeypatch):
    acts, key = site.acts(prefetch=4)
    written = []
    write = site.env.adapter.write

    def noting(data):
        if data[0] != framing.HEARTBEAT:  # one may be due at any moment
            written.append(data)
        write(data)

    monkeypatch.setattr(site.env.adapter, "write", noting)
    site.agent.send(topology.ACTS, key, b"act")
    site.env.ack(acts.get(soon()))
    assert written == []
    site.env.settle_idle()
    assert [framing.SETTLE.unpack(one)[3] for one in written] == [framing.ACK]


def test_nothing_is_kept_of_the_keys_of_dialogues_that_are_over(site):
    heads, mailbox = vars(site.env)["_heads"], site.env.mailbox()
    for number in range(3):
        site.env.watch(f"over.{number}", mailbox, "token")
        site.env.send(topology.PERCEPTS, f"over.{number}", b"percept")
        assert len(heads) == 1
        site.env.unwatch(f"over.{number}")
    assert not heads


def test_of_keys_that_nobody_watches_a_bounded_number_is_remembered(site):
    heads = vars(site.env)["_heads"]
    for number in range(MOST_KEYS + 10):
        site.env.send(topology.PERCEPTS, f"stranger.{number}", b"refused")
    assert len(heads) <= MOST_KEYS
