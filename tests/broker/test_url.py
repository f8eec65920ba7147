"""Broker URLs: what they mean, and that no error about one shows its password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import broker
from broker.url import BrokerUrl, TlsOptions, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://", BrokerUrl("memory", "")),
        ("memory://tests", BrokerUrl("memory", "tests")),
        ("amqp://", BrokerUrl("amqp", "localhost", 5672)),
        ("amqp://host", BrokerUrl("amqp", "host", 5672)),
        ("amqp://host/", BrokerUrl("amqp", "host", 5672)),
        ("amqp://host/%2F", BrokerUrl("amqp", "host", 5672)),
        ("amqp://u:p@host:1234/v", BrokerUrl("amqp", "host", 1234, "u", "p", "v")),
        ("amqp://u:@host", BrokerUrl("amqp", "host", 5672, "u", "")),
        ("amqp://u%40x:p%2F%3A@host/a%2Fb", BrokerUrl("amqp", "host", 5672, "u@x", "p/:", "a/b")),
        ("amqp://[::1]:5673/", BrokerUrl("amqp", "::1", 5673)),
        ("amqp://host?heartbeat=3", BrokerUrl("amqp", "host", 5672, heartbeat_s=3)),
        ("amqps://host", BrokerUrl("amqps", "host", 5671, tls=TlsOptions())),
        (
            "amqps://host?cacertfile=/ca.pem&certfile=/c&keyfile=/k&verify=verify_none&server_name_indication=n",
            BrokerUrl("amqps", "host", 5671, tls=TlsOptions("/ca.pem", "/c", "/k", False, "n")),
        ),
    ],
)
def test_a_url_means_what_rabbitmq_says_it_means(url, expected):
    assert parse(url) == expected


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("memory://tests", "memory://tests"),
        ("amqp://u:p@host", "amqp://host:5672/"),
        ("amqp://u:p@host/v%2Fw", "amqp://host:5672/v%2Fw"),
        ("amqps://u:p@[::1]/", "amqps://[::1]:5671/"),
    ],
)
def test_the_label_is_the_address_without_user_and_password(url, label):
    assert broker.label(url) == label
    assert str(parse(url)) == label
    assert "'p'" not in repr(parse(url))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "no known scheme"),
        ("localhost:5672", "no known scheme"),
        ("http://host", "'http'"),
        ("amqp://host:port", "port"),
        ("amqp://host:0", "port is 0"),
        ("amqp://host:70000", "port"),
        ("amqp://host/a/b", "%2F"),
        (f"amqp://host/{'v' * 256}", "255 bytes"),
        ("amqp://host?colour=red", "'colour'"),
        ("amqp://host?verify=verify_none", "amqps:// only"),
        ("amqp://host?heartbeat=soon", "'soon'"),
        ("amqp://host?heartbeat=0", "1 to 600"),
        ("amqp://host?heartbeat=1&heartbeat=2", "twice"),
        ("amqps://host?verify=maybe", "'maybe'"),
        ("amqps://host?keyfile=/k", "certfile"),
        ("amqp://ho st", "white space"),
        ("amqp://[::1", "host"),
        ("memory://name/path", "neither"),
        ("memory://user@name", "neither"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url, says):
    with pytest.raises(broker.InvalidBrokerUrl, match=says):
        parse(url)


PASSWORDS = [
    "s3cret/word", "s3cret#word", "s3cret?word", "s3cret@word", "s3cret?a=s3cret", "s3cret:word", "s3cret[word",
    "s3cret\nword", "s3cret word", "s3cret?heartbeat=s3cret",
]  # fmt: skip


def outcome(url: str) -> str:
    """All that ``parse`` says about a URL."""
    try:
        found = parse(url)
    except broker.InvalidBrokerUrl as error:
        return f"{error} {error!r}"
    return f"{found} {found!r} {found.label}"


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("rest", ["", ":x", "/a/b", "?nonsense=1", "#x"])
@pytest.mark.parametrize("scheme", ["amqp", "amqps", "memory", "http"])
def test_no_error_about_a_url_shows_its_password(scheme, password, rest):
    assert "s3cret" not in outcome(f"{scheme}://user:{password}@host{rest}")


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_url_or_an_invalid_broker_url(before, after):
    for url in (before, f"amqp://{before}", f"amqps://{before}@{after}", f"memory://{before}"):
        assert outcome(url)
