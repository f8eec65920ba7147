"""Where the commands begin. It imports nothing of ours until a Ctrl-C can no longer end that with a traceback.

A top-level module, as the first import of any package of ours is what takes the time. See docs/adr/0025.
"""

import atexit
import os
import signal
import sys

EXIT_INTERRUPTED = 130


def leave_at_once() -> None:
    """From now on a Ctrl-C ends this process with ``EXIT_INTERRUPTED``: there is nothing that it could leave behind.

    In the end of the interpreter, which takes all handlers away, it changes nothing: all is done.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, or somebody's own
        signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the first to be registered is the last


def env_worker() -> None:
    """``env-worker``."""
    leave_at_once()
    from env_worker.cli import app

    app()


def agent_worker() -> None:
    """``agent-worker``."""
    leave_at_once()
    from agent_worker.cli import app

    app()


def gymbroker() -> None:
    """``gymbroker``."""
    leave_at_once()
    from gymbroker.cli import app

    app()


if __name__ == "__main__":  # python -m gymbroker_start env_worker ...
    sys.argv[0] = sys.argv.pop(1)
    {"env_worker": env_worker, "agent_worker": agent_worker, "gymbroker": gymbroker}[sys.argv[0]]()
