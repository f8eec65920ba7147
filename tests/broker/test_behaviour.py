"""What the port promises, over both transports."""

from __future__ import annotations

import threading
import time

import pytest

import broker
from broker import Kind, Receipt, topology
from tests.broker.site import bodies, eventually, quiet, soon


def test_a_request_and_its_reply_go_round(site):
    acts, act_key = site.acts(token="episode 1")
    percepts, percept_key = site.percepts(token="proxy 1")
    site.agent.send(topology.ACTS, act_key, b"act")
    request = acts.get(soon())
    assert (request.kind, request.token, request.body) == (Kind.MESSAGE, "episode 1", b"act")
    site.env.send(topology.PERCEPTS, percept_key, b"percept", settles=request)
    reply = percepts.get(soon())
    assert (reply.kind, reply.token, reply.body, reply.redelivered) == (Kind.MESSAGE, "proxy 1", b"percept", False)


def test_messages_arrive_in_the_order_they_were_sent(site):
    percepts, key = site.percepts()
    sent = [b"%d" % number for number in range(200)]
    for body in sent:
        site.env.send(topology.PERCEPTS, key, body)
    assert bodies(percepts, 200) == sent


@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 131063, 131064, 131065, 262128, 262129, 5_000_000])
def test_a_body_of_any_size_arrives_as_it_was(site, size):
    percepts, key = site.percepts()
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    for tail in (b"", b"!"):
        site.env.send(topology.PERCEPTS, key, body + tail)
    assert bodies(percepts, 2) == [body, body + b"!"]


def test_a_message_that_nobody_has_a_queue_for_comes_back_to_who_watches_its_key(site):
    mailbox = site.agent.mailbox()
    site.agent.watch("nobody.a", mailbox, "a")
    site.agent.watch("nobody.b", mailbox, "b")
    site.agent.send(topology.ACTS, "nobody.b", b"body")
    site.agent.send(topology.ACTS, "nobody.a", b"x" * 300_000)
    first, second = mailbox.get(soon()), mailbox.get(soon())
    assert (first.kind, first.token, first.key, first.body) == (Kind.RETURNED, "b", "nobody.b", b"body")
    assert (second.kind, second.token, second.body) == (Kind.RETURNED, "a", b"x" * 300_000)


def test_returns_that_nobody_watches_any_more_are_dropped(site):
    mailbox = site.agent.mailbox()
    site.agent.watch("nobody", mailbox, "forgotten")
    site.agent.watch("also nobody", mailbox, "watched")
    site.agent.unwatch("nobody")
    site.agent.send(topology.ACTS, "nobody", b"")
    site.agent.send(topology.ACTS, "also nobody", b"")
    assert mailbox.get(soon()).token == "watched"
    assert quiet(mailbox)


def test_an_inbox_answers_to_all_of_its_keys(site):
    mailbox, keys = site.env.mailbox(), [f"{name}.{site.env.incarnation}" for name in ("first", "second")]
    found = site.env.inbox(topology.ACTS, keys, mailbox, "token", prefetch=8, deadline=soon())
    assert found.queue == keys[0]
    for key in keys:
        site.agent.send(topology.ACTS, key, key.encode())
    assert bodies(mailbox, 2) == [key.encode() for key in keys]


def test_an_inbox_of_another_connection_cannot_be_taken(site, connect):
    _, key = site.percepts()
    thief = connect()
    with pytest.raises(broker.QueueTaken, match=key):
        thief.inbox(topology.PERCEPTS, [key], thief.mailbox(), "token", prefetch=0, deadline=soon())
    mailbox = thief.mailbox()  # and the thief goes on with what is his
    thief.inbox(topology.PERCEPTS, [f"{key}.mine"], mailbox, "token", prefetch=0, deadline=soon())
    site.env.send(topology.PERCEPTS, f"{key}.mine", b"for the thief")
    assert bodies(mailbox, 1) == [b"for the thief"]


