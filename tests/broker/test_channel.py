"""One AMQP channel, and what the broker says on it, without a socket."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pika import spec

from broker.amqp.channel import Channel
from broker.amqp.publisher import Confirms, Pending
from broker.errors import BrokerError


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


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TimeoutError("a limit of the program's")])
def test_what_strikes_between_what_is_noted_and_what_is_written_ends_the_connection(error):
    """A handler of the program's, whatever it raises: replies and confirms would go to the wrong ones from then on."""
    ended: list[bool] = []
    adapter = SimpleNamespace(channels={}, write=lambda _: None, interrupted=lambda: ended.append(True))
    channel = Channel(adapter, 4, lambda _: None)

    def struck(*_, **__):
        raise error

    adapter.write = struck
    with pytest.raises(type(error)):
        channel.call([spec.Queue.Delete(queue="one")])
    assert ended == [True]

    adapter.open_channel = lambda on_closed: SimpleNamespace(number=5, call=lambda _: None, publish=struck)
    with pytest.raises(type(error)):
        Confirms(adapter).publish(Pending("exchange", "key", b"", {}))
    assert ended == [True, True]


def test_a_channel_that_cannot_be_had_to_publish_on_ends_no_connection():
    adapter = SimpleNamespace(channels={}, write=lambda _: None, interrupted=lambda: pytest.fail("it may go on"))
    channel = Channel(adapter, 4, lambda _: None)
    channel.close()
    adapter.open_channel = lambda on_closed: channel
    with pytest.raises(BrokerError, match="is closed"):
        Confirms(adapter).publish(Pending("exchange", "key", b"", {}))
