"""The price agent: the faithful mode learns as the AEA seed does, the improved mode learns faster."""

from __future__ import annotations

import numpy as np
import pytest

from agent_worker.bandit import BetaPriceAgent
from agent_worker.rollout import rollout
from env_worker.price import PriceBandit

SEEDS = range(6)


def rewards_of(*, faithful: bool, steps: int) -> np.ndarray:
    """Rewards of each seed in each step, shape ``(seeds, steps)``, in the seed's environment."""
    return np.array(
        [
            rollout(
                PriceBandit(faithful=True),
                BetaPriceAgent(10, 100, seed=seed, faithful=faithful),
                steps=steps,
                seed=seed,
            ).rewards
            for seed in SEEDS
        ]
    )


@pytest.fixture(scope="module")
def faithful() -> np.ndarray:
    return rewards_of(faithful=True, steps=20_000)


@pytest.fixture(scope="module")
def improved() -> np.ndarray:
    return rewards_of(faithful=False, steps=4_000)


@pytest.mark.parametrize(
    ("first", "last", "mean"),
    [
        (0, 500, 0.04),
        (0, 4_000, 0.19),
        (3_500, 4_000, 0.31),
        (0, 20_000, 0.50),
        (19_500, 20_000, 0.64),
    ],
)
def test_faithful_mode_learns_as_fast_as_the_aea_agent(faithful, first, last, mean):
    # Figures of peers.md 1A.5, rounded there to 0.01; over six seeds ours scatter by 0.01.
    assert faithful[:, first:last].mean() == pytest.approx(mean, abs=0.025)


def test_improved_mode_learns_faster_with_every_seed(faithful, improved):
    ratios = improved.mean(axis=1) / faithful[:, :4_000].mean(axis=1)
    assert ratios.min() > 4.0


def test_improved_mode_ends_with_prices_that_nearly_always_win(improved):
    assert improved[:, -500:].mean(axis=1).min() > 0.95


def test_faithful_mode_offers_the_lowest_price_whose_draw_rounds_to_one():
    agent = BetaPriceAgent(1, 5, seed=0, faithful=True)
    agent.wins[0] = [1, 1, 1e6, 1e6, 1]
    agent.losses[0] = [1e6, 1e6, 1, 1, 1e6]
    assert {agent.act(0, {}) for _ in range(50)} == {(0, 2)}


def test_faithful_mode_offers_price_0_when_every_draw_rounds_to_zero():
    agent = BetaPriceAgent(1, 5, seed=0, faithful=True)
    agent.losses[0] = 1e6
    assert {agent.act(0, {}) for _ in range(50)} == {(0, 0)}


def test_improved_mode_offers_the_price_that_is_most_likely_to_win():
    agent = BetaPriceAgent(1, 3, seed=0)
    agent.wins[0] = [6e5, 7e5, 8e5]
    agent.losses[0] = [4e5, 3e5, 2e5]
    assert {agent.act(0, {}) for _ in range(50)} == {(0, 2)}


def test_every_good_and_every_price_of_the_space_is_offered_and_none_outside_it():
    agent = BetaPriceAgent(3, 4, seed=0)
    offers = [agent.act(0, {}) for _ in range(1_000)]
    assert set(offers) == {(good, price) for good in range(3) for price in range(4)}


def test_an_outcome_changes_the_offered_price_of_the_offered_good_only():
    agent = BetaPriceAgent(2, 3)
    agent.learn(0, (1, 2), 1.0, 0, False, False, {})
    agent.learn(0, (1, 2), 0.25, 0, False, False, {})

    assert agent.wins.tolist() == [[1, 1, 1], [1, 1, 2.25]]
    assert agent.losses.tolist() == [[1, 1, 1], [1, 1, 1.75]]


@pytest.mark.parametrize("reward", [-0.1, 1.5, float("nan")])
def test_a_reward_outside_0_to_1_is_refused_and_changes_nothing(reward):
    agent = BetaPriceAgent(2, 3)
    with pytest.raises(ValueError, match=r"learns from rewards of 0\.\.1"):
        agent.learn(0, (1, 2), reward, 0, False, False, {})
    assert agent.wins.sum() == agent.losses.sum() == 6


def test_the_same_seed_gives_the_same_offers():
    agents = [BetaPriceAgent(10, 100, seed=seed) for seed in (1, 1, 2)]
    first, again, other = ([agent.act(0, {}) for _ in range(5)] for agent in agents)
    assert first == again
    assert first != other


def test_an_agent_does_not_draw_the_numbers_of_an_env_with_the_same_seed():
    agents = BetaPriceAgent(1_000_000, 1, seed=7)
    envs = np.random.default_rng(7)
    assert agents.act(0, {})[0] != int(envs.integers(1_000_000))
