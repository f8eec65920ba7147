"""The stepper's end of ``--isolation process``: the fork server, and the child process of each episode."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from env_worker import confine
from env_worker.catalogue import CatalogueError, Entry, WrongOption
from env_worker.forkserver import STATUS, told
from env_worker.pipe import Garbled, Pipe
from protocol.errors import DecodeError, ErrorCode
from protocol.sendable import opaque_in
from protocol.wire import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from env_worker.settings import WorkerSettings

log = logging.getLogger("gymbroker")

START_S = 300.0
"""How long the modules of envs may take to be imported."""

TAKE_S = 5.0
"""A child that has not taken a request after so long is ended. Only one that is larger than a socket's buffer waits."""

REAP_S = 5.0
"""How long a child that was killed may take to be gone."""

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from env_worker.forkserver import main
main(int(sys.argv[1]))
"""


@dataclass(frozen=True)
class Ending:
    """Why a child has ended."""

    code: ErrorCode
    """``WORKER_FAILED``: not by the env, and another worker could go on."""
    text: str


class Child:
    """The process of one env. One request at a time: ``ask``, and ``hear`` is called by a thread of its own.

    ``hear`` gets bytes for each request, and at last an ``Ending``; the child is gone by then, with all processes of
    its group. ``patience_s``: it is killed if it takes longer.
    """

    def __init__(
        self, pipe: socket.socket, fate: socket.socket, patience_s: float, hear: Callable[[bytes | Ending], None]
    ) -> None:
        self._pipe, self._fate, self._patience_s, self._hear = Pipe(pipe), fate, patience_s, hear
        self._since = 0.0
        """When it was asked for what it has not answered yet; 0: nothing."""
        self._killed_for = ""
        self.thread = threading.Thread(target=self._listen, name="listens to an env's process", daemon=True)
        self.thread.start()

    @property
    def busy(self) -> bool:
        """Whether it has not answered yet. It is until ``rest`` is called."""
        return self._since > 0.0

    def rest(self) -> None:
        """It has answered."""
        self._since = 0.0

    def ask(self, body: bytes) -> None:
        """Let it execute a request. Never raises: what becomes of a child that is dead is heard."""
        self._since = time.monotonic()
        try:
            self._pipe.send(body, self._since + TAKE_S)
        except TimeoutError:  # it does not read, or too slowly: others wait meanwhile
            self.kill("did not take a request")
        except OSError:
            pass  # it is dead, or behaves as if it were: its end is heard, or its deadline passes
        except BaseException:  # a Ctrl-C, over memory://
            self.kill("was interrupted")
            raise

    def leave(self) -> None:
        """Let it close its env and end, in the time that a request may take."""
        self._since = self._since or time.monotonic()
        self._shut(self._pipe.sock)

    def kill(self, why: str) -> None:
        """End it now."""
        self._killed_for = self._killed_for or why
        self._shut(self._fate)

    def _shut(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it is gone
            sock.shutdown(socket.SHUT_WR)

    def _listen(self) -> None:
        code, text = ErrorCode.ENV_ERROR, ""
        try:
            while (body := self._next()) is not None:
                self._hear(body)
        except TimeoutError:
            code = ErrorCode.STEP_TIMEOUT
            text = f"a call into the env took longer than the worker's step timeout of {self._patience_s:g} s"
        except ConnectionError:
            pass  # it has ended without having read what it was asked for
        except (Garbled, OSError) as error:
            text = f"the process of the env said what is no message: {error}"
        except Exception:  # a fault of ours; its thread has nobody to raise it to
            log.exception("what an env's process said could not be told")
        self._shut(self._fate)
        ended = self._reap()
        if not text and self._killed_for:
            text = f"the process of the env {self._killed_for}, and was ended"
        elif not text:
            text = ended or "the process of the env was lost"
            code = code if ended else ErrorCode.WORKER_FAILED
        self._pipe.close()
        self._hear(Ending(code, text))

    def _next(self) -> bytes | None:
        """What it says next. Raises ``TimeoutError`` when it has been busy for too long."""
        while True:
            since = self._since
            begun = since or time.monotonic()  # it may be asked while we wait: then we look again in time
            try:
                return self._pipe.receive(begun + self._patience_s)
            except TimeoutError:
                if since and since == self._since:
                    raise

    def _reap(self) -> str:
        """Wait until it is gone: how it has ended; empty: the fork server is gone, too, and nobody knows."""
        self._fate.settimeout(REAP_S)
        try:
            status = self._fate.recv(STATUS.size)
        except OSError:
            status = b""
        finally:
            self._fate.close()
        if len(status) != STATUS.size:
            return ""
        (code,) = STATUS.unpack(status)
        ended = f"was killed by {_signal(-code)}" if code < 0 else f"ended with exit code {code}"
        return f"the process of the env {ended}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Children:
    """Starts children, from a fork server that has imported the envs. Raises ``CatalogueError`` as a ``Catalogue``.

    It is the catalogue of a stepper that imports no env itself.
    """

    def __init__(self, settings: WorkerSettings, worker: str) -> None:
        if not confine.available():
            raise WrongOption("--isolation process: it needs Linux 5.3 or newer")
        odd = opaque_in(told(settings, worker))
        if odd is not None:
            raise WrongOption(f"--isolation process: cannot be told to another process: {odd}")
        self._settings, self._told = settings, pack(told(settings, worker))
        self._living: list[Child] = []
        self.entries: dict[str, Entry] = {}
        self._start()

    def get(self, env_id: str) -> Entry | None:
        """The entry of exactly that id, if it is served."""
        return self.entries.get(env_id)

    def begin(self, make: bytes, hear: Callable[[bytes | Ending], None]) -> Child:
        """A new child that makes what ``make`` asks for; its first word is ``status``, or why not.

        Raises ``CatalogueError`` and ``OSError``.
        """
        self._living = [child for child in self._living if child.thread.is_alive()]
        ours, theirs = socket.socketpair()
        fate, their_fate = socket.socketpair()
        try:
            self._fork(theirs, their_fate)
        except BaseException:
            ours.close()
            fate.close()
            raise
        finally:
            theirs.close()
            their_fate.close()
        child = Child(ours, fate, self._settings.step_timeout, hear)
        self._living.append(child)
        child.ask(make)
        return child

    def close(self, timeout_s: float) -> None:
        """Children that leave have ``timeout_s`` seconds to do so. Then all are ended, and the fork server."""
        deadline = time.monotonic() + timeout_s
        for child in self._living:
            child.thread.join(max(deadline - time.monotonic(), 0.0))
        self._end()
        for child in self._living:
            child.thread.join(REAP_S)

    def _fork(self, *sockets: socket.socket) -> None:
        try:
            self._ask(sockets)
        except OSError as error:
            log.error("the fork server is gone (%s); starting another", error)
            self._end()
            self._start()
            self._ask(sockets)

    def _ask(self, sockets: tuple[socket.socket, ...]) -> None:
        socket.send_fds(self._control, [b"f"], [one.fileno() for one in sockets])

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        environment = confine.without_secrets(os.environ, self._settings.broker)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), json.dumps(sys.path)],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            self.entries = self._introduce(Pipe(self._control))
        except BaseException:
            self._end()
            raise

    def _introduce(self, pipe: Pipe) -> dict[str, Entry]:
        """Say what is to be served; what the fork server can make of it."""
        try:
            pipe.send(self._told)
            answer = pipe.receive(time.monotonic() + START_S)
            said: Any = {} if answer is None else unpack(answer)
        except (Garbled, DecodeError, OSError) as error:
            raise CatalogueError(f"--isolation process: the fork server failed: {error}") from error
        if "refused" in said:
            raise WrongOption(str(said["refused"]))
        if "entries" not in said:
            raise CatalogueError(str(said.get("failed", "--isolation process: the fork server has ended")))
        return {env_id: Entry(env_id, api, _elsewhere, {}) for env_id, api in said["entries"].items()}

    def _end(self) -> None:
        """All that the fork server has forked is killed, when it sees that we are gone."""
        with contextlib.suppress(OSError):  # it is gone
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        try:
            self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _elsewhere(**kwargs: Any) -> NoReturn:
    raise AssertionError("envs are made in child processes")
