"""An env worker inside another program: for ``memory://``, demos, tests and notebooks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import broker
from env_worker.announcer import stepper_name
from env_worker.catalogue import Catalogue
from env_worker.children import Children
from env_worker.pulse import Pulse
from env_worker.service import Control, serve
from env_worker.stepper import Stepper

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from env_worker.settings import WorkerSettings

READY_S = 30.0
JOIN_S = 10.0

_running: dict[EmbeddedWorker, None] = {}
"""Those whose thread runs."""


def served_here(broker_url: str, env_id: str) -> bool:
    """Whether an embedded worker of this process serves the env at that broker, busy or not."""
    return any(one.serves(broker_url, env_id) for one in list(_running))


class EmbeddedWorker:
    """Serves from a thread of this process. Over ``memory://`` envs step in the thread that waits for them.

    Use it as a context manager, or call ``start`` and ``stop``. It cannot end an env that hangs: that needs the
    process of its own that ``env-worker serve`` gives it, or ``isolation="process"``. Raises ``CatalogueError`` for an
    env that does not exist.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self._children = Children(settings, stepper_name()) if settings.isolation == "process" else None
        catalogue = self._children or Catalogue(settings)
        self._at, self._env_ids = broker.label(settings.broker), frozenset(catalogue.entries)
        self._stepper = Stepper(settings, catalogue, Pulse(), self._children)
        self._control = Control()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="embedded env worker", daemon=True)

    def start(self) -> Self:
        """Begin to serve; returns when requests are taken. Raises ``BrokerError``; it is stopped again then."""
        try:
            self._thread.start()
            if not self._ready.wait(min(self.settings.connect_timeout + READY_S, threading.TIMEOUT_MAX)):
                raise TimeoutError("the embedded env worker did not begin to serve")
            if self._failure is not None:
                raise self._failure
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, timeout_s: float = 0.0) -> None:
        """End it: running episodes have ``timeout_s`` seconds to finish. Safe to call twice."""
        self._control.drain(timeout_s)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            self._control.given_up.set()
            self._thread.join(JOIN_S)
        if self._children is not None:
            self._children.close(JOIN_S)

    @property
    def alive(self) -> bool:
        """True while it serves."""
        return self._thread.is_alive()

    def serves(self, broker_url: str, env_id: str) -> bool:
        """Whether it serves the env at that broker, and is not about to end."""
        wanted = env_id in self._env_ids and broker.label(broker_url) == self._at
        return wanted and self.alive and self._control.drain_until is None

    def _serve(self) -> None:
        _running[self] = None
        try:
            serve(self.settings, self._stepper, self._control, ready=self._ready.set)
        except BaseException as failure:  # noqa: BLE001 - carried to the thread that waits in start()
            self._failure = failure
        finally:
            del _running[self]
            self._ready.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
