"""The loop plays what it is told to, and its figures are true."""

from __future__ import annotations

import json
import math

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Discrete

from agent_worker.policies import RandomPolicy, load_policy
from agent_worker.rollout import Counting, Record, Summary, rollout


class Countdown(gymnasium.Env):
    """Episodes of 1, 2, 3, ... steps by turns; the reward is the number of the step in its episode, from 0."""

    observation_space = Discrete(1_000)
    action_space = Discrete(2)

    def __init__(self, *, truncates: bool = False, rewards=lambda step: float(step)) -> None:
        self.seeds: list[int | None] = []
        self.truncates, self.rewards = truncates, rewards

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.taken = 0
        return 0, {"step": 0}

    def step(self, action):
        reward = self.rewards(self.taken)
        self.taken += 1
        ended = self.taken == len(self.seeds)
        return self.taken, reward, ended and not self.truncates, ended and self.truncates, {"step": self.taken}


class Recorder:
    """A policy that remembers what it was told."""

    def __init__(self) -> None:
        self.seen, self.learnt = [], []

    def act(self, observation, info):
        self.seen.append((observation, info["step"]))
        return len(self.seen) % 2

    def learn(self, *step):
        self.learnt.append(step)


@pytest.mark.parametrize("truncates", [False, True])
def test_whole_episodes_are_played_and_counted(truncates):
    env = Countdown(truncates=truncates)
    summary = rollout(env, Recorder(), episodes=3)

    assert summary.lengths.tolist() == [1, 2, 3]
    assert summary.returns.tolist() == [0.0, 1.0, 3.0]
    assert summary.rewards.tolist() == [0, 0, 1, 0, 1, 2]
    assert (summary.episodes, summary.steps, summary.interrupted) == (3, 6, False)
    assert summary.return_mean == pytest.approx(4 / 3)
    assert summary.return_std == pytest.approx(np.std([0, 1, 3]))
    assert summary.length_mean == 2.0
    assert summary.reward_mean == pytest.approx(4 / 6)
    assert len(env.seeds) == 3


def test_steps_that_end_within_an_episode_do_not_count_it():
    summary = rollout(Countdown(), Recorder(), steps=5)
    assert (summary.episodes, summary.steps) == (2, 5)
    assert summary.returns.tolist() == [0.0, 1.0]
    assert summary.rewards.tolist() == [0, 0, 1, 0, 1]


def test_steps_that_end_with_an_episode_count_it_and_reset_no_more():
    env = Countdown()
    summary = rollout(env, Recorder(), steps=6)
    assert summary.episodes == 3
    assert len(env.seeds) == 3


def test_each_episode_is_seeded_by_its_number():
    env = Countdown()
    rollout(env, Recorder(), episodes=3, seed=7)
    assert env.seeds == [7, 8, 9]
    unseeded = Countdown()
    rollout(unseeded, Recorder(), episodes=2)
    assert unseeded.seeds == [None, None]


def test_what_was_played_is_known_though_the_env_raises():
    left = iter(range(4))

    def refuse_the_fifth(step):
        next(left)
        return 1.0

    record = Record()
    with pytest.raises(StopIteration):
        rollout(Countdown(rewards=refuse_the_fifth), Recorder(), episodes=10, record=record)
    summary = record.summary()
    assert (summary.env_id, summary.steps, summary.returns.tolist()) == ("Countdown", 4, [1.0, 2.0])
    assert not summary.interrupted


def test_a_policy_hears_which_episode_begins_before_it_acts():
    class Beginner(Recorder):
        def begin(self, lane, number):
            self.seen.append((lane, number))

    policy = Beginner()
    rollout(Countdown(), policy, episodes=2)
    assert policy.seen == [(0, 0), (0, 0), (0, 1), (0, 0), (1, 1)]


def test_episodes_may_come_from_elsewhere():
    class Elsewhere:
        def __init__(self):
            self.left, self.told, self.ticks = [5, 2], [], 0

        def take(self, count, *, wait):
            assert (count, wait) == (1, True)
            return [self.left.pop(0)] if self.left else []

        def finish(self, number, return_, length):
            self.told.append((number, return_, length))

        def tick(self):
            self.ticks += 1

    env, elsewhere = Countdown(), Elsewhere()
    summary = rollout(env, Recorder(), numbers=elsewhere, seed=10)
    assert env.seeds == [15, 12]
    assert (elsewhere.told, elsewhere.ticks) == ([(5, 0.0, 1), (2, 1.0, 2)], 3)
    assert summary.returns.tolist() == [1.0, 0.0]  # in the order of the numbers


def test_the_policy_sees_and_learns_every_step_in_order():
    policy = Recorder()
    rollout(Countdown(truncates=True), policy, episodes=2)

    assert policy.seen == [(0, 0), (0, 0), (1, 1)]
    assert policy.learnt == [
        (0, 1, 0.0, 1, False, True, {"step": 1}),
        (0, 0, 0.0, 1, False, False, {"step": 1}),
        (1, 1, 1.0, 2, False, True, {"step": 2}),
    ]


