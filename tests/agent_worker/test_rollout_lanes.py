"""All lanes are played at once, and each episode is begun, finished and counted once, whichever is short."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiDiscrete, Text, Tuple
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agent_worker.acting import Predicting, RandomPolicy
from agent_worker.policies import load_policy
from agent_worker.rollout import Counting, Record, rollout
from agent_worker.rollout_lanes import rollout_lanes


class Dice(gymnasium.Env):
    """Lasts as long as its seed says: 1 to 40 steps; each reward is drawn. It must not be stepped after its end."""

    observation_space = Dict({"left": Discrete(41), "draw": Box(0, 1, (2,), np.float64)})
    action_space = Tuple((Discrete(3), Discrete(2)))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, 41))
        return self._observe(), {"first": self.left, "nested": {"left": self.left}}

    def _observe(self):
        return {"left": self.left, "draw": self.np_random.random(2)}

    def step(self, action):
        assert self.left > 0, "stepped after its end"
        assert action in self.action_space
        self.left -= 1
        reward = float(self.np_random.normal() * (1 + action[0]))
        ended, cut = self.left == 0, action[1] == 1
        return self._observe(), reward, ended and not cut, ended and cut, {"a": action[0]}


class Deterministic:
    """Acts by what it sees, one lane at a time."""

    learns = False

    def act(self, observation, info):
        assert observation in Dice.observation_space
        return int(observation["left"]) % 3, int(observation["draw"][0] > 0.5)


def lanes(count: int, env=Dice, mode=AutoresetMode.DISABLED) -> SyncVectorEnv:
    return SyncVectorEnv([env] * count, autoreset_mode=mode)


def test_returns_by_number_do_not_depend_on_the_lanes():
    alone = rollout(Dice(), Deterministic(), episodes=50, seed=3)
    for count in (1, 2, 8, 50, 64):
        summary = rollout_lanes(lanes(count), Deterministic(), episodes=50, seed=3)
        assert summary.returns.tolist() == alone.returns.tolist()
        assert summary.lengths.tolist() == alone.lengths.tolist()
        assert sorted(summary.rewards) == sorted(alone.rewards)
        assert summary.steps == alone.steps


@pytest.mark.parametrize("count", [1, 3, 16])
def test_an_evaluation_of_n_episodes_is_not_one_of_the_n_shortest(count):
    """With 16 lanes the first 20 that end are short ones; these here are the episodes 0 to 19."""
    lengths = rollout_lanes(lanes(count), Deterministic(), episodes=20, seed=0).lengths.tolist()
    assert lengths == [int(gymnasium.utils.seeding.np_random(seed)[0].integers(1, 41)) for seed in range(20)]


@pytest.mark.parametrize("name", ["random", "tests.support.policies:Drawing"])
def test_a_policy_of_chance_that_draws_by_episode_does_not_depend_on_the_lanes_either(name):
    spaces = {"observation_space": Dice.observation_space, "action_space": Dice.action_space}
    alone = rollout(Dice(), load_policy(name, **spaces, seed=5), episodes=20, seed=0)
    many = rollout_lanes(lanes(6), load_policy(name, **spaces, seed=5, lanes=6), episodes=20, seed=0)
    assert many.returns.tolist() == alone.returns.tolist()
    other = rollout_lanes(lanes(6), load_policy(name, **spaces, seed=6, lanes=6), episodes=20, seed=0)
    assert other.returns.tolist() != alone.returns.tolist()


def test_every_episode_is_handed_out_and_finished_once():
    class Book(Counting):
        def __init__(self, episodes):
            super().__init__(episodes)
            self.given, self.finished, self.most = [], [], 0

        def take(self, count, *, wait):
            found = super().take(count, wait=wait)
            self.given += found
            self.most = max(self.most, len(self.given) - len(self.finished))
            return found

        def finish(self, number, return_, length):
            self.finished.append(number)

    book = Book(30)
    rollout_lanes(lanes(7), Deterministic(), numbers=book, seed=0)
    assert book.given == list(range(30))
    assert sorted(book.finished) == list(range(30))
    assert book.most == 7


def test_steps_are_those_of_all_lanes_and_no_more_than_were_asked_for():
    record = Record()
    summary = rollout_lanes(lanes(4), Deterministic(), steps=30, seed=0, record=record)
    assert summary.steps == 30
    assert len(record.rtt_ns) == 8
    assert len(summary.returns) == len(summary.lengths)


def test_a_policy_is_asked_once_for_all_lanes_if_it_can_be():
    class Batched:
        learns = False

        def __init__(self):
            self.asked, self.begun = [], []

        def begin(self, lane, number):
            self.begun.append((lane, number))

        def act_batch(self, observations, infos):
            self.asked.append((observations["draw"].shape, [info.get("first") for info in infos]))
            return observations["left"] % 3, np.zeros(len(infos), np.int64)

    policy = Batched()
    lengths = rollout_lanes(lanes(3), policy, episodes=3, seed=10).lengths
    assert policy.asked[0] == ((3, 2), lengths.tolist())
    assert {shape for shape, _ in policy.asked} == {(3, 2)}
    assert len(policy.asked) == lengths.max()
    assert policy.begun == [(0, 0), (1, 1), (2, 2)]


def test_a_policy_learns_from_every_counted_step_of_every_lane():
    class Learner(Deterministic):
        learns = True

        def __init__(self):
            self.steps = []

        def learn(self, observation, action, reward, next_observation, terminated, truncated, info):
            assert observation in Dice.observation_space
            assert action in Dice.action_space
            assert observation["left"] - 1 == next_observation["left"]
            assert (terminated or truncated) == (next_observation["left"] == 0)
            assert info["a"] == action[0]
            self.steps.append(reward)

    policy = Learner()
    summary = rollout_lanes(lanes(5), policy, episodes=12, seed=1)
    assert policy.steps == summary.rewards.tolist()
    assert summary.rewards.sum() == pytest.approx(summary.returns.sum())


@pytest.mark.parametrize(
    "space",
    [
        Discrete(5, start=-2),
        Box(-1.0, 1.0, (2, 3), np.float32),
        Dict({"a": Discrete(3), "b": MultiDiscrete([4, 5])}),
        Tuple((Discrete(10), Text(5))),
        Graph(Box(-1, 1, (2,)), None),
    ],
    ids=str,
)
def test_actions_of_any_space_are_batched_and_observations_split_by_walking_it(space):
    class Echo(gymnasium.Env):
        observation_space = action_space = space
        seen = []

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            space.seed(seed)
            self.last = space.sample()
            return self.last, {}

        def step(self, action):
            assert action in space
            Echo.seen.append(repr(action) == repr(self.last))
            return self.last, 1.0, False, True, {}

    class Echoing:
        learns = False

        def act(self, observation, info):
            assert observation in space
            return observation

    rollout_lanes(lanes(3, Echo), Echoing(), episodes=5, seed=0)
    assert len(Echo.seen) == 6
    assert all(Echo.seen)


def test_a_recurrent_model_gets_its_state_back_and_hears_which_lanes_begin():
    class Recurrent:
        heard = []

        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            count = len(observation["left"])
            self.heard.append((None if state is None else state.tolist(), episode_start))
            state = np.zeros(count) if state is None else np.where(episode_start, 0, state)
            return (np.zeros(count, np.int64), np.zeros(count, np.int64)), state + 1

    lengths = rollout_lanes(lanes(2), Predicting(Recurrent()), episodes=6, seed=0).lengths
    assert Recurrent.heard[0] == (None, None)
    told = Recurrent.heard[1:]
    assert sum(start.sum() for _, start in told) == 4  # the first two need no telling
    second = next(state[lane] for state, start in told for lane in range(2) if start[lane])
    assert second == lengths[:2].min()  # the state that it had come to in the episode before


def test_a_model_that_takes_masks_gets_those_of_the_infos():
    class Masked:
        heard = []

        def predict(self, observation, state=None, deterministic=False, action_masks=None):
            self.heard.append(action_masks)
            return 0, None

    policy = Predicting(Masked())
    policy.act(0, {"action_mask": np.array([1, 0])})
    policy.act_batch(np.zeros(2), [{"action_mask": np.array([1, 0])}, {"action_mask": np.array([0, 1])}])
    policy.act_batch(np.zeros(2), [{}, {"action_mask": np.array([0, 1])}])
    assert [None if mask is None else mask.tolist() for mask in Masked.heard] == [[[1, 0]], [[1, 0], [0, 1]], None]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_an_env_that_resets_by_itself_is_refused(mode):
    with pytest.raises(ValueError, match="autoreset_mode='disabled'"):
        rollout_lanes(lanes(2, mode=mode), Deterministic(), episodes=2)


def test_ctrl_c_gives_the_figures_until_then():
    class Impatient(Deterministic):
        asked = 0

        def act(self, observation, info):
            self.asked += 1
            if self.asked == 50:
                raise KeyboardInterrupt
            return super().act(observation, info)

    summary = rollout_lanes(lanes(4), Impatient(), episodes=50, seed=0)
    assert summary.interrupted
    assert 0 < summary.steps < 50
    assert summary.lengths.sum() <= summary.steps


def test_what_was_played_is_known_though_the_policy_raises():
    class Broken(Deterministic):
        asked = 0

        def act(self, observation, info):
            self.asked += 1
            if self.asked == 50:
                raise ZeroDivisionError
            return super().act(observation, info)

    record = Record(env_id="Dice")
    with pytest.raises(ZeroDivisionError):
        rollout_lanes(lanes(4), Broken(), episodes=50, seed=0, record=record)
    assert (record.summary().env_id, record.summary().steps) == ("Dice", 48)


def test_random_lanes_do_not_draw_the_same():
    policy = RandomPolicy(Discrete(10**9), seed=1)
    for lane in range(4):
        policy.begin(lane, lane)
    assert len(set(policy.act_batch(None, [{}] * 4).tolist())) == 4
