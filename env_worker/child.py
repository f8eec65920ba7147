"""The child process of one episode under ``--isolation process``: an env, and a pipe to the stepper.

It is forked from a process that has never had the broker's credentials (``forkserver``).
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from env_worker.episode import Episode
from env_worker.pipe import Pipe
from protocol.codec import decode
from protocol.env_dialogue import EnvDialogue
from protocol.messages import Make

if TYPE_CHECKING:
    import socket

    from env_worker.catalogue import Catalogue
    from env_worker.settings import WorkerSettings
    from protocol.messages import Request

NOBODY = "0" * 16
"""The incarnation in what a child says: the stepper puts its own there."""


class FollowingDialogue(EnvDialogue):
    """Believes what comes: the stepper has judged it, and gives only what is to be executed."""

    def receive(self, body: bytes) -> Request:
        """The request in ``body``."""
        return self._take(decode(body))  # type: ignore[arg-type]  # the stepper gives nothing else


def run(sock: socket.socket, catalogue: Catalogue, settings: WorkerSettings, worker: str) -> None:
    """Make what the first message asks for, answer one request after the other, and close the env at the end.

    ``worker``: the stepper's name, for people.
    """
    np.random.seed()  # numpy's own state came with the fork, and would be the same in all children
    pipe = Pipe(sock)
    first = pipe.receive()
    make = None if first is None else decode(first)
    if not isinstance(make, Make):
        return
    entry = catalogue.get(make.env_id)
    assert entry is not None, "the stepper serves what we told it"
    episode = Episode(make, NOBODY, entry, settings, worker)
    episode.dialogue = FollowingDialogue(replace(make, compression=None), NOBODY)  # the stepper deflates
    _say(pipe, episode.build())
    while not episode.ended and (body := pipe.receive()) is not None:
        _say(pipe, episode.handle(body))
    episode.shut()


def _say(pipe: Pipe, reply: bytes | None) -> None:
    assert reply is not None, "nothing that is hosted here answers later"
    pipe.send(reply)


def main(sock: socket.socket, catalogue: Catalogue, settings: WorkerSettings, worker: str) -> None:
    """``run``, and the end of the process, past what the modules of envs have left to be done at an exit."""
    code = 1
    try:
        run(sock, catalogue, settings, worker)
        code = 0
    except BrokenPipeError:
        pass  # the stepper is gone, and so is our agent
    except BaseException:  # noqa: BLE001 - it must not go on in the copy of its parent's stack
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
