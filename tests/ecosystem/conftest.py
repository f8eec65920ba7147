"""Every test in this folder is of the heavy suite, and its modules are imported only when that is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.hosting import lanes, remote, serve

__all__ = ["lanes", "remote", "serve"]

os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo draws without a display; it looks when it is imported

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    wanted = "ecosystem" in config.option.markexpr and "not ecosystem" not in config.option.markexpr
    return True if collection_path.suffix == ".py" and not wanted else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.ecosystem)
            # jax minds that brokers and workers are started by fork and exec, once one test has imported it.
            item.add_marker(pytest.mark.filterwarnings("ignore:os.fork"))
