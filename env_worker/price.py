"""The price environment of the AEA seed: offer a price for a good, and see whether it beats a hidden cut-off.

Ten goods, prices 0..99. Each good has a mean that is drawn once, from Uniform(0, number of prices); in every step a
cut-off is drawn from Normal(mean of the good, ``stdev``), and the reward is 1.0 if the price is above it, else 0.0.
Nothing is to be seen and it never ends: a bandit with a thousand arms, of which the high prices win.

``register()`` makes it known to Gymnasium as ``PriceBandit-v0``; then ``gymnasium.make("PriceBandit-v0")``.
"""

from __future__ import annotations

import operator
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete, Tuple

ENV_ID = "PriceBandit-v0"

_NOTHING = np.int64(0)
"""The only observation: the seed's environment gave ``None``, which is in no space and says nothing either."""


class PriceBandit(gymnasium.Env[np.int64, Any]):
    """Which price of which good beats the cut-off?

    * action: ``(good, price)``, of ``Tuple(Discrete(nb_goods), Discrete(nb_prices_per_good))``;
    * observation: always 0, of ``Discrete(1)``;
    * reward: 1.0 if the price is above the cut-off of this step, else 0.0;
    * end: never; ``terminated`` and ``truncated`` are always False.

    ``seed`` draws the means, and nothing but the means: an environment is the same for all its users. The cut-offs
    come from ``np_random``, which ``reset(seed=...)`` seeds as in any Gymnasium environment.

    ``faithful=True`` draws the cut-offs as the seed did: from the legacy generator that has just drawn the means, so
    that they too follow from ``seed``, from the first step on and through every ``reset()``; only
    ``reset(seed=s)``, which the seed did not have, starts that generator anew from ``s``. The generator is this
    environment's own; the seed used the global one of numpy, and so disturbed everybody else in its process.

    Raises ``ValueError`` if an argument makes no environment.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared like this by gymnasium.Env

    def __init__(
        self,
        nb_goods: int = 10,
        nb_prices_per_good: int = 100,
        stdev: float = 1.0,
        seed: int = 42,
        faithful: bool = False,
    ) -> None:
        if nb_goods < 1 or nb_prices_per_good < 1:
            raise ValueError(
                f"nb_goods and nb_prices_per_good must be at least 1, got {nb_goods} and {nb_prices_per_good}"
            )
        if not 0.0 <= stdev < float("inf"):
            raise ValueError(f"stdev must be finite and not negative, got {stdev}")
        self.action_space = Tuple((Discrete(nb_goods), Discrete(nb_prices_per_good)))
        self.observation_space = Discrete(1)
        self.nb_goods = nb_goods
        self.nb_prices_per_good = nb_prices_per_good
        self.stdev = stdev
        self.faithful = faithful
        self._legacy = np.random.RandomState(seed)
        self.means = self._legacy.uniform(0, nb_prices_per_good, nb_goods)
        """Mean cut-off of each good, float64, shape ``(nb_goods,)``."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        """Seed the cut-offs if a seed is given; there is no other state. Returns ``(0, {})``."""
        super().reset(seed=seed, options=options)
        if seed is not None:
            self._legacy = np.random.RandomState(seed % 2**32)
        return _NOTHING, {}

    def step(self, action: tuple[int, int]) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        """Offer a price for a good. Raises ``ValueError`` if ``action`` is not in the action space."""
        good, price = self._checked(action)
        noise = self._legacy if self.faithful else self.np_random
        cutoff = noise.normal(self.means[good], self.stdev)
        return _NOTHING, float(price > cutoff), False, False, {}

    def _checked(self, action: tuple[int, int]) -> tuple[int, int]:
        try:
            good, price = map(operator.index, action)
        except (TypeError, ValueError):
            raise ValueError(f"an action is two integers (good, price), got {action!r}") from None
        for name, value, number in (("good", good, self.nb_goods), ("price", price, self.nb_prices_per_good)):
            if not 0 <= value < number:
                raise ValueError(f"{name} must be one of 0..{number - 1}, got {value}")
        return good, price


def register() -> None:
    """Make ``PriceBandit-v0`` known to Gymnasium in this process; does nothing if it is known already."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(id=ENV_ID, entry_point="env_worker.price:PriceBandit")
