"""agymc in the agent's process, with Gymnasium's CartPole in the place of gym's. Usage: agymc_agent LANES

A finished env of agymc does nothing until all have finished and are reset: of the lanes of a step, about half step.
"""

from __future__ import annotations

import sys
import warnings
from types import SimpleNamespace

from bench.programs import loop
from bench.programs.cartpole import OldCartPole

warnings.simplefilter("ignore")
import agymc.src.env as agymc  # noqa: E402 - gym warns of itself when it is imported

agymc.gym = SimpleNamespace(make=lambda env_id: OldCartPole())
lanes = int(sys.argv[1])
envs = agymc.make("CartPole-v1", lanes)
flips = loop.coin_flips()
actions = [[flips[(first + lane) % len(flips)] for lane in range(lanes)] for first in range(len(flips))]


def step(action: list[int]) -> bool:
    _, _, done, _ = envs.step(action)
    return all(done)


loop.answer(step, envs.reset, actions, lanes)
