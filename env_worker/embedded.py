"""An env worker inside another program: for ``memory://``, demos, tests and notebooks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

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


class EmbeddedWorker:
    """Serves from a thread of this process. Over ``memory://`` envs step in the thread that waits for them.

    Use it as a context manager, or call ``start`` and ``stop``. It cannot end an env that hangs: that needs the
    process of its own that ``env-worker serve`` gives it, or ``isolation="process"``. Raises ``CatalogueError`` for an
    env that does not exist.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self._children = Children(settings, stepper_name()) if settings.isolation == "process" else None
        self._stepper = Stepper(settings, self._children or Catalogue(settings), Pulse(), self._children)
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

    def _serve(self) -> None:
        try:
            serve(self.settings, self._stepper, self._control, ready=self._ready.set)
        except BaseException as failure:  # noqa: BLE001 - carried to the thread that waits in start()
            self._failure = failure
        finally:
            self._ready.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
