"""Whether a ``KeyboardInterrupt`` is a Ctrl-C, or one that an env has raised."""

from __future__ import annotations

import signal
import threading


def is_ctrl_c(error: BaseException) -> bool:
    """Whether ``error`` may have struck from outside. Else it is an exception of the env as any other.

    A Ctrl-C strikes in the main thread only, and never in a worker's processes, which ignore it.
    """
    main = threading.current_thread() is threading.main_thread()
    return isinstance(error, KeyboardInterrupt) and main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
