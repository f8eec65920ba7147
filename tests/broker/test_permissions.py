"""Two RabbitMQ users with the least rights: all that each needs works, and each is refused what is the other's."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

import broker
from broker import Receipt, topology
from broker.permissions import AGENT, ENV, rabbitmqctl_commands
from tests.broker.site import eventually, soon

EPISODE = "e" * 32


class Users(NamedTuple):
    """A virtual host with both users in it."""

    env_url: str
    agent_url: str
    env: broker.Connection
    agent: broker.Connection


@pytest.fixture(scope="module")
def users(rabbit):
    name = secrets.token_hex(4)
    vhost, env_user, agent_user = f"vhost-{name}", f"env-{name}", f"agent-{name}"
    for command in rabbitmqctl_commands(vhost, env_user, agent_user):
        rabbit.ctl(*command, stdin="secret" if command[0] == "add_user" else "")
    urls = [rabbit.url_of(user, "secret", vhost) for user in (env_user, agent_user)]
    env, agent = (broker.connect(url, timeout_s=10) for url in urls)
    env.declare_exchanges(soon())
    yield Users(*urls, env, agent)
    env.close()
    agent.close()


def test_a_whole_episode_works_with_each_side_under_its_own_user(users):
    env, agent, env_id = users.env, users.agent, "module:Env-v0"
    serving, acts, percepts = env.mailbox(), env.mailbox(), agent.mailbox()
    presence = [(env, env.mailbox()), (agent, agent.mailbox())]
    for connection, mailbox in presence:
        connection.listen(topology.PRESENCE, ["#"], mailbox, "presence", soon())
    agent.listen(topology.EVENTS, ["#"], percepts, "events", soon())
    subscription = env.serve(env_id, serving, "make", soon())

    percept_keys = [topology.percept_key(EPISODE, agent.incarnation), topology.percept_control_key(EPISODE)]
    agent.inbox(topology.PERCEPTS, percept_keys, percepts, "percept", prefetch=0, deadline=soon())
    sent = agent.publish(topology.REQUESTS, env_id, b"make", deadline=soon(), persistent=True, expires_s=60)
    assert sent is Receipt.ROUTED
    make = serving.get(soon())
    act_keys = [topology.act_key(EPISODE, env.incarnation), topology.act_control_key(EPISODE)]
    inbox = env.inbox(topology.ACTS, act_keys, acts, "act", prefetch=8, deadline=soon())
    env.send(topology.PERCEPTS, percept_keys[0], b"status", settles=make)
    assert percepts.get(soon()).body == b"status"
    agent.send(topology.ACTS, act_keys[1], b"act")
    env.send(topology.PERCEPTS, percept_keys[1], b"percept", settles=acts.get(soon()))
    assert percepts.get(soon()).body == b"percept"

    env.announce(topology.EVENTS, "Env.episode.step", b"event")
    assert percepts.get(soon()).token == "events"
    for connection in (env, agent):
        connection.announce(topology.PRESENCE, "here", b"presence")
    for _, mailbox in presence:
        assert [mailbox.get(soon()).body for _ in range(2)] == [b"presence"] * 2
    env.cancel(inbox)
    env.cancel(subscription)


def test_agents_share_an_evaluation_with_no_rights_of_the_env_sides(users):
    agent, env = users.agent, users.env
    key, mailbox = topology.evaluation_key("shared"), users.agent.mailbox()
    leading = agent.inbox(topology.EVALUATIONS, [key], mailbox, "leader", prefetch=0, deadline=soon())
    player = topology.player_key(key, agent.incarnation)
    playing = agent.inbox(topology.EVALUATIONS, [player], mailbox, "player", prefetch=0, deadline=soon())
    agent.send(topology.EVALUATIONS, key, b"take")
    agent.send(topology.EVALUATIONS, player, b"play")
    assert {mailbox.get(soon()).body for _ in range(2)} == {b"take", b"play"}
    kept = topology.evaluation_kept_key(key)
    agent.keep(topology.EVALUATIONS, kept, b"result", soon())
    assert agent.kept(topology.EVALUATIONS, kept, soon()) == b"result"

    for name in ("evaluation.mine", kept):
        with pytest.raises(broker.AccessRefused, match="evaluation"):
            env.inbox(topology.EVALUATIONS, [name], env.mailbox(), "spy", prefetch=0, deadline=soon())
    with pytest.raises(broker.AccessRefused, match=r"gym\.evaluations"):
        env.publish(topology.EVALUATIONS, key, b"forged", deadline=soon())
    for subscription in (leading, playing):
        agent.cancel(subscription)


@pytest.mark.parametrize("exchange", [topology.PERCEPTS, topology.EVENTS, topology.DEAD])
def test_an_agent_may_not_say_what_workers_say(users, exchange):
    with pytest.raises(broker.AccessRefused, match=exchange):
        users.agent.publish(exchange, "key", b"forged", deadline=soon())


@pytest.mark.parametrize("exchange", [topology.REQUESTS, topology.ACTS])
def test_a_worker_may_not_say_what_agents_say(users, exchange):
    with pytest.raises(broker.AccessRefused, match=exchange):
        users.env.publish(exchange, "key", b"forged", deadline=soon())


def test_a_refused_publish_takes_no_other_with_it(users):
    env, refused, kept = users.env, 0, 0
    env.cancel(env.serve("Kept-v0", env.mailbox(), "make", soon()))
    for _ in range(20):
        with pytest.raises(broker.AccessRefused):
            users.agent.publish(topology.PERCEPTS, "key", b"forged", deadline=soon())
        refused += 1
        kept += users.agent.publish(topology.REQUESTS, "Kept-v0", b"make", deadline=soon()) is Receipt.ROUTED
    assert (refused, kept) == (20, 20)


def test_a_refused_send_is_told_to_the_next_and_the_connection_lives(users):
    mailbox = users.agent.mailbox()
    with pytest.raises(broker.AccessRefused, match=r"gym\.percepts"):
        for _ in range(200):
            users.agent.send(topology.PERCEPTS, "key", b"forged")
            mailbox.get(soon(0.05))
    users.agent.watch("nobody", mailbox, "nobody")

    def lives():
        users.agent.send(topology.ACTS, "nobody", b"")
        return mailbox.get(soon(0.2)) is not None

    eventually(lives, "what the agent may send comes back as unroutable")


def test_a_refused_announcement_is_not_told_and_costs_nothing_else(users):
    mailbox = users.agent.mailbox()
    users.agent.announce(topology.EVENTS, "key", b"forged")
    assert mailbox.get(soon(0.2)) is None
    users.agent.announce(topology.EVENTS, "key", b"forged")
    assert not users.agent.closed


def test_an_agent_may_neither_declare_exchanges_nor_serve_nor_own_act_queues(users):
    agent = users.agent
    with pytest.raises(broker.AccessRefused, match="gym"):
        agent.declare_exchanges(soon())
    with pytest.raises(broker.AccessRefused, match="requests"):
        agent.serve("Env-v0", agent.mailbox(), "make", soon())
    key = topology.act_key(EPISODE, agent.incarnation)
    with pytest.raises(broker.AccessRefused, match="act"):
        agent.inbox(topology.ACTS, [key], agent.mailbox(), "act", prefetch=1, deadline=soon())
    key = topology.percept_key(EPISODE, "spy")
    with pytest.raises(broker.AccessRefused, match=r"gym\.acts"):  # its own queue, but bound to acts
        agent.inbox(topology.ACTS, [key], agent.mailbox(), "act", prefetch=1, deadline=soon())
    assert not agent.closed


def test_an_agent_may_ask_the_host_of_a_world_but_neither_host_one_nor_hear_who_asks(users):
    env, agent, mailbox = users.env, users.agent, users.env.mailbox()
    key = topology.world_key("Env-v0", "table")
    env.inbox(topology.WORLDS, [key], mailbox, "world", prefetch=4, deadline=soon())
    for connection in (env, agent):
        assert connection.publish(topology.WORLDS, key, b"make", deadline=soon()) is Receipt.ROUTED
        env.ack(mailbox.get(soon()))
    with pytest.raises(broker.AccessRefused, match="world"):
        agent.inbox(topology.WORLDS, [f"{key}0"], agent.mailbox(), "world", prefetch=4, deadline=soon())
    key = topology.percept_key(EPISODE, "spy")
    with pytest.raises(broker.AccessRefused, match=r"gym\.worlds"):  # its own queue, but bound to worlds
        agent.inbox(topology.WORLDS, [key], agent.mailbox(), "act", prefetch=1, deadline=soon())


def test_a_worker_may_not_own_percept_queues_or_read_percepts(users):
    env = users.env
    key = topology.percept_key(EPISODE, env.incarnation)
    with pytest.raises(broker.AccessRefused, match="percept"):
        env.inbox(topology.PERCEPTS, [key], env.mailbox(), "percept", prefetch=0, deadline=soon())
    key = topology.act_key(EPISODE, "spy")
    with pytest.raises(broker.AccessRefused, match=r"gym\.percepts"):
        env.inbox(topology.PERCEPTS, [key], env.mailbox(), "percept", prefetch=0, deadline=soon())
    with pytest.raises(broker.AccessRefused, match=r"gym\.events"):
        env.listen(topology.EVENTS, ["#"], env.mailbox(), "events", soon())
    assert not env.closed


RAW = {
    "consume": lambda channel, queue: channel.basic_get(queue),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "declare": lambda channel, queue: channel.queue_declare(queue, durable=True),
    "bind": lambda channel, queue: channel.queue_bind(queue, topology.PRESENCE, "#"),
}


@pytest.mark.parametrize("operation", RAW)
@pytest.mark.parametrize(
    ("side", "queue"),
    [
        ("agent", "requests.Kept-v0"),
        ("agent", topology.DEAD),
        ("agent", topology.act_key(EPISODE, "i")),
        ("agent", topology.world_key("Env-v0", "table")),
        ("env", topology.percept_key(EPISODE, "i")),
        ("env", topology.evaluation_kept_key(topology.evaluation_key("shared"))),
        ("env", "anything"),
        ("agent", "anything"),
    ],
)
def test_no_amqp_client_with_these_users_gets_at_a_queue_of_the_other(users, side, queue, operation):
    users.env.cancel(users.env.serve("Kept-v0", users.env.mailbox(), "make", soon()))
    url = users.agent_url if side == "agent" else users.env_url
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        with pytest.raises(ChannelClosedByBroker) as caught:
            RAW[operation](connection.channel(), queue)
        assert caught.value.reply_code == 403
    finally:
        connection.close()


@pytest.mark.parametrize("side", ["agent", "env"])
def test_nobody_publishes_past_the_exchanges_or_deletes_them(users, side):
    url = users.agent_url if side == "agent" else users.env_url
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(ChannelClosedByBroker) as caught:
            channel.basic_publish("", "requests.Kept-v0", b"past the exchange")
        assert caught.value.reply_code == 403
        if side == "agent":
            with pytest.raises(ChannelClosedByBroker) as caught:
                connection.channel().exchange_delete(topology.REQUESTS)
            assert caught.value.reply_code == 403
    finally:
        connection.close()


def test_the_commands_name_both_users_and_no_password():
    commands = rabbitmqctl_commands("/", "env", "agent")
    assert [command[0] for command in commands] == ["add_user", "set_permissions"] * 2
    assert commands[1] == ["set_permissions", "-p", "/", "env", ENV.configure, ENV.write, ENV.read]
    assert commands[3] == ["set_permissions", "-p", "/", "agent", AGENT.configure, AGENT.write, AGENT.read]
    assert rabbitmqctl_commands("rl", "env", "agent")[0] == ["add_vhost", "rl"]


@pytest.mark.parametrize("names", [("same", "same"), ("", "agent")])
def test_two_users_are_two_users(names):
    with pytest.raises(ValueError, match="two users"):
        rabbitmqctl_commands("/", *names)
