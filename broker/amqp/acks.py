"""The acks of one channel, several in one. The broker needs to hear what is settled only to hand out more.

Each consumer keeps back fewer acks than it may have unsettled messages, so what is kept back never stops the next one.
No I/O; used with the connection's lock held.
"""

from __future__ import annotations

from broker.amqp import framing


class Acks:
    """Which deliveries of a channel are with us, and which of them are settled and have not been acked yet."""

    __slots__ = ("_kept", "_most", "_number", "_settled", "_unsettled")

    def __init__(self, number: int) -> None:
        self._number = number
        self._most: dict[str, int] = {}
        """How many acks each consumer may keep back."""
        self._kept: dict[str, int] = {}
        """How many it does."""
        self._settled: list[int] = []
        self._unsettled: dict[int, str] = {}
        """Consumers by delivery tag, in the order of the deliveries."""

    def begin(self, consumer: str, prefetch: int) -> None:
        """A consumer that is handed so many unsettled messages at the most. It keeps back some of three quarters."""
        self._most[consumer] = max(prefetch * 3 // 4, 1) - 1

    def end(self, consumer: str) -> None:
        """Its queue is gone, and with it what was to be settled."""
        self._most.pop(consumer, None)
        for tag in [tag for tag, one in self._unsettled.items() if one == consumer]:
            del self._unsettled[tag]

    def deliver(self, tag: int, consumer: str) -> None:
        """A message has come that is to be settled."""
        self._unsettled[tag] = consumer

    def settle(self, tag: int) -> bytes:
        """It is done. Gives the frames that are to be sent with that; mostly none."""
        consumer = self._unsettled.pop(tag, None)
        if consumer is None:
            return b""
        self._settled.append(tag)
        kept = self._kept.get(consumer, 0)
        if kept < self._most.get(consumer, 0):
            self._kept[consumer] = kept + 1
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
        settled.clear()
        self._kept.clear()
        return frames
