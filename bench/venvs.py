"""A virtual environment for each peer, under ``.bench/``, from the package index, with every version pinned."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.processes import ROOT, BenchFailed

if TYPE_CHECKING:
    from pathlib import Path

HOME = ROOT / ".bench"
PEERS = ROOT / "bench" / "peers"
LOCK = ROOT / "requirements" / "lock.txt"
COMMON = ("gymnasium", "numpy", "cloudpickle", "farama-notifications", "typing-extensions")
"""In every peer's environment, as in ours: the same CartPole for all."""

INSTALL_S = 420.0


def python_of(peer: str) -> Path:
    """Interpreter of the peer's environment, which is made first if it is not there. Raises ``BenchFailed``."""
    locked = [line for line in LOCK.read_text().splitlines() if line.startswith(COMMON)]
    wanted = "\n".join([(PEERS / f"{peer}.txt").read_text(), *locked, sys.version])
    home = HOME / f"{peer}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    python, done = home / "bin" / "python", home / "done"
    if not done.exists():
        for old in HOME.glob(f"{peer}-*"):
            shutil.rmtree(old, ignore_errors=True)
        _run(peer, [sys.executable, "-m", "venv", "--without-pip", str(home)])
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--quiet"]
        pip.append("--disable-pip-version-check")
        _run(peer, [*pip, "--constraint", str(LOCK), *COMMON])
        _run(peer, [*pip, "--requirement", str(PEERS / f"{peer}.txt")])
        done.touch()
    return python


def _run(peer: str, command: list[str]) -> None:
    HOME.mkdir(exist_ok=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise BenchFailed(f"{peer} does not install within {INSTALL_S:g} s") from None
    if done.returncode:
        raise BenchFailed(f"{peer} does not install: {(done.stderr or done.stdout).strip()[-500:]}")
