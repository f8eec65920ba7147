"""The price environment: its figures are those of the AEA seed, and it is a correct Gymnasium environment."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from env_worker import price
from env_worker.price import PriceBandit

MEANS_OF_SEED_42 = [37.45, 95.07, 73.20, 59.87, 15.60, 15.60, 5.81, 86.62, 60.11, 70.81]


def test_means_of_seed_42_are_those_of_the_aea_environment():
    assert PriceBandit(seed=42).means.round(2).tolist() == MEANS_OF_SEED_42
    assert PriceBandit().means.round(2).tolist() == MEANS_OF_SEED_42


def test_faithful_cut_offs_are_those_of_the_aea_environment():
    # The seed's environment seeds numpy's generator, draws all means, and then one cut-off in each step.
    seeds_own = np.random.RandomState(42)
    means = [seeds_own.uniform(0, 100) for _ in range(10)]
    actions = np.random.default_rng(0).integers((10, 100), size=(2000, 2))
    expected = [float(offered > seeds_own.normal(means[good], 1)) for good, offered in actions]

    env = PriceBandit(faithful=True)
    env.reset()

    assert [env.step(tuple(action))[1] for action in actions] == expected


@pytest.mark.parametrize(("offered", "reward"), [(50, 0.0), (51, 1.0)])
def test_only_a_price_above_the_cut_off_is_rewarded(offered, reward):
    env = PriceBandit(nb_goods=1, stdev=0.0)
    env.means[0] = 50.0
    env.reset(seed=0)

    assert env.step((0, offered)) == (0, reward, False, False, {})


def test_reset_with_a_seed_repeats_the_cut_offs_and_keeps_the_means():
    for faithful in (False, True):
        env = PriceBandit(faithful=faithful)
        first, again, other = (rewards_near_the_mean(env, seed) for seed in (1, 1, 2))
        assert first == again
        assert first != other
        assert env.means.round(2).tolist() == MEANS_OF_SEED_42


def test_reset_without_a_seed_goes_on_with_the_cut_offs():
    env = PriceBandit()
    assert rewards_near_the_mean(env, 1) != rewards_near_the_mean(env, None)


def test_numpys_global_generator_is_left_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)

    rewards_near_the_mean(PriceBandit(faithful=True), 1)

    assert np.random.random() == expected


@pytest.mark.parametrize("faithful", [False, True])
def test_gymnasiums_env_checker_has_nothing_to_say(faithful):
    price.register()
    check_env(gymnasium.make(price.ENV_ID, faithful=faithful).unwrapped)


def test_values_are_of_their_spaces_and_types():
    env = PriceBandit()
    observation, info = env.reset(seed=0)
    next_observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())

    assert observation in env.observation_space
    assert next_observation in env.observation_space
    assert info == {}
    assert type(reward) is float
    assert (terminated, truncated) == (False, False)


@pytest.mark.parametrize("action", [(3, 99), [3, 99], np.array([3, 99]), (np.int64(3), np.int32(99))])
def test_actions_are_pairs_of_integers_of_any_kind(action):
    env = PriceBandit()
    env.reset(seed=0)
    assert env.step(action)[1] == 1.0


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ((10, 5), r"good must be one of 0\.\.9, got 10"),
        ((-1, 5), r"good must be one of 0\.\.9, got -1"),
        ((3, 100), r"price must be one of 0\.\.99, got 100"),
        ((3, 5.5), r"two integers \(good, price\), got \(3, 5\.5\)"),
        ((3,), r"two integers \(good, price\), got \(3,\)"),
        (7, r"two integers \(good, price\), got 7"),
        (None, r"two integers \(good, price\), got None"),
    ],
)
def test_an_action_outside_the_space_is_refused_by_name(action, named):
    env = PriceBandit()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=named):
        env.step(action)


@pytest.mark.parametrize(
    "kwargs", [{"nb_goods": 0}, {"nb_prices_per_good": 0}, {"stdev": -1.0}, {"stdev": float("nan")}]
)
def test_arguments_that_make_no_environment_are_refused_by_name(kwargs):
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        PriceBandit(**kwargs)


def test_numbers_of_goods_and_prices_shape_the_action_space():
    env = PriceBandit(nb_goods=3, nb_prices_per_good=7)
    assert [space.n for space in env.action_space] == [3, 7]
    assert env.means.max() < 7


def test_registering_twice_is_registering_once():
    price.register()
    spec = gymnasium.registry[price.ENV_ID]
    price.register()

    assert gymnasium.registry[price.ENV_ID] is spec
    assert isinstance(gymnasium.make("PriceBandit-v0", nb_goods=2).unwrapped, PriceBandit)


def rewards_near_the_mean(env: PriceBandit, seed: int | None) -> list[float]:
    """Rewards of 100 offers at the mean, where each is a coin toss by the noise."""
    env.reset(seed=seed)
    return [env.step((0, 37))[1] for _ in range(100)]
