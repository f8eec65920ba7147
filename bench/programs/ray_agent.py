"""CartPole in a Ray actor: one remote call for each step."""

from __future__ import annotations

import logging
import sys
from typing import Any

import ray

from bench.programs import loop
from bench.programs.cartpole import OldCartPole

sys.stdout, printed = sys.stderr, sys.stdout  # Ray prints what its processes print
ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
sys.stdout = printed
actor: Any = ray.remote(OldCartPole).remote()


def step(action: int) -> bool:
    _, _, done, _ = ray.get(actor.step.remote(action))
    return bool(done)


loop.answer(step, lambda: ray.get(actor.reset.remote()), loop.coin_flips())
ray.shutdown()
