"""Ctrl-C at every point of a call where the interpreter could let it strike: one after the other, without a clock."""

from __future__ import annotations

import dis
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

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


class Strike:
    """Raises KeyboardInterrupt at the ``number``-th of those points in our code in the call of ``run``."""

    def __init__(self, number: int) -> None:
        self.where = ""
        """Where it struck; empty: the call had fewer points."""
        self._left = number
        self._last: dict[FrameType, int] = {}

    def run(self, call: Callable[[], object]) -> None:
        """Call it, and swallow the KeyboardInterrupt."""
        former = sys.gettrace()
        sys.settrace(self._trace)
        try:
            call()
        except KeyboardInterrupt:
            assert self.where, "a KeyboardInterrupt that is none of ours"
        finally:
            sys.settrace(former)
            self._last.clear()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not str(frame.f_globals.get("__name__")).startswith(OURS):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            last, self._last[frame] = self._last.get(frame, -1), frame.f_lasti
            if last >= 0 and strikable(frame.f_code, last, frame.f_lasti):
                self._left -= 1
                if self._left == 0:
                    self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
                    raise KeyboardInterrupt
        elif event == "return":
            self._last.pop(frame, None)
        return self._step


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
