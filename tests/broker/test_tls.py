"""``amqps://`` against a RabbitMQ with a certificate of a CA of our own."""

from __future__ import annotations

import re

import pytest

import broker
from broker import topology
from tests.broker.site import bodies, soon
from tools import certificates


@pytest.fixture
def broker_url(rabbit) -> str:
    url: str = rabbit.tls_url(f"cacertfile={rabbit.ca}")
    return url


@pytest.mark.parametrize("size", [0, 96, 131065, 5_000_000])
def test_bodies_of_any_size_go_round_over_tls(site, size):
    acts, act_key = site.acts()
    percepts, percept_key = site.percepts()
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    for _ in range(3):
        site.agent.send(topology.ACTS, act_key, body)
        request = acts.get(soon(30))
        site.env.send(topology.PERCEPTS, percept_key, request.body, settles=request)
    assert bodies(percepts, 3) == [body] * 3


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused_at_once(rabbit, tmp_path):
    certificates.make(tmp_path)
    other = str(tmp_path / "ca.pem")
    for options, trusted in ((f"cacertfile={other}", f"the authorities in {other}"), ("", "those of the system; name")):
        with pytest.raises(broker.BrokerUntrusted, match=f"not trusted .*trusted are {re.escape(trusted)}"):
            broker.connect(rabbit.tls_url(options), timeout_s=30)


def test_a_certificate_for_another_host_is_refused(rabbit):
    with pytest.raises(broker.BrokerUntrusted, match=r"elsewhere\.example"):
        broker.connect(rabbit.tls_url(f"cacertfile={rabbit.ca}&server_name_indication=elsewhere.example"), timeout_s=30)


def test_verification_can_be_switched_off(rabbit):
    connection = broker.connect(rabbit.tls_url("verify=verify_none"), timeout_s=10)
    assert connection.label.startswith("amqps://")
    connection.close()


def test_a_certificate_of_our_own_is_offered(rabbit):
    own = f"&certfile={rabbit.folder}/server.pem&keyfile={rabbit.folder}/server.key"
    connection = broker.connect(rabbit.tls_url(f"cacertfile={rabbit.ca}{own}"), timeout_s=10)
    connection.close()


def test_files_that_are_not_there_are_named(rabbit):
    with pytest.raises(broker.InvalidBrokerUrl, match=r"/no/such/ca\.pem"):
        broker.connect(rabbit.tls_url("cacertfile=/no/such/ca.pem"), timeout_s=30)


def test_a_port_without_tls_is_no_tls_broker(rabbit):
    plain = rabbit.tls_url("verify=verify_none").replace(str(rabbit.tls_port), str(rabbit.port))
    with pytest.raises(broker.BrokerUnreachable, match="TLS handshake"):
        broker.connect(plain, timeout_s=0)


def test_a_tls_port_is_no_plain_broker(rabbit):
    tls_port = rabbit.url.replace(str(rabbit.port), str(rabbit.tls_port))
    with pytest.raises(broker.BrokerUnreachable, match="handshake"):
        broker.connect(tls_port, timeout_s=0)
