"""What only ``memory://`` does: a waiting agent runs the worker inline."""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager

import pytest

import broker
from broker import memory, topology
from tests.broker.site import Site, bodies, eventually, soon
from tests.support.forks import in_a_child


@pytest.fixture
def broker_url() -> str:
    return f"memory://{secrets.token_hex(4)}"


@contextmanager
def running(mailbox, handle):
    """A worker thread inside ``run``; gives the list of what ``run`` raised."""
    stop, raised = threading.Event(), []

    def work():
        try:
            while not stop.is_set():
                mailbox.run(handle, soon(0.05))
        except (LookupError, broker.BrokerError) as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield raised
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def test_a_step_is_handled_on_the_thread_that_waits_for_it(site: Site):
    acts, act_key = site.acts()
    percepts, percept_key = site.percepts()
    handled_by: list[int] = []

    def echo(arrival):
        handled_by.append(threading.get_ident())
        site.env.send(topology.PERCEPTS, percept_key, arrival.body, settles=arrival)

    with running(acts, echo):
        for number in range(300):
            site.agent.send(topology.ACTS, act_key, b"%d" % number)
            assert bodies(percepts, 1) == [b"%d" % number]
    assert handled_by.count(threading.get_ident()) > 200


def test_a_worker_serves_agents_that_do_not_wait(site: Site):
    acts, key = site.acts()
    handled = threading.Event()
    with running(acts, lambda arrival: handled.set()):
        site.agent.send(topology.ACTS, key, b"nobody waits for the answer")
        assert handled.wait(10)


def test_what_a_handler_raises_reaches_its_worker_and_never_the_agent_on_whose_thread_it_ran(site: Site):
    acts, act_key = site.acts()
    percepts, _ = site.percepts()
    raised_on: list[int] = []

    def fail(arrival):
        raised_on.append(threading.get_ident())
        raise LookupError("the worker's own")

    with running(acts, fail) as raised:
        site.agent.send(topology.ACTS, act_key, b"first")
        site.agent.send(topology.ACTS, act_key, b"not handled any more")
        assert percepts.get(soon(0.3)) is None
        eventually(lambda: raised, "it has reached its worker")
    assert [str(error) for error in raised] == ["the worker's own"]
    assert len(raised_on) == 1


def test_an_interrupt_stays_on_the_thread_that_it_struck(site: Site):
    acts, act_key = site.acts()
    percepts, _ = site.percepts()
    mine = threading.get_ident()
    elsewhere = threading.Event()

    def interrupted(arrival):
        if threading.get_ident() == mine:
            raise KeyboardInterrupt
        elsewhere.set()

    with running(acts, interrupted) as raised:
        for _ in range(1000):
            site.agent.send(topology.ACTS, act_key, b"")
            try:
                percepts.get(soon(0.01))
            except KeyboardInterrupt:
                break
        else:
            pytest.fail("never handled on this thread")
        site.agent.send(topology.ACTS, act_key, b"the worker goes on")
        assert elsewhere.wait(10)
    assert raised == []


