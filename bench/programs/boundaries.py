"""Where the time of a step goes: the calls from layer to layer are wrapped, here and not in the product.

A call counts the time until its return, less what wrapped calls within it take. Being wrapped costs time too: that is
measured with a call that does nothing, and taken off. A method's part of a step is the median of its calls, times how
many there are: so a call in which the system ran another process does not count for many.
"""

from __future__ import annotations

import importlib
import select
import statistics
from threading import get_ident
from time import perf_counter_ns
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENV, VALUES, DIALOGUE, SHELL = "env", "values (coder)", "dialogue and codec", "shell of the worker or the agent"
TRANSPORT, WRITE, READ, WAIT = "transport", "socket: write", "socket: read", "waiting for the socket"
LAYERS = (ENV, VALUES, DIALOGUE, SHELL, TRANSPORT, WRITE, READ, WAIT)
"""In the order of the table."""

AMQP = (
    ("broker.amqp.connection:AmqpConnection.send", TRANSPORT),
    ("broker.amqp.mailbox:AmqpMailbox.get", TRANSPORT),
    ("broker.amqp.wire:Wire.write", WRITE),
    ("broker.amqp.wire:Wire.write_pieces", WRITE),
    ("broker.amqp.wire:Wire.receive", READ),
)
AGENT = (
    ("agent_worker.remote:RemoteMethods.step", SHELL),
    ("protocol.agent_dialogue:AgentDialogue.ask", DIALOGUE),
    ("protocol.agent_dialogue:AgentDialogue.receive", DIALOGUE),
)
WORKER = (
    ("env_worker.stepper:Stepper.handle", SHELL),
    ("protocol.env_dialogue:EnvDialogue.receive", DIALOGUE),
    ("protocol.env_dialogue:EnvDialogue.reply", DIALOGUE),
    ("env_worker.compat:HostedEnv.step", ENV),
)
CODER = "protocol.coders:Coder"


class Calls:
    """All calls of one method: nanoseconds of each, and how many wrapped calls were within them."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.taken: list[int] = []
        self.within = 0


class Book:
    """Time by layer, of one thread."""

    def __init__(self) -> None:
        self._thread = get_ident()
        self._inner: list[list[int]] = []
        """For each open call: nanoseconds and number of the wrapped calls within it."""
        self._methods: list[Calls] = []
        self._own, self._around = 0.0, 0.0
        self._calibrate()

    def wrap(self, layer: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""
        calls = Calls(layer)
        self._methods.append(calls)
        inner, thread, now, ident = self._inner, self._thread, perf_counter_ns, get_ident

        def timed(*args: Any, **kwargs: Any) -> Any:
            if ident() != thread:
                return call(*args, **kwargs)
            frame = [0, 0]
            inner.append(frame)
            start = now()
            try:
                return call(*args, **kwargs)
            finally:
                taken = now() - start
                inner.pop()
                calls.taken.append(taken - frame[0])
                calls.within += frame[1]
                if inner:
                    inner[-1][0] += taken
                    inner[-1][1] += 1

        return timed

    def clear(self) -> None:
        """Begin again."""
        for calls in self._methods:
            calls.taken.clear()
            calls.within = 0

    def microseconds(self, steps: int) -> dict[str, float]:
        """Of each layer for each step, less what the wrapping costs."""
        found: dict[str, float] = {}
        for calls in self._methods:
            if calls.taken:
                taken = statistics.median(calls.taken) * len(calls.taken)
                taken -= len(calls.taken) * self._own + calls.within * self._around
                found[calls.layer] = found.get(calls.layer, 0.0) + max(0.0, taken) / steps / 1000
        return found

    def _calibrate(self) -> None:
        """What a wrapped call takes on its own account, and what its caller pays for it."""
        direct = self._cost(lambda: None)
        outer = self._cost(self.wrap("nothing", lambda: None))
        self._own = statistics.median(self._methods.pop().taken) - direct
        self._around = outer - self._own - direct

    @staticmethod
    def _cost(call: Callable[[], Any], repeats: int = 50, length: int = 200) -> float:
        """Nanoseconds of a call, by the repeat that was disturbed least."""
        found = []
        for _ in range(repeats):
            start = perf_counter_ns()
            for _ in range(length):
                call()
            found.append(perf_counter_ns() - start)
        return min(found) / length


def install(book: Book, boundaries: Sequence[tuple[str, str]]) -> None:
    """Wrap methods in their classes. Raises ``AttributeError`` if one is not there any more."""
    for place, layer in boundaries:
        module, _, path = place.partition(":")
        owner, _, method = path.partition(".")
        cls = getattr(importlib.import_module(module), owner)
        setattr(cls, method, book.wrap(layer, cls.__dict__[method]))
    module, _, name = CODER.partition(":")
    for cls in _family(getattr(importlib.import_module(module), name)):
        for method in ("encode", "decode"):
            if method in cls.__dict__:
                setattr(cls, method, book.wrap(VALUES, cls.__dict__[method]))


def install_wait(book: Book) -> None:
    """Time the poll of every connection that is opened from now on."""
    pump = importlib.import_module("broker.amqp.pump")

    def poll() -> Any:
        real = select.poll()
        return SimpleNamespace(register=real.register, modify=real.modify, poll=book.wrap(WAIT, real.poll))

    vars(pump)["select"] = SimpleNamespace(poll=poll, POLLIN=select.POLLIN, POLLOUT=select.POLLOUT)


def _family(cls: type) -> list[type]:
    children: list[type] = cls.__subclasses__()
    return [cls, *(one for child in children for one in _family(child))]
