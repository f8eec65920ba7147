"""Ctrl-C at every point of a call where the interpreter could let it strike: one after the other, without a clock."""

from __future__ import annotations

import dis
import sys
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

TOOL = 4
"""Of those that PEP 669 has for tools, one that no debugger, coverage or profiler takes."""

OURS = ("protocol.", "broker.", "env_worker.", "agent_worker.", "gymbroker.", "tests.support.envs")


@cache
def points(code: CodeType) -> tuple[dict[int, str], list[Any]]:
    """The names of its instructions by offset, and which of them are guarded by which handler."""
    parsed = dis.Bytecode(code)
    return {at.offset: at.opname for at in parsed}, list(getattr(parsed, "exception_entries", ()))


def strikable(code: CodeType, last: int, now: int) -> bool:
    """Whether CPython may raise what a signal handler raises between these two instructions.

    It looks for signals at the begin of a function, after a call and when a loop begins anew; nowhere else. What it
    raises there is raised by the former of the two: where another handler guards the latter, we cannot do the same.
    """
    names, entries = points(code)
    first, second = ([entry.target for entry in entries if entry.start <= at < entry.end] for at in (last, now))
    return names.get(last, "").startswith(("CALL", "RESUME", "JUMP_BACKWARD")) and first == second


@contextmanager
def traced(step: Callable[[FrameType, int], object], leave: Callable[[FrameType], object]) -> Iterator[None]:
    """Call ``step(frame, offset)`` before each instruction of our code, and ``leave(frame)`` at its end."""

    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        if not ours(frame):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return go_on

    def go_on(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            step(frame, frame.f_lasti)
        elif event == "return":
            leave(frame)
        return go_on

    former = sys.gettrace()
    sys.settrace(begin)
    try:
        yield
    finally:
        sys.settrace(former)


@contextmanager
def monitored(step: Callable[[FrameType, int], object], leave: Callable[[FrameType], object]) -> Iterator[None]:
    """The same by PEP 669: from Python 3.14 on, a trace does not see each instruction of a function each time."""
    monitoring, thread = sys.monitoring, threading.get_ident()  # type: ignore[attr-defined]  # from Python 3.12 on
    events = monitoring.events

    def instruction(code: CodeType, offset: int) -> None:
        frame = sys._getframe(1)
        if threading.get_ident() == thread and ours(frame):
            step(frame, offset)

    def end(*_: Any) -> None:
        leave(sys._getframe(1))

    monitoring.use_tool_id(TOOL, "strikes")
    called = {events.INSTRUCTION: instruction, events.PY_RETURN: end, events.PY_UNWIND: end}
    for event, function in called.items():
        monitoring.register_callback(TOOL, event, function)
    monitoring.set_events(TOOL, sum(called))
    try:
        yield
    finally:
        monitoring.set_events(TOOL, 0)
        monitoring.free_tool_id(TOOL)


def ours(frame: FrameType) -> bool:
    """Whether it runs code that strikes are for."""
    return str(frame.f_globals.get("__name__")).startswith(OURS)


class Strike:
    """Raises KeyboardInterrupt at the ``number``-th of those points in our code in the call of ``run``."""

    def __init__(self, number: int) -> None:
        self.where = ""
        """Where it struck; empty: the call had fewer points."""
        self._left = number
        self._last: dict[FrameType, int] = {}

    def run(self, call: Callable[[], object]) -> None:
        """Call it, and swallow the KeyboardInterrupt."""
        watched = monitored if sys.version_info >= (3, 12) else traced
        try:
            with watched(self._step, lambda frame: self._last.pop(frame, None)):
                call()
        except KeyboardInterrupt:
            assert self.where, "a KeyboardInterrupt that is none of ours"
        finally:
            self._last.clear()

    def _step(self, frame: FrameType, offset: int) -> None:
        last, self._last[frame] = self._last.get(frame, -1), offset
        if last >= 0 and strikable(frame.f_code, last, offset):
            self._left -= 1
            if self._left == 0:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
                raise KeyboardInterrupt


def every(call: Callable[[], object], after: Callable[[str], object], *, step: int = 1) -> int:
    """Strike ``call`` at its first point, at its second (or one ``step`` later) ... until it has no more.

    ``after(where)`` is called each time. Gives how many points there were.
    """
    number = 1
    while True:
        strike = Strike(number)
        strike.run(call)
        if not strike.where:
            return number
        after(strike.where)
        number += step
