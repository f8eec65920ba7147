"""A private RabbitMQ for tests and benchmarks: its own ports, node name, cookie, data and log, in a folder of its own.

``Rabbit()`` prepares, ``start()`` starts and waits until it answers, ``stop()`` and ``kill()`` end it in peace or not,
``start()`` again brings it back with its data on the same port, ``close()`` ends it and removes everything. Several
can live side by side. Nothing of a RabbitMQ that the machine may have is touched.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tools import certificates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

BIN = Path(os.environ.get("GYMBROKER_RABBITMQ_BIN", "/usr/lib/rabbitmq/bin"))
"""Where ``rabbitmq-server`` and ``rabbitmqctl`` are: another version than the installed one can be tried."""
START_S = 90.0
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
STOP_S = 30.0
LOWEST_PORT, PORTS = 21_000, 11_000
MOST_MARKS = 256
"""Of so many ports, the last that were given, this process holds the marks."""
_marks: deque[int] = deque()
MISSING = (
    f"RabbitMQ is needed, and {BIN}/rabbitmq-server is not there. `make test` and `make bench` install it where they "
    "may; or run `apt-get install rabbitmq-server`; or name a broker for tests: "
    "GYMBROKER_TEST_URL=amqp://user:password@host:port/"
)
CONFIG = """\
loopback_users.guest = true
max_message_size = 134217728
log.file.level = info
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
collect_statistics_interval = 60000
"""
TLS_CONFIG = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = @FOLDER@/ca.pem
ssl_options.certfile = @FOLDER@/server.pem
ssl_options.keyfile = @FOLDER@/server.key
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
"""


class RabbitFailed(AssertionError):
    """RabbitMQ is not installed, or did not start or stop."""


ERL_ARGS = "+sbwt short +sbwtdcpu none +sbwtdio none"
"""Schedulers that spin a little before they sleep: a bare round trip takes 0.6 of the time."""


class Rabbit:
    """One private RabbitMQ node on 127.0.0.1.

    On Linux it lives no longer than the threads that make and start it, even where they are killed.

    Args:
        tls: add a TLS listener with a certificate of its own CA.
        config: its rabbitmq.conf; ``@FOLDER@`` in it stands for the node's own folder.
        files: further files of that folder, by name.
        erl_args: further arguments of the Erlang VM.
        plugins: names of its plugins.
    """

    def __init__(
        self, *, tls: bool = False, config: str = CONFIG, files: Mapping[str, str] | None = None,
        erl_args: str = ERL_ARGS, plugins: Sequence[str] = (),
    ) -> None:  # fmt: skip
        if not (BIN / "rabbitmq-server").exists():
            raise RabbitFailed(MISSING)
        self.folder = Path(tempfile.mkdtemp(prefix="gymbroker-rabbit-"))
        self.port, self.tls_port, dist_port, epmd_port = free_ports(4)
        self.node = f"gymbroker-{secrets.token_hex(4)}@localhost"
        if tls:
            certificates.make(self.folder)
            config += TLS_CONFIG.format(port=self.tls_port)
        (self.folder / "rabbitmq.conf").write_text(config.replace("@FOLDER@", str(self.folder)))
        for name, text in (files or {}).items():
            (self.folder / name).write_text(text)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
        self._environment = self._make_environment(dist_port, epmd_port, erl_args)
        self._server: subprocess.Popen[bytes] | None = None
        epmd = ["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"]
        self._epmd = subprocess.Popen(epmd, env=self._environment, preexec_fn=end_with_parent)

    @property
    def url(self) -> str:
        """Address for its user ``guest``, who may do everything."""
        return self.url_of("guest", "guest")

    def url_of(self, user: str, password: str, vhost: str = "%2F") -> str:
        """Address for another user or virtual host (percent-encoded)."""
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/{vhost}"

    def tls_url(self, options: str = "", user: str = "guest", password: str = "guest") -> str:
        """Address of the TLS listener, with ``options`` as its query."""
        return f"amqps://{user}:{password}@localhost:{self.tls_port}/%2F?{options}"

    @property
    def ca(self) -> Path:
        """Certificate of the CA that signed the TLS listener's."""
        return self.folder / "ca.pem"

    @property
    def pid(self) -> int:
        """Process id of the running Erlang VM."""
        if self._server is None:
            raise RabbitFailed(f"{self.node} is not running")
        return self._server.pid

    def start(self) -> None:
        """Start, and return when it answers AMQP. Brings back what durable queues held."""
        log = (self.folder / "console.log").open("ab")
        with log:
            self._server = subprocess.Popen(
                [str(BIN / "rabbitmq-server")], env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, cwd=self.folder, preexec_fn=end_with_parent,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not answers_amqp(self.port):
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RabbitFailed(f"{self.node} does not start; its last words:\n{self.last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Shut down in order. Durable queues with persistent messages stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Kill it and remove all that it wrote."""
        self.kill()
        self._epmd.terminate()
        self._epmd.wait(STOP_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str, stdin: str = "") -> str:
        """Run ``rabbitmqctl`` on this node (about half a second) and return what it printed.

        That of RabbitMQ 4 reads no ``stdin`` where it is given any option, too.
        """
        options = [] if stdin else ["--quiet"]
        done = subprocess.run(
            [str(BIN / "rabbitmqctl"), *options, *arguments],
            env=self._environment, input=stdin, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RabbitFailed(f"rabbitmqctl {arguments[0]} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def last_words(self) -> str:
        """The end of its console output and of its log."""
        files = [self.folder / "console.log", *sorted((self.folder / "log").glob("*.log"))]
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in files if file.exists())

    def __enter__(self) -> Rabbit:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        server.send_signal(how)
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(STOP_S)
        with suppress(ProcessLookupError):  # the VM's own children, in the session that we gave it
            os.killpg(server.pid, signal.SIGKILL)

    def _make_environment(self, dist_port: int, epmd_port: int, erl_args: str) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": folder,  # where the Erlang cookie is made
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/no-such-file",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": erl_args,
            "ERL_CRASH_DUMP_SECONDS": "0",  # none needs to write one
            "RUNNING_UNDER_SYSTEMD": "true",  # the start script becomes the VM instead of watching over it
        }


def end_with_parent() -> None:
    """For ``preexec_fn``: on Linux a child gets SIGKILL when the thread that started it is gone, however it went."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answers_amqp(port: int) -> bool:
    """Whether an AMQP broker at this port of 127.0.0.1 says its first word."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            peer.sendall(b"AMQP\x00\x00\x09\x01")
            return peer.recv(1) == b"\x01"
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, and that no other process is given while this one has their marks.

    Not of the range that outgoing connections take theirs from: while a broker is down, one of those could sit on
    its port, or a client that tries again and again could even connect to itself.
    """
    found: list[int] = []
    while len(found) < count:
        port = LOWEST_PORT + secrets.randbelow(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            _marks.append(_mark(port))
            found.append(port)
    while len(_marks) > MOST_MARKS:
        os.close(_marks.popleft())
    return found


def _mark(port: int) -> int:
    """Take it for UDP, which a broker has no use for: who is given it can listen, and nobody else is given it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mark:
        mark.bind(("127.0.0.1", port))
        return mark.detach()