def test_a_handler_runs_on_one_thread_at_a_time_and_never_outside_of_run(site: Site):
    acts, act_key = site.acts(prefetch=64)
    inside, overlaps, outside = threading.Lock(), [], []
    running_now = threading.Event()

    def handle(arrival):
        if not inside.acquire(blocking=False):
            overlaps.append(arrival)
            return
        if not running_now.is_set():
            outside.append(arrival)
        key = arrival.body.decode()
        site.env.send(topology.PERCEPTS, key, b"", settles=arrival)
        inside.release()

    stop = threading.Event()

    def work():
        while not stop.is_set():
            running_now.set()
            acts.run(handle, soon(0.002))
            running_now.clear()

    def live(name):
        mailbox, key = site.percepts(name)
        for _ in range(200):
            site.agent.send(topology.ACTS, act_key, key.encode())
            if mailbox.get(soon(30)) is None:
                overlaps.append(name)

    threads = [threading.Thread(target=live, args=(f"agent{number}",)) for number in range(8)]
    worker = threading.Thread(target=work)
    for thread in (worker, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    worker.join()
    assert overlaps == []
    assert outside == []


def test_a_worker_may_itself_be_an_agent_of_another_worker(connect):
    """Four workers in a chain, each asking the next, and many agents asking the first.

    A thread inside one handler never begins another: that one could wait for the first for ever.
    """
    chain = [connect() for _ in range(4)]
    chain[0].declare_exchanges(soon())
    agents, wrong, inside = connect(), [], threading.local()
    stop = threading.Event()

    def worker(number):
        mine, connection = f"client{number}", chain[number]
        acts, replies = connection.mailbox(), connection.mailbox()
        connection.inbox(topology.ACTS, [f"worker{number}"], acts, "acts", prefetch=64, deadline=soon())
        connection.inbox(topology.PERCEPTS, [mine], replies, "replies", prefetch=0, deadline=soon())

        def handle(arrival):
            if getattr(inside, "a_handler", False):
                wrong.append("a handler inside of another")
            inside.a_handler = True
            key, _, path = arrival.body.decode().partition(" ")
            if number + 1 < len(chain):
                connection.send(topology.ACTS, f"worker{number + 1}", f"{mine} {path}>{number}".encode())
                path = replies.get(soon(60)).body.decode()
            connection.send(topology.PERCEPTS, key, f"{path}<{number}".encode(), settles=arrival)
            inside.a_handler = False

        def work():
            while not stop.is_set():
                acts.run(handle, soon(0.05))

        return threading.Thread(target=work)

    def agent(name):
        mailbox = agents.mailbox()
        agents.inbox(topology.PERCEPTS, [name], mailbox, name, prefetch=0, deadline=soon())
        for _ in range(20):
            agents.send(topology.ACTS, "worker0", f"{name} {name}".encode())
            reply = mailbox.get(soon(60))
            if reply is None or reply.body.decode() != f"{name}>0>1>2<3<2<1<0":
                wrong.append(reply)

    workers = [worker(number) for number in range(4)]
    threads = [threading.Thread(target=agent, args=(f"agent{number}",)) for number in range(6)]
    for thread in (*workers, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    for thread in workers:
        thread.join()
    assert wrong == []


def test_a_worker_that_is_slow_elsewhere_does_not_keep_an_agent_past_one_handler(site: Site):
    acts, act_key = site.acts(prefetch=64)
    percepts, _ = site.percepts()
    handled: list[int] = []

    def ignore(arrival):
        handled.append(threading.get_ident())
        site.agent.send(topology.ACTS, act_key, b"and again")  # there is always more to do

    site.agent.send(topology.ACTS, act_key, b"")
    with running(acts, ignore):
        assert percepts.get(soon(0.05)) is None
        eventually(lambda: handled, "one is handled")


def test_a_connection_can_be_lost_as_a_network_would_lose_it(site: Site):
    percepts, _ = site.percepts()
    assert isinstance(site.agent, memory.MemoryConnection)
    site.agent.lose("a cable was pulled")
    with pytest.raises(broker.ConnectionLost, match="a cable was pulled"):
        percepts.get(soon())


def test_workers_learn_of_the_loss_of_their_connection(site: Site):
    acts, _ = site.acts()
    with running(acts, lambda arrival: None) as raised:
        site.env.lose("a cable was pulled")
        eventually(lambda: raised, "the worker has learnt of it")
    assert [type(error) for error in raised] == [broker.ConnectionLost]


def test_a_mailbox_of_another_transport_is_refused(site: Site):
    with pytest.raises(TypeError, match="memory"):
        site.env.watch("key", object(), "token")
    with pytest.raises(TypeError, match="memory"):
        site.env.cancel(object())


def test_brokers_of_other_names_do_not_hear_each_other(site: Site):
    stranger = memory.connect(secrets.token_hex(4))
    stranger.declare_exchanges(soon())
    _, key = site.percepts()
    mailbox = stranger.mailbox()
    stranger.watch(key, mailbox, "nobody here")
    stranger.send(topology.PERCEPTS, key, b"")
    assert mailbox.get(soon()).token == "nobody here"
    stranger.close()


def test_who_waits_for_several_hears_the_fast_worker_while_the_slow_one_is_at_work(site: Site, connect):
    fast, slow = (other := connect()).mailbox(), site.env.mailbox()
    other.inbox(topology.ACTS, ["fast"], fast, "fast", prefetch=1, deadline=soon())
    site.env.inbox(topology.ACTS, ["slow"], slow, "slow", prefetch=1, deadline=soon())
    (one, one_key), (both, both_key) = site.percepts("one"), site.percepts("both")
    one.join(both)
    go_on = threading.Event()

    def be_slow(arrival):
        assert go_on.wait(20)
        site.env.send(topology.PERCEPTS, one_key, b"slow", settles=arrival)

    def be_fast(arrival):
        other.send(topology.PERCEPTS, both_key, b"fast", settles=arrival)

    with running(slow, be_slow), running(fast, be_fast):
        for key in ("slow", "fast"):
            site.agent.send(topology.ACTS, key, b"")
        assert bodies(both, 1) == [b"fast"]
        go_on.set()
        assert bodies(both, 1) == [b"slow"]


class LostFirst:
    """The lock of a hub, for which ``connection.close`` in another thread was first."""

    def __init__(self, lock, connection):
        self.lock, self.connection = lock, connection

    def __enter__(self):
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()  # which takes the lock, too
        self.lock.acquire()

    def __exit__(self, *error):
        self.lock.release()


USES = {
    "mailbox": lambda env, box, arrival: env.mailbox(),
    "declare_exchanges": lambda env, box, arrival: env.declare_exchanges(soon()),
    "renew": lambda env, box, arrival: env.renew(["X"], []),
    "serve": lambda env, box, arrival: env.serve("X", box, "make", soon()),
    "inbox": lambda env, box, arrival: env.inbox(topology.ACTS, ["k"], box, "act", prefetch=1, deadline=soon()),
    "listen": lambda env, box, arrival: env.listen(topology.PRESENCE, ["#"], box, "ask", soon()),
    "watch": lambda env, box, arrival: env.watch("k", box, "watch"),
    "send": lambda env, box, arrival: env.send(topology.PERCEPTS, "k", b""),
    "send that settles": lambda env, box, arrival: env.send(topology.PERCEPTS, "k", b"", settles=arrival),
    "publish": lambda env, box, arrival: env.publish(topology.PERCEPTS, "k", b"", deadline=soon()),
    "keep": lambda env, box, arrival: env.keep(topology.EVALUATIONS, "k", b"", soon()),
    "kept": lambda env, box, arrival: env.kept(topology.EVALUATIONS, "k", soon()),
    "announce": lambda env, box, arrival: env.announce(topology.PRESENCE, "k", b""),
    "ack": lambda env, box, arrival: env.ack(arrival),
    "requeue": lambda env, box, arrival: env.requeue(arrival),
    "cancel": lambda env, box, arrival: env.cancel(arrival.token),
    "outlive": lambda env, box, arrival: env.outlive(arrival.token, soon()),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_connection_that_ends_while_it_is_used_leaves_nothing_that_nobody_reads(site: Site, connect, use):
    hub, box, helper = site.env._hub, site.env.mailbox(), connect()
    requests = topology.requests_spec("X")
    taken = site.env.serve("X", box, "make", soon())
    helper.publish(topology.REQUESTS, "X", b"first", deadline=soon())
    arrival = box.get(soon())
    arrival.token = taken
    hub.lock = LostFirst(hub.lock, site.env)
    with pytest.raises(broker.ConnectionLost):
        use(site.env, box, arrival)
    assert all(one.owner is not site.env for queue in hub.exchanges.queues.values() for one in queue.consumers)
    assert [message.body for message in hub.exchanges.queues[requests.name].ready] == [b"first"], "it is given back"


def test_a_forked_child_is_refused_where_a_thread_of_its_parent_holds_the_lock(site: Site):
    def child():
        with pytest.raises(broker.ConnectionForked):
            site.env.send(topology.PERCEPTS, "k", b"")
        return "refused"

    with site.env._hub.lock:
        assert in_a_child(child) == "refused"
