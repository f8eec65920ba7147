"""A slow link to the broker: a TCP relay that lets so many bits a second pass, each way.

Usage: link PORT MEGABITS. Says its own port when it is ready, and ends with its standard input.
"""

from __future__ import annotations

import socket
import sys
import threading
import time

from bench.programs import loop

PIECE = 16384
"""Bytes that pass at once."""


def serve(server: socket.socket, target: int, bytes_a_second: float) -> None:
    """Relay every connection, until the process ends."""
    while True:
        client, _ = server.accept()
        broker = socket.create_connection(("127.0.0.1", target))
        for source, sink in ((client, broker), (broker, client)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=relay, args=(source, sink, bytes_a_second), daemon=True).start()


def relay(source: socket.socket, sink: socket.socket, bytes_a_second: float) -> None:
    """Pass on what ``source`` says. A piece takes as long as its bytes do; what was not used is not saved up."""
    free_at = 0.0
    try:
        while data := source.recv(PIECE):
            free_at = max(free_at, time.monotonic()) + len(data) / bytes_a_second
            time.sleep(max(0.0, free_at - time.monotonic()))
            sink.sendall(data)
    except OSError:
        return  # one side has closed


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    given = (listening, int(sys.argv[1]), float(sys.argv[2]) * 125_000)
    threading.Thread(target=serve, args=given, daemon=True).start()
    loop.say(ready=True, port=listening.getsockname()[1])
    sys.stdin.read()
