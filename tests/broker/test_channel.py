"""One AMQP channel, and what the broker says on it, without a socket."""

from __future__ import annotations

from types import SimpleNamespace

from pika import spec

from broker.amqp.channel import Channel


def test_a_channel_that_both_close_at_once_is_there_until_the_broker_has_answered():
    """RabbitMQ answers our close while it waits for the answer to its own: two words, and both are for this channel."""
    refusals: list[Exception] = []
    adapter = SimpleNamespace(channels={}, write=lambda _: None, url=SimpleNamespace(label="amqp://broker/"))
    channel = adapter.channels[4] = Channel(adapter, 4, refusals.append)
    channel.close()
    channel.on_method(spec.Channel.Close(404, "NOT_FOUND - no queue", 60, 20))
    assert adapter.channels == {4: channel}, "its number must not be given to another"
    channel.on_method(spec.Channel.CloseOk())
    assert adapter.channels == {}
    assert refusals == [], "who has given a channel up hears no more of it"