def test_what_lay_in_an_inbox_before_it_was_cancelled_has_come_when_it_has_ended(site):
    for number in range(20):
        key, mailbox = f"ends.{number}.{site.agent.incarnation}", site.agent.mailbox()
        inbox = site.agent.inbox(topology.PERCEPTS, [key], mailbox, "token", prefetch=0, deadline=soon())
        assert site.env.publish(topology.PERCEPTS, key, b"in time", deadline=soon()) is Receipt.ROUTED
        site.agent.cancel(inbox)
        site.agent.outlive(inbox, soon())
        arrival = mailbox.get(0.0)
        assert arrival is not None
        assert (arrival.body, mailbox.get(0.0)) == (b"in time", None)


def test_a_cancelled_inbox_is_gone_for_who_sends_to_it(site):
    mailbox, returns = site.agent.mailbox(), site.env.mailbox()
    found = site.agent.inbox(topology.PERCEPTS, ["cancelled"], mailbox, "token", prefetch=0, deadline=soon())
    site.agent.cancel(found)
    site.agent.cancel(found)
    site.env.watch("cancelled", returns, "gone")

    def comes_back():
        site.env.send(topology.PERCEPTS, "cancelled", b"")
        arrival = returns.get(soon(0.05))
        return arrival is not None and arrival.kind is Kind.RETURNED

    eventually(comes_back, "a message to the cancelled inbox comes back")
    while (arrival := mailbox.get(soon(0.1))) is not None:  # what was under way; but no word of the cancel itself
        assert arrival.kind is Kind.MESSAGE


def test_no_more_than_prefetch_messages_are_handed_out_until_some_are_settled(site):
    acts, key = site.acts(prefetch=2)
    for number in range(4):
        site.agent.send(topology.ACTS, key, b"%d" % number)
    first, second = acts.get(soon()), acts.get(soon())
    assert quiet(acts)
    site.env.ack(first)
    assert bodies(acts, 1) == [b"2"]
    site.env.send(topology.PERCEPTS, "nobody", b"reply", settles=second)
    assert bodies(acts, 1) == [b"3"]


def test_settling_twice_or_at_another_connection_does_nothing(site):
    acts, key = site.acts(prefetch=1)
    site.agent.send(topology.ACTS, key, b"first")
    site.agent.send(topology.ACTS, key, b"second")
    first = acts.get(soon())
    site.agent.ack(first)
    assert quiet(acts)
    site.env.ack(first)
    site.env.ack(first)
    site.env.requeue(first)
    second = acts.get(soon())
    assert (second.body, second.redelivered) == (b"second", False)
    site.env.ack(second)
    assert quiet(acts)


def settled(connection, mailbox, first, count):
    """The bodies of ``first`` and of what comes after it, ``count`` in all; each is settled before the next comes."""
    connection.ack(first)
    found = [first.body]
    while len(found) < count:
        arrival = mailbox.get(soon())
        connection.ack(arrival)
        found.append(arrival.body)
    return found


def test_a_flood_of_requests_is_refused_at_a_bound_and_what_was_taken_is_kept(site):
    acts, key = site.acts(prefetch=1)

    def publish(body):
        return site.agent.publish(topology.ACTS, key, body, deadline=soon())

    sent = [b"%d" % number for number in range(topology.INBOX_LENGTH + 1)]
    assert publish(sent[0]) is Receipt.ROUTED
    first = acts.get(soon())  # one is handed out, the others wait
    for body in sent[1:]:
        assert publish(body) is Receipt.ROUTED
    assert publish(b"too many") is Receipt.REFUSED
    assert settled(site.env, acts, first, len(sent)) == sent
    assert quiet(acts)


