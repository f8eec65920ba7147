"""The env under test: it writes down all that it does, and kills, stalls or overflows its own process when told to.

Its id is what ``GYMBROKER_FAULTS_ENV`` names, so that no worker of another trial can serve it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces

from tests.faults.journal import FOLDER, Journal
from tests.support.commands import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

ENV_ID = "GYMBROKER_FAULTS_ENV"
HELD_S = 300.0
_journal: Journal | None = None


def journal() -> Journal:
    """The journal of this process."""
    global _journal
    if _journal is None:
        _journal = Journal(Path(os.environ[FOLDER]), "env")
    return _journal


def go(folder: Path, token: str) -> Path:
    """The file that lets a held request be done."""
    return folder / f"go-{token}"


def digest_after(digest: int, serial: int) -> int:
    """63 bits that depend on all requests so far."""
    told = hashlib.blake2b(f"{digest}:{serial}".encode(), digest_size=8).digest()
    return int.from_bytes(told, "big") >> 1


def payload(digest: int, size: int) -> np.ndarray:
    """``size`` int64 numbers that follow from the digest: a byte of them that differs is seen."""
    return np.arange(size, dtype=np.int64) ^ digest


def _take_all() -> None:
    taken = []
    while True:
        taken.append(np.ones(2**22))  # 32 MiB that are touched


def _spin() -> None:
    while True:
        pass


PERISH: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "memory": _take_all,
    "loop": _spin,
}
"""What envs do to their processes."""


class Journaled(gymnasium.Env):
    """Observes ``[serial, digest, *payload]``; an action is ``[serial]``, and so is a reset's ``options``.

    Args:
        token: name of the episode in the journals.
        size: numbers of payload, to make messages large.
        slow: seconds that a request takes, by its serial as text.
        held: request, as text, that is not done before the rig says ``go``.
        die: what becomes of the process at the request of that serial, as text: SIGKILL ``before`` or ``after`` it is
            executed; or one of ``PERISH``, before. At ``make``: SIGKILL when the env is made.
    """

    def __init__(
        self,
        token: str,
        size: int = 0,
        slow: dict[str, float] | None = None,
        held: str = "",
        die: dict[str, str] | None = None,
    ) -> None:
        self._held = held
        self.observation_space = spaces.Box(0, 2**63 - 1, (2 + size,), np.int64)
        self.action_space = spaces.Box(0, 2**62, (1,), np.int64)
        self._token, self._size, self._slow, self._die = token, size, slow or {}, die or {}
        self._instance, self._digest = secrets.token_hex(4), 0
        journal().write("made", token, instance=self._instance)
        if "make" in self._die:
            os.kill(os.getpid(), signal.SIGKILL)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return self._do(int((options or {})["serial"])), {}

    def step(self, action: np.ndarray) -> Any:
        return self._do(int(action[0])), 1.0, False, False, {}

    def _do(self, serial: int) -> np.ndarray:
        self._fail(serial, "before")
        journal().write("begin", self._token, instance=self._instance, serial=serial)
        time.sleep(self._slow.get(str(serial), 0.0))
        if str(serial) == self._held:
            eventually(go(Path(os.environ[FOLDER]), self._token).exists, "the rig says go", HELD_S)
        self._digest = digest_after(self._digest, serial)
        journal().write("did", self._token, instance=self._instance, serial=serial, digest=self._digest)
        self._fail(serial, "after")
        return np.array([serial, self._digest, *payload(self._digest, self._size)], np.int64)

    def _fail(self, serial: int, when: str) -> None:
        how = self._die.get(str(serial), "")
        if how == when:
            os.kill(os.getpid(), signal.SIGKILL)
        if how in PERISH and when == "before":
            PERISH[how]()

    def close(self) -> None:
        journal().write("closed", self._token, instance=self._instance)


if ENV_ID in os.environ:
    gymnasium.register(os.environ[ENV_ID], entry_point=Journaled, order_enforce=False, disable_env_checker=True)
