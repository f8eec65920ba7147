"""Gymie's own server; its documented ``override`` gives it Gymnasium's CartPole. Usage: gymie_server PORT"""

from __future__ import annotations

import sys
from typing import Any

import gymie

from bench.programs.cartpole import OldCartPole


@gymie.override("get_env")  # type: ignore[untyped-decorator]  # Gymie is not typed
def get_env(env_id: str, seed: int | None = None) -> Any:
    """What Gymie's ``make`` calls."""
    return OldCartPole()


gymie.start("127.0.0.1", int(sys.argv[1]))
