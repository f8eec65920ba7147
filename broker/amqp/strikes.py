"""What strikes in the middle of our work from outside: Python runs signal handlers between any two instructions."""

from __future__ import annotations

import threading

_HERE = frozenset({"broker", "pika", "ssl", "socket"})
"""Packages whose own code raises in here."""


def is_strike(error: BaseException) -> bool:
    """Whether ``error`` is a Ctrl-C, or what a handler of the program's has raised.

    Often that is a ``TimeoutError``, an ``OSError``; it is for the program, and nothing that a socket has done.
    """
    if not isinstance(error, Exception):
        return True
    if threading.current_thread() is not threading.main_thread():
        return False  # no handler runs there
    trace = error.__traceback__
    assert trace is not None, "who asks has caught it"
    while trace.tb_next is not None:
        trace = trace.tb_next
    package = str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
    return package not in _HERE
