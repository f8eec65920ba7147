"""Forks a child for each episode under ``--isolation process``. It has imported all envs, and knows no broker.

It is an interpreter of its own, started by the stepper with an environment without credentials. ``multiprocessing``
has a fork server, too: it says nothing of how a child ended, and trusts pickles.

The stepper says over the control socket: first the settings; then for each child one byte, with two sockets: the
child's end of its pipe, and one for its *fate*. Who shuts its end of that one ends the child and all processes of
its group; when they have ended, the wait status of the child comes over it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
import warnings
from dataclasses import dataclass, fields
from typing import Any

import gymnasium

from env_worker import child, confine
from env_worker.calls import Allowed
from env_worker.catalogue import Catalogue, CatalogueError, WrongOption
from env_worker.compat import import_gym
from env_worker.logs import configure
from env_worker.pipe import Pipe
from env_worker.settings import WorkerSettings
from protocol.wire import pack, unpack

STATUS = struct.Struct("<i")
"""Exit code of a child, or minus the number of the signal that ended it."""


def told(settings: WorkerSettings, worker: str) -> dict[str, Any]:
    """What a fork server is told: all but the broker."""
    known = {field.name: getattr(settings, field.name) for field in fields(settings) if field.name != "broker"}
    allowed = settings.allowed
    return known | {"allowed": (allowed.call, allowed.get, allowed.set), "worker": worker}


@dataclass(eq=False)
class _Child:
    """A process that was forked, and who wants to know what becomes of it."""

    pid: int
    handle: int
    """Its pidfd: readable when it has ended."""
    fate: socket.socket


class ForkServer:
    """Until the control socket is closed. Then all children are killed."""

    def __init__(self, control: socket.socket, catalogue: Catalogue, settings: WorkerSettings, worker: str) -> None:
        self._control, self._catalogue, self._settings, self._worker = control, catalogue, settings, worker
        self._children: set[_Child] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def run(self) -> None:
        """Fork, kill and bury until the stepper is gone."""
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is self._control:
                        if not self._hear():
                            return
                    elif key.data in self._children:
                        self._attend(key.data, ended=key.fileobj == key.data.handle)
        finally:
            for one in self._children:
                _kill(one.pid)

    def _hear(self) -> bool:
        """Fork, if that is asked for. False: the stepper is gone."""
        data, handles, _, _ = socket.recv_fds(self._control, 1, 2)
        sockets = [socket.socket(fileno=handle) for handle in handles]
        for one in sockets:
            one.set_inheritable(False)  # what an env starts does not get it
        if not data:
            return False
        if len(sockets) == 2:
            self._fork(*sockets)
        return True

    def _fork(self, pipe: socket.socket, fate: socket.socket) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes: the stepper sees that both are closed
            print(f"cannot fork: {error}", file=sys.stderr)
            pipe.close()
            fate.close()
            return
        if pid == 0:
            self._become(pipe, fate, parent)
        pipe.close()
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # the child does so, too: whoever is first
        one = _Child(pid, os.pidfd_open(pid), fate)
        self._children.add(one)
        self._selector.register(one.handle, selectors.EVENT_READ, one)
        self._selector.register(fate, selectors.EVENT_READ, one)

    def _become(self, pipe: socket.socket, fate: socket.socket, parent: int) -> None:
        """In the child: keep nothing but its own pipe, and be an env. Does not return."""
        try:
            os.setpgid(0, 0)
            confine.die_with(parent)
            self._selector.close()
            for mine in (self._control, fate, *(one.fate for one in self._children)):
                mine.close()
            for one in self._children:
                os.close(one.handle)
            confine.limit(self._settings.memory_limit)
            child.main(pipe, self._catalogue, self._settings, self._worker)
        except BaseException:  # noqa: BLE001 - it must not go on in the copy of its parent's stack
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)

    def _attend(self, one: _Child, *, ended: bool) -> None:
        """Kill the child, and tell how it ended: its stepper wants that, or it has ended by itself."""
        _kill(one.pid)
        if not ended:
            self._selector.unregister(one.fate)  # what comes next is its end
            return
        _, status = os.waitpid(one.pid, 0)
        self._children.discard(one)
        self._selector.unregister(one.handle)
        if one.fate in self._selector.get_map():
            self._selector.unregister(one.fate)
        os.close(one.handle)
        with contextlib.suppress(OSError):
            one.fate.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))
        one.fate.close()


def _kill(group: int) -> None:
    """The child and what it has started. Before it is waited for: until then nobody else gets its number."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def main(handle: int) -> None:
    """Body of the process. ``handle``: of the control socket.

    Answers the settings by ``{"entries": {env id: api}}``, or by ``{"refused": text}`` or ``{"failed": text}``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The threads of numpy's algebra library know what to do about a fork; those of a module of the operator's must.
    warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
    control = socket.socket(fileno=handle)
    os.set_inheritable(handle, False)
    pipe = Pipe(control)
    first = pipe.receive()
    if first is None:
        return
    wanted = unpack(first)
    worker = wanted.pop("worker")
    settings = WorkerSettings(**wanted | {"allowed": Allowed(*wanted["allowed"])})
    configure(settings.verbose)
    try:
        catalogue = Catalogue(settings)
        _check_memory(settings.memory_limit)
    except CatalogueError as error:
        what = "refused" if isinstance(error, WrongOption) else "failed"
        pipe.send(pack({what: str(error)}))
        return
    _import_envs(catalogue)
    gc.freeze()  # the children's collectors leave alone what is here, and so it stays shared
    pipe.send(pack({"entries": {entry.env_id: entry.api for entry in catalogue.entries.values()}}))
    ForkServer(control, catalogue, settings, worker).run()


def _import_envs(catalogue: Catalogue) -> None:
    """Import what libraries import when they make an env, so that not each child has to do it."""
    registries = {"gymnasium": gymnasium.registry, "gym": import_gym().envs.registration.registry}
    for env_id, entry in catalogue.entries.items():
        spec = registries.get(entry.api, {}).get(env_id.rpartition(":")[2])
        point = getattr(spec, "entry_point", None)
        if isinstance(point, str):
            with contextlib.suppress(Exception):  # whoever makes one is told
                importlib.import_module(point.partition(":")[0])


def _check_memory(limit: int | None) -> None:
    taken = confine.data_bytes()
    least = taken + confine.SPARE
    if limit is not None and limit < least:
        text = f"expected {least // 2**20 + 1}M or more, as {taken // 2**20}M are taken before an env is made"
        raise WrongOption(f"--memory-limit: {text}; got {limit} bytes")
