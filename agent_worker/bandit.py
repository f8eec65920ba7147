"""The agent of the AEA seed: for each price of each good a Beta distribution of how often it wins.

It belongs to environments like ``PriceBandit-v0``: the action is ``(good, price)``, the reward lies in 0..1, and
nothing else matters. All models are two arrays, so that a decision is one vectorised draw.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class BetaPriceAgent:
    """Pick a good at random, draw from the Beta distribution of each of its prices, offer the price that drew highest.

    This is Thompson sampling: what may be good is tried, what is known to be good is used.

    ``faithful=True`` rounds every draw to 0 or 1 first, as the seed's agent does. The first of the highest draws wins,
    which is then the *lowest* price that drew 1: it climbs from price 0, one failing price after the other, and learns
    several times slower (mean reward of the first 4,000 steps of ``PriceBandit-v0``: 0.19, and 0.87 without rounding).

    Of the seed's faults two are gone in either mode: prices end where the action space ends (the seed could offer
    100 where 99 is the last, and died of it), and draws come from a generator of its own, seeded by ``seed``.
    """

    def __init__(self, nb_goods: int, nb_prices: int, *, seed: int | None = None, faithful: bool = False) -> None:
        self.faithful = faithful
        self.wins = np.ones((nb_goods, nb_prices))
        """Parameter a of each Beta distribution, float64: 1 + the sum of its rewards."""
        self.losses = np.ones((nb_goods, nb_prices))
        """Parameter b of each Beta distribution, float64: 1 + the sum of what its rewards lacked of 1."""
        # A child of the seed: an env that was seeded alike draws from default_rng(seed), and must not draw the same.
        self._rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])

    def act(self, observation: Any, info: dict[str, Any]) -> tuple[int, int]:
        """Offer: ``(good, price)``. Observation and info are not looked at."""
        good = int(self._rng.integers(len(self.wins)))
        draws = self._rng.beta(self.wins[good], self.losses[good])
        if self.faithful:
            draws = np.rint(draws)
        return good, int(draws.argmax())

    def learn(
        self,
        observation: Any,
        action: Any,
        reward: float,
        next_observation: Any,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
    ) -> None:
        """Count the outcome for the price that was offered. Raises ``ValueError`` for a reward outside 0..1."""
        if not 0.0 <= reward <= 1.0:
            raise ValueError(
                f"a Beta distribution learns from rewards of 0..1, got {reward!r}; this env needs another policy"
            )
        good, price = action
        self.wins[good, price] += reward
        self.losses[good, price] += 1.0 - reward
