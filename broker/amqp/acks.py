"""The acks of one channel, several in one. The broker needs to hear what is settled only to hand out more.

Each consumer keeps back fewer acks than it may have unsettled messages, so what is kept back never stops the next one.
No I/O; used with the connection's lock held.
"""

from __future__ import annotations

from broker.amqp import framing


class Consumer:
    """How many acks it keeps back, and may."""

    __slots__ = ("kept", "most")

    def __init__(self, most: int) -> None:
        self.kept, self.most = 0, most


class Acks:
    """Which deliveries of a channel are with us, and which of them are settled and have not been acked yet."""

    __slots__ = ("_consumers", "_number", "_settled", "_unsettled")

    def __init__(self, number: int) -> None:
        self._number = number
        self._consumers: dict[str, Consumer] = {}
        self._settled: dict[int, Consumer] = {}
        self._unsettled: dict[int, Consumer] = {}
        """By delivery tag, in the order of the deliveries."""

    def begin(self, consumer: str, prefetch: int) -> None:
        """A consumer that is handed so many unsettled messages at the most. It keeps back some of three quarters."""
        self._consumers[consumer] = Consumer(max(prefetch * 3 // 4, 1) - 1)

    def end(self, consumer: str) -> None:
        """Its queue is gone, and with it what was to be settled."""
        found = self._consumers.pop(consumer, None)
        for tag in [tag for tag, one in self._unsettled.items() if one is found]:
            del self._unsettled[tag]

    def deliver(self, tag: int, consumer: str) -> None:
        """A message has come that is to be settled."""
        self._unsettled[tag] = self._consumers[consumer]

    def settle(self, tag: int) -> bytes:
        """It is done. Gives the frames that are to be sent with that; mostly none."""
        consumer = self._unsettled.pop(tag, None)
        if consumer is None:
            return b""
        self._settled[tag] = consumer
        if consumer.kept < consumer.most:
            consumer.kept += 1
            return b""
        return self.flush()

    def reject(self, tag: int) -> bytes:
        """It goes back to its queue. Gives the frame."""
        return b"" if self._unsettled.pop(tag, None) is None else framing.requeue(self._number, tag)

    def flush(self) -> bytes:
        """Frames that ack all that is settled: one frame, unless what came before it is not settled yet."""
        settled = self._settled
        if not settled:
            return b""
        last = max(settled)
        if next(iter(self._unsettled), last) >= last:
            frames = framing.ack(self._number, last, up_to=True)
        else:
            frames = b"".join(framing.ack(self._number, tag) for tag in settled)
        for consumer in settled.values():
            consumer.kept = 0
        settled.clear()
        return frames
