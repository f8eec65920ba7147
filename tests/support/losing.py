"""Workers that are lost, as a test wants it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from env_worker import EmbeddedWorker


def vanish(worker: EmbeddedWorker) -> None:
    """What a worker has is gone at once, without a word, as if its process had been killed and started again."""
    worker._stepper.slots.clear()
    worker._stepper._connection.close()


def kill(env: Any) -> None:
    """End the process that hosts ``env`` (or its first episode) by SIGKILL."""
    os.kill(int(env.description.worker.rpartition("/")[2]), signal.SIGKILL)