def test_callbacks_hear_of_every_step_and_of_every_episode_that_ended():
    rewards, runs = [], []
    rollout(Countdown(), Recorder(), steps=5, on_step=rewards.append, on_run=lambda *run: runs.append(run))
    assert rewards == [0, 0, 1, 0, 1]
    assert runs == [(0.0, 1), (1.0, 2)]


@pytest.mark.parametrize(
    "limits",
    [{}, {"episodes": 1, "steps": 1}, {"episodes": 1, "numbers": Counting()}, {"episodes": 0}, {"steps": 0},
     {"steps": -1}],
)  # fmt: skip
def test_anything_but_one_limit_is_refused(limits):
    env = Countdown()
    with pytest.raises(ValueError, match="either episodes or steps"):
        rollout(env, Recorder(), **limits)
    assert env.seeds == []


@pytest.mark.parametrize("where", ["reset", "act", "step", "learn"])
def test_ctrl_c_gives_the_figures_until_then(where):
    env, policy = Countdown(), Recorder()
    owner = policy if hasattr(policy, where) else env
    calls, function = [], getattr(owner, where)

    def interrupted_at_the_third(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    setattr(owner, where, interrupted_at_the_third)
    summary = rollout(env, policy, episodes=10)

    assert summary.interrupted
    assert summary.steps == len(summary.rtt_ns) == {"reset": 3, "act": 2, "step": 2, "learn": 3}[where]
    assert summary.episodes == {"reset": 2, "act": 1, "step": 1, "learn": 1}[where]
    assert summary.to_json()["interrupted"] is True


def test_what_the_env_raises_is_not_swallowed():
    def refuse(step):
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        rollout(Countdown(rewards=refuse), Recorder(), steps=5)


def test_every_step_is_timed():
    summary = rollout(Countdown(), Recorder(), steps=100)
    assert summary.rtt_ns.shape == (100,)
    assert summary.rtt_ns.min() > 0
    assert summary.rtt_ns.sum() < summary.seconds * 1e9
    assert 0 < summary.rtt_us_p50 <= summary.rtt_us_p99
    assert summary.steps_per_s == 100 / summary.seconds


def test_round_trips_are_in_microseconds():
    summary = a_summary(rewards=np.zeros(101), rtt_ns=np.arange(101) * 1_000)
    assert summary.rtt_us_p50 == pytest.approx(50.0)
    assert summary.rtt_us_p99 == pytest.approx(99.0)


def test_the_last_part_of_the_learning_curve_is_500_steps():
    assert a_summary(rewards=np.repeat([0.0, 1.0], [1_000, 500])).reward_mean_last == 1.0
    assert a_summary(rewards=np.array([0.0, 1.0])).reward_mean_last == 0.5


def test_an_endless_env_has_rewards_but_no_returns():
    class Endless(Countdown):
        def step(self, action):
            observation, _, _, _, info = super().step(action)
            return observation, 0.25, False, False, info

    summary = rollout(Endless(), Recorder(), steps=10)
    assert (summary.episodes, summary.return_mean, summary.return_std, summary.length_mean) == (0, None, None, None)
    assert (summary.steps, summary.reward_mean) == (10, 0.25)


@pytest.mark.parametrize(
    "summary",
    [
        lambda: a_summary(),
        lambda: rollout(Countdown(), Recorder(), steps=4),
        lambda: rollout(Countdown(rewards=lambda step: math.nan), Recorder(), episodes=4),
        lambda: rollout(Countdown(rewards=lambda step: math.inf * (-1) ** step), Recorder(), episodes=4),
        lambda: rollout(Countdown(rewards=lambda step: np.float32(step)), Recorder(), episodes=4),
    ],
    ids=["nothing", "something", "NaN", "infinity", "numpy"],
)
def test_json_is_json(summary):
    figures = json.loads(json.dumps(summary().to_json(), allow_nan=False))
    assert {
        "env_id", "episodes", "steps", "return_mean", "return_std", "length_mean", "reward_mean", "reward_mean_last",
        "seconds", "steps_per_s", "rtt_us_p50", "rtt_us_p99", "interrupted",
    } == set(figures)  # fmt: skip


def test_the_env_id_is_the_registered_one_or_the_name_of_the_class():
    cart_pole = gymnasium.make("CartPole-v1")
    assert rollout(cart_pole, RandomPolicy(cart_pole.action_space, 0), episodes=1).env_id == "CartPole-v1"
    assert rollout(Countdown(), Recorder(), steps=1).env_id == "Countdown"


def test_the_same_seeds_give_the_same_returns():
    def returns(seed: int) -> list[float]:
        env = gymnasium.make("CartPole-v1")
        spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
        return rollout(env, load_policy("random", **spaces, seed=seed), episodes=10, seed=seed).returns.tolist()

    assert returns(1) == returns(1)
    assert returns(1) != returns(2)


def a_summary(**figures: np.ndarray) -> Summary:
    nothing = {name: np.array([]) for name in ("returns", "lengths", "rewards", "rtt_ns")}
    return Summary(env_id="Env-v0", seconds=1.0, **{**nothing, **figures})