def test_an_inbox_of_acts_refuses_what_it_has_no_bytes_for(site, monkeypatch):
    monkeypatch.setattr(topology, "INBOX_BYTES", 1000)
    acts, key = site.acts(prefetch=1)

    def publish(size):
        return site.agent.publish(topology.ACTS, key, bytes(size), deadline=soon())

    fits, refused = Receipt.ROUTED, Receipt.REFUSED
    assert publish(1) is fits
    first = acts.get(soon())  # what is handed out does not count
    assert [publish(size) for size in (400, 500, 101, 100, 1)] == [fits, fits, refused, fits, refused]
    assert [len(body) for body in settled(site.env, acts, first, 4)] == [1, 400, 500, 100]
    assert publish(1000) is Receipt.ROUTED, "there is room again"


def test_an_inbox_of_percepts_gives_up_the_oldest_for_what_it_has_no_bytes_for(site, monkeypatch):
    monkeypatch.setattr(topology, "INBOX_BYTES", 1000)
    percepts, key = site.percepts(prefetch=1)
    site.env.publish(topology.PERCEPTS, key, bytes(1), deadline=soon())
    first = percepts.get(soon())  # what is handed out does not count
    for size in (400, 500, 300, 200):
        assert site.env.publish(topology.PERCEPTS, key, bytes(size), deadline=soon()) is Receipt.ROUTED
    assert [len(body) for body in settled(site.agent, percepts, first, 4)] == [1, 500, 300, 200]


def test_an_agent_that_reads_too_slowly_loses_the_oldest_replies(site):
    percepts, key = site.percepts(prefetch=1)
    site.env.publish(topology.PERCEPTS, key, b"0", deadline=soon())
    first = percepts.get(soon())  # what is handed out does not count
    for number in range(1, topology.INBOX_LENGTH + 10):
        assert site.env.publish(topology.PERCEPTS, key, b"%d" % number, deadline=soon()) is Receipt.ROUTED
    found = settled(site.agent, percepts, first, topology.INBOX_LENGTH + 1)
    assert [int(body) for body in found] == [0, *range(10, topology.INBOX_LENGTH + 10)]


def test_a_make_tells_what_became_of_it(site):
    assert site.make() is Receipt.UNROUTABLE  # nobody has ever served this env
    mailbox = site.env.mailbox()
    subscription = site.env.serve(site.env_id, mailbox, "serving", soon())
    assert site.make(b"first") is Receipt.ROUTED
    arrival = mailbox.get(soon())
    assert (arrival.token, arrival.body) == ("serving", b"first")
    site.env.ack(arrival)
    site.leave(subscription)
    assert site.make(b"second") is Receipt.ROUTED  # the queue stays
    assert quiet(mailbox)
    site.env.serve(site.env_id, mailbox, "serving again", soon())
    arrival = mailbox.get(soon())
    assert (arrival.token, arrival.body) == ("serving again", b"second")
    site.env.ack(arrival)


def test_workers_compete_for_makes_one_at_a_time_each(site, connect):
    other = connect()
    boxes = [site.env.mailbox(), other.mailbox()]
    for connection, box in zip((site.env, other), boxes, strict=True):
        connection.serve(site.env_id, box, "serving", soon())
    for number in range(3):
        site.make(b"%d" % number)
    first, second = (box.get(soon()) for box in boxes)
    assert {first.body, second.body} == {b"0", b"1"}
    assert all(quiet(box) for box in boxes)
    other.ack(second)
    assert boxes[1].get(soon()).body == b"2"
    site.env.ack(first)


def test_a_make_that_is_given_back_goes_to_somebody_else_and_says_so(site, connect):
    other = connect()
    mine, theirs = site.env.mailbox(), other.mailbox()
    subscription = site.env.serve(site.env_id, mine, "serving", soon())
    site.make()
    arrival = mine.get(soon())
    assert not arrival.redelivered
    site.env.cancel(subscription)
    other.serve(site.env_id, theirs, "serving", soon())
    site.env.requeue(arrival)
    again = theirs.get(soon())
    assert (again.body, again.redelivered) == (b"make", True)
    other.ack(again)


