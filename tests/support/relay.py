"""A TCP relay in front of a broker, which can stop passing anything on: what an unplugged cable looks like."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Relay:
    """Passes bytes between one client and a port of this machine, until it is told to stop.

    It listens at ``port``, or where there is room.
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self._target, self._open = target, threading.Event()
        self._open.set()
        self._ended = False
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]
        self._sockets: list[socket.socket] = [self._server]
        self._threads[0].start()

    def stop(self) -> None:
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    def _serve(self) -> None:
        try:
            client, _ = self._server.accept()
        except OSError:
            return
        upstream = socket.create_connection(("127.0.0.1", self._target))
        self._sockets += [client, upstream]
        for source, sink in ((client, upstream), (upstream, client)):
            thread = threading.Thread(target=self._pass, args=(source, sink))
            self._threads.append(thread)
            thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while self._open.wait() and not self._ended and (data := source.recv(65536)):
                self._open.wait()
                sink.sendall(data)
        except OSError:
            return  # closed from the other side or by us

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._open.set()
        for one in self._sockets:
            with suppress(OSError):  # it may be closed already
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)
