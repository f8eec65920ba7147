"""Training goes on while its workers are killed: no step is executed twice, and no transition is wrong.

Workers are killed by the count of steps, and nothing is asked before they are dead: each is lost in the next step.
"""

from __future__ import annotations

from contextlib import contextmanager

import gymnasium
import numpy as np
import pytest

from agent_worker import RemoteEnv
from agent_worker.bandit import BetaPriceAgent
from agent_worker.rollout import rollout
from env_worker.price import PriceBandit
from tests.support.commands import worker
from tests.support.equal import identical
from tests.support.losing import JOURNALED, kill, lives

BANDIT, CARTPOLE = "PriceBandit-v0", "CartPole-v1"
EVERY = 150
"""Steps between two kills."""

RUNS = 15
"""Of the learner: 627 steps undisturbed."""

pytestmark = pytest.mark.timeout(300)  # in each test three or four workers are started again


class Hunted(gymnasium.Wrapper):
    """Kills the worker of a remote env before every ``EVERY``-th step, and writes down what is asked and perceived."""

    def __init__(self, env):
        super().__init__(env)
        self.asked, self.runs, self.kills = [], [], 0

    def reset(self, *, seed=None, options=None):
        self.asked.append(f"reset {seed}")
        found = self.env.reset(seed=seed, options=options)
        self.runs.append([seed, found[0]])
        return found

    def step(self, action):
        self.asked.append(f"step {np.asarray(action).tolist()}")
        if sum(what.startswith("step") for what in self.asked) % EVERY == 0:
            kill(self.env.description)
            self.kills += 1
        found = self.env.step(action)
        self.runs[-1].append((action, found))
        return found


@contextmanager
def hunted(rabbit, tmp_path, game, mode):
    """A remote ``game`` at one of two workers that are started again when they are killed."""
    journal = tmp_path / "journal"
    with worker(rabbit.url, tmp_path / "log", JOURNALED, processes=2):
        given = {"on_worker_loss": mode, "resume_window": 0.2, "make_timeout": 60.0, "step_timeout": 60.0}
        env = Hunted(RemoteEnv(JOURNALED, rabbit.url, game=game, journal=str(journal), **given))
        yield env
        env.close()


class Learner:
    """REINFORCE with a linear policy, in numpy; for two actions."""

    def __init__(self):
        self.weights = np.zeros(4)
        self._rng = np.random.default_rng(7)

    def train(self, env, runs):
        """Play so many runs, each reset with its number, and learn from each; gives their returns."""
        return [self._run(env, number) for number in range(runs)]

    def _run(self, env, seed):
        observation, _ = env.reset(seed=seed)
        gradients, rewards, over = [], [], False
        while not over:
            right = 1 / (1 + np.exp(-self.weights @ observation))
            action = int(self._rng.random() < right)
            gradients.append((action - right) * observation)
            observation, reward, terminated, truncated, _ = env.step(action)
            rewards.append(reward)
            over = terminated or truncated
        returns = np.cumsum(rewards[::-1])[::-1]
        self.weights += 0.02 * (gradients * (returns - returns.mean())[:, None]).sum(0)
        return sum(rewards)


def each_life_is_a_part(executed, asked):
    """What each env executed is a part of what was asked, from a seeded reset on; the last one's reaches the end."""
    ends = []
    for life in executed:
        begin = asked.index(life[0])
        assert asked[begin : begin + len(life)] == life
        ends.append(begin + len(life))
    assert max(ends) == len(asked)


def test_the_price_bandit_learns_what_it_would_have_learnt_beside_the_env(rabbit, tmp_path):
    undisturbed, ours = (BetaPriceAgent(10, 100, seed=3) for _ in range(2))
    expected = rollout(PriceBandit(), undisturbed, steps=500, seed=5)
    with hunted(rabbit, tmp_path, BANDIT, "replay") as env:
        found = rollout(env, ours, steps=500, seed=5)
    assert env.kills == 3
    assert identical(found.rewards, expected.rewards)
    assert identical((ours.wins, ours.losses), (undisturbed.wins, undisturbed.losses))
    executed = lives(tmp_path / "journal")
    assert len(executed) == 1 + env.kills
    each_life_is_a_part(executed, env.asked)


def test_a_learner_replayed_ends_with_the_weights_of_an_undisturbed_one(rabbit, tmp_path):
    undisturbed, ours = Learner(), Learner()
    expected = undisturbed.train(gymnasium.make(CARTPOLE), RUNS)
    with hunted(rabbit, tmp_path, CARTPOLE, "replay") as env:
        found = ours.train(env, RUNS)
    assert env.kills == 4
    assert identical(found, expected)
    assert identical(ours.weights, undisturbed.weights)
    each_life_is_a_part(lives(tmp_path / "journal"), env.asked)


def test_a_learner_truncated_sees_the_beginning_of_each_run_and_its_end_once(rabbit, tmp_path):
    with hunted(rabbit, tmp_path, CARTPOLE, "truncate") as env:
        Learner().train(env, RUNS)
    assert env.kills >= 2
    cut = [run for run in env.runs if "worker_lost" in run[-1][1][4]]
    assert len(cut) == env.kills
    local = gymnasium.make(CARTPOLE)
    for seed, first, *steps in env.runs:
        seen = local.reset(seed=seed)[0]
        assert identical(first, seen)
        for action, found in steps:
            if "worker_lost" in found[4]:
                assert identical(found[:4], (seen, 0.0, False, True))
            else:
                seen, *rest = local.step(action)
                assert identical(found[:4], (seen, float(rest[0]), rest[1], rest[2]))
    no_step_is_executed_twice(lives(tmp_path / "journal"), env.runs)


def no_step_is_executed_twice(executed, runs):
    """What was executed of each run is what was asked, once; of one that was cut off, perhaps without the last step."""
    found = {}
    for life in executed:
        for what in life:
            if what.startswith("reset"):
                seed = int(what.split()[1])
                found.setdefault(seed, []).append([])
            else:
                found[seed][-1].append(what)
    assert list(found) == [run[0] for run in runs]
    for seed, _, *steps in runs:
        asked = [f"step {action}" for action, _ in steps]
        (done,) = found[seed]
        assert done == asked[: len(done)]
        assert len(asked) - len(done) <= ("worker_lost" in steps[-1][1][4])