def test_a_make_whose_worker_goes_away_is_given_to_another(site, connect):
    other = connect()
    mine, theirs = other.mailbox(), site.env.mailbox()
    other.serve(site.env_id, mine, "serving", soon())
    site.make()
    assert not mine.get(soon()).redelivered
    site.env.serve(site.env_id, theirs, "serving", soon())
    other.close()
    again = theirs.get(soon())
    assert (again.body, again.redelivered) == (b"make", True)
    site.env.ack(again)


def test_a_make_that_expired_is_given_to_nobody(site):
    mailbox = site.env.mailbox()
    site.served_once()
    for body, expires_s in ((b"late", 0.05), (b"in time", 60.0), (b"patient", 1e9)):
        sent = site.agent.publish(topology.REQUESTS, site.env_id, body, deadline=soon(), expires_s=expires_s)
        assert sent is Receipt.ROUTED
    expired = soon(0.1)
    eventually(lambda: time.monotonic() > expired, "the first has expired")
    site.env.serve(site.env_id, mailbox, "serving", soon())
    assert bodies(mailbox, 1) == [b"in time"]


def test_observers_hear_what_matches_their_patterns(site):
    mailbox, prefix = site.agent.mailbox(), site.env_id
    patterns = [f"{prefix}.*.step", f"{prefix}.last.#"]
    subscription = site.agent.listen(topology.EVENTS, patterns, mailbox, "observer", soon())
    for key in ("a.step", "a.reset", "a.b.step", "last", "last.step", "last.b.c"):
        site.env.announce(topology.EVENTS, f"{prefix}.{key}", key.encode())
    heard = [mailbox.get(soon()) for _ in range(4)]
    matching = ("a.step", "last", "last.step", "last.b.c")
    assert [arrival.key for arrival in heard] == [f"{prefix}.{key}" for key in matching]
    assert {(arrival.token, arrival.tag) for arrival in heard} == {("observer", 0)}
    assert quiet(mailbox)
    site.agent.cancel(subscription)


def test_an_announcement_that_nobody_hears_costs_nothing_and_comes_back_to_nobody(site):
    mailbox, key = site.env.mailbox(), f"{site.env_id}.a.step"
    site.env.watch(key, mailbox, "returns of send only")
    for _ in range(1000):
        site.env.announce(topology.EVENTS, key, b"x")
    assert quiet(mailbox)
    heard = site.agent.mailbox()
    site.agent.listen(topology.EVENTS, [key], heard, "observer", soon())

    def is_heard():
        site.env.announce(topology.EVENTS, key, b"x")
        return heard.get(soon(0.05)) is not None

    eventually(is_heard, "an observer that came later hears it")


def test_before_any_worker_has_been_there_the_topology_is_missing(empty_url):
    connection = broker.connect(empty_url, timeout_s=10)
    try:
        mailbox = connection.mailbox()
        with pytest.raises(broker.TopologyMissing, match=r"gym\.percepts"):
            connection.inbox(topology.PERCEPTS, ["key"], mailbox, "token", prefetch=0, deadline=soon())
        with pytest.raises(broker.TopologyMissing, match=r"gym\.presence"):
            connection.listen(topology.PRESENCE, ["#"], mailbox, "token", soon())
        assert connection.publish(topology.REQUESTS, "Env-v0", b"", deadline=soon()) is Receipt.UNROUTABLE
        connection.announce(topology.PRESENCE, "key", b"")

        def refused():
            try:
                connection.send(topology.ACTS, "key", b"")
            except broker.TopologyMissing as error:
                return "gym.acts" in str(error)
            return mailbox.get(soon(0.05)) is not None

        eventually(refused, "a send, or the next, says that the exchange is missing")
        connection.declare_exchanges(soon())
        connection.inbox(topology.PERCEPTS, ["key"], mailbox, "token", prefetch=0, deadline=soon())
        connection.send(topology.PERCEPTS, "key", b"now it works")
        assert bodies(mailbox, 1) == [b"now it works"]
    finally:
        connection.close()


def test_a_deadline_that_passes_gives_none(site):
    mailbox = site.agent.mailbox()
    before = time.monotonic()
    assert mailbox.get(before + 0.05) is None
    assert time.monotonic() >= before + 0.05
    assert mailbox.get(before) is None


def test_names_that_the_broker_cannot_carry_are_refused(site):
    long, mailbox = "x" * 256, site.env.mailbox()
    with pytest.raises(ValueError, match="255"):
        site.env.serve(long, mailbox, "token", soon())
    with pytest.raises(ValueError, match="255"):
        site.env.inbox(topology.ACTS, [long], mailbox, "token", prefetch=0, deadline=soon())
    with pytest.raises(ValueError, match="255"):
        site.env.inbox(topology.ACTS, ["short", long], mailbox, "token", prefetch=0, deadline=soon())
    for publish in (site.env.send, site.env.announce):
        with pytest.raises(ValueError, match="255"):
            publish(topology.ACTS, long, b"")
    with pytest.raises(ValueError, match="255"):
        site.env.publish(topology.ACTS, long, b"", deadline=soon())


def test_a_connection_says_where_it_leads_and_who_answers(site, broker_url):
    assert site.env.label == broker.label(broker_url)
    assert "guest" not in site.env.label
    assert set(site.env.server) == {"product", "version", "platform"}
    assert site.env.server["product"]
    assert site.env.incarnation != site.agent.incarnation
    assert len(bytes.fromhex(site.env.incarnation)) == 8


def test_run_hands_every_arrival_to_its_handler_until_the_deadline(site):
    acts, key = site.acts()
    handled: list[bytes] = []
    for number in range(3):
        site.agent.send(topology.ACTS, key, b"%d" % number)
    runs = 0
    while len(handled) < 3 and runs < 100:
        acts.run(lambda arrival: handled.append(arrival.body), soon(0.1))
        runs += 1
    assert handled == [b"0", b"1", b"2"]


def test_what_a_handler_raises_comes_out_of_run_and_what_follows_waits_for_the_next(site):
    acts, key = site.acts()
    handled: list[bytes] = []

    def handle(arrival):
        if not handled:
            handled.append(arrival.body)
            raise LookupError("handler")
        handled.append(arrival.body)

    site.agent.send(topology.ACTS, key, b"first")
    site.agent.send(topology.ACTS, key, b"second")
    with pytest.raises(LookupError, match="handler"):
        acts.run(handle, soon())
    assert handled == [b"first"]
    while len(handled) < 2:
        acts.run(handle, soon(0.05))
    assert handled == [b"first", b"second"]


def test_many_threads_share_a_connection_and_each_gets_only_its_own(site):
    """Fifty proxies over one connection, one worker behind another."""
    acts, act_key = site.acts(prefetch=64)
    stop = threading.Event()

    def echo(arrival):
        key, _, body = arrival.body.partition(b" ")
        site.env.send(topology.PERCEPTS, key.decode(), body, settles=arrival)

    def work():
        while not stop.is_set():
            acts.run(echo, soon(0.1))

    failures: list[str] = []

    def live(name: str):
        mailbox, key = site.percepts(f"{name}.{site.agent.incarnation}", token=name)
        for step in range(30):
            site.agent.send(topology.ACTS, act_key, f"{key} {name} {step}".encode())
            reply = mailbox.get(soon(60))
            if reply is None or reply.token != name or reply.body != f"{name} {step}".encode():
                failures.append(f"{name} at {step}: {reply}")
                return

    worker = threading.Thread(target=work)
    proxies = [threading.Thread(target=live, args=(f"proxy{number}",)) for number in range(50)]
    for thread in (worker, *proxies):
        thread.start()
    for thread in proxies:
        thread.join()
    stop.set()
    worker.join()
    assert failures == []
