"""Envs that are no gymnasium.Env, and envs of a factory, over both transports: alone and as lanes."""

from __future__ import annotations

import re
import subprocess
import sys
from types import ModuleType

import gymnasium
import numpy as np
import pytest

from agent_worker import RemoteEnv
from agent_worker.errors import BadKwargs, EnvError
from env_worker.compat import import_gym
from tests.support import dm
from tests.support.commands import ROOT, environment, run, worker
from tests.support.envs import OldApi
from tests.support.equal import identical
from tests.support.oddities import Oddity

COUNTING = "tests.support.envs:Counting"
VAST = "tests.support.oddities:Vast"
FACTORIES = "tests.support.factories"
OBJECTIVES = "tests.support.oddities:Objectives"
SEVERAL_FLAGS = "tests.support.oddities:SeveralFlags"
OLD = "tests.support.envs:OldApi"
WALK = "tests.support.dm:Walk"


class OneByOne:
    """Envs of one API, stepped one after the other, each reset by the step after its end, as ``NEXT_STEP`` says."""

    def __init__(self, envs, reset, step):
        self.envs, self._reset, self._step = envs, reset, step
        self.ended = [False] * len(envs)

    def reset(self, seed):
        return [self._reset(env, seed + lane) for lane, env in enumerate(self.envs)]

    def step(self, actions):
        return [self._one(lane, action) for lane, action in enumerate(actions)]

    def _one(self, lane, action):
        if self.ended[lane]:
            self.ended[lane] = False
            return self._reset(self.envs[lane], None), 0.0, False, False
        results = self._step(self.envs[lane], action)
        self.ended[lane] = results[2] or results[3]
        return results


def gym_cart_poles(count):
    gym = import_gym()
    envs = [gym.make("CartPole-v1", disable_env_checker=True) for _ in range(count)]
    return OneByOne(envs, lambda env, seed: env.reset(seed=seed)[0], lambda env, action: env.step(int(action))[:4])


def old_envs(count):
    def reset(env, seed):
        if seed is not None:
            env.seed(seed)
        return env.reset()

    def step(env, action):
        at, reward, done, info = env.step(action)
        truncated = info["TimeLimit.truncated"]
        return at, reward, done and not truncated, truncated

    return OneByOne([OldApi() for _ in range(count)], reset, step)


def walks(count):
    def reset(env, seed):
        if seed is not None:
            env.random_state.seed(seed)
        return place(env.reset())

    def step(env, action):
        timestep = env.step(action)
        over = timestep.last()
        return place(timestep), timestep.reward, over and timestep.discount == 0, over and timestep.discount == 1

    def place(timestep):
        return timestep.observation["place"]

    return OneByOne([dm.Walk(limit=7) for _ in range(count)], reset, step)


@pytest.mark.parametrize(
    ("env_id", "served", "local", "seen"),
    [
        ("CartPole-v1", {"backend": "gym"}, gym_cart_poles, lambda observations: observations),
        (OLD, {}, old_envs, lambda observations: observations),
        (WALK, {"env_kwargs": {"limit": 7}}, walks, lambda observations: observations["place"]),
        ("Old-v0", {"factory": f"{FACTORIES}:make"}, old_envs, lambda observations: observations),
    ],
    ids=["gym 0.26", "four results", "dm_env", "factory"],
)
def test_lanes_of_an_env_of_another_api_are_its_envs_stepped_one_by_one(serve, lanes, env_id, served, local, seen):
    serve(env_id, **served)
    ours, theirs = lanes(env_id, 3), local(3)
    assert isinstance(ours.observation_space, gymnasium.Space)
    assert identical(seen(ours.reset(seed=5)[0]).tolist(), np.stack(theirs.reset(5)).tolist())
    ours.action_space.seed(1)
    ends = 0
    for _ in range(300):
        actions = ours.action_space.sample()
        observations, *rest = ours.step(actions)[:4]
        results = theirs.step(actions)
        assert identical(seen(observations).tolist(), np.stack([one[0] for one in results]).tolist())
        assert [part.tolist() for part in rest] == [[one[index] for one in results] for index in (1, 2, 3)]
        ends += sum(theirs.ended)
    assert ends > 10


def test_lanes_of_an_env_of_gym_are_said_to_be_of_gym_and_give_frames_and_infos(serve, lanes):
    serve("CartPole-v1", OLD, backend="gym")
    assert lanes("CartPole-v1", 2).description.api == "gym"
    env = lanes(OLD, 2)
    env.reset()
    assert identical(env.step([0, 0])[4]["TimeLimit.truncated"], np.array([False, False]))


def test_graphs_reach_an_env_of_gym_as_gym_s_own_also_in_lanes(serve, remote, lanes):
    env_id = "tests.support.oddities:GymGraphs"
    serve(env_id)
    env, many = remote(env_id), lanes(env_id, 2)
    env.reset(seed=1)
    many.reset(seed=1)
    action, actions = env.action_space.sample(), many.action_space.sample()
    assert identical(env.step(action)[0], action)
    assert all(identical(seen, given) for seen, given in zip(many.step(actions)[0], actions, strict=True))


def test_a_dm_env_is_served_like_any_other(serve, remote):
    serve(WALK)
    ours, theirs = remote(WALK, limit=9), dm.Walk(limit=9)
    theirs.random_state.seed(11)
    assert identical(dict(ours.reset(seed=11)[0]), arrays(theirs.reset().observation))
    ours.action_space.seed(2)
    for _ in range(200):
        action = ours.action_space.sample()
        observation, reward, terminated, truncated, info = ours.step(action)
        timestep = theirs.step(action)
        assert identical(dict(observation), arrays(timestep.observation))
        assert (reward, info) == (timestep.reward, {"discount": timestep.discount})
        assert (terminated or truncated) is timestep.last()
        if timestep.last():
            assert terminated is (timestep.discount == 0)
            assert identical(dict(ours.reset()[0]), arrays(theirs.reset().observation))


def arrays(observation):
    return {key: np.asarray(value) for key, value in observation.items()}


def test_a_dm_env_without_a_seed_says_so_and_the_episode_goes_on(serve, remote):
    serve("tests.support.dm:Unseedable")
    env = remote("tests.support.dm:Unseedable")
    with pytest.raises(EnvError, match="cannot be seeded by reset.*fault of the env"):
        env.reset(seed=1)
    assert env.reset()[0]["place"] == 0


@pytest.mark.parametrize("num_envs", [None, 2])
def test_what_a_factory_makes_of_an_env_is_what_an_agent_sees(serve, remote, lanes, num_envs):
    serve("Twice-v0", factory=f"{FACTORIES}:Processing")
    env = remote("Twice-v0", limit=9) if num_envs is None else lanes("Twice-v0", num_envs, limit=9)
    assert env.reset(seed=1)[0].tolist() == ([0, 0] if num_envs is None else [[0, 0]] * 2)
    observation, reward, *_ = env.step(2 if num_envs is None else [2, 2])
    assert observation in env.observation_space
    assert (np.asarray(observation).max(), np.max(reward)) == (1, 20.0)


def test_a_factory_that_makes_no_env_or_breaks_its_word_is_the_env_s_fault_and_the_worker_goes_on(serve, remote):
    serve("Thing-v0", "Counting-v0", factory=f"{FACTORIES}:make")
    with pytest.raises(EnvError, match="the factory .*:make gave a builtins.dict, which is no env.*fault of the env"):
        remote("Thing-v0").reset()
    with pytest.raises(BadKwargs, match="Counting-v0 refuses colour.*fault of the agent"):
        remote("Counting-v0", colour=1).reset()
    assert remote("Counting-v0").reset()[0] == [0]


def test_an_observation_that_a_hook_spoils_is_named_with_its_place(serve, remote):
    serve("Any-v0", factory=f"{FACTORIES}:Careless")
    with pytest.raises(EnvError, match=r"gave what cannot be sent: observation: expected .*\(2,\).*fault of the env"):
        remote("Any-v0").reset()


@pytest.mark.parametrize(
    ("env_id", "text"),
    [
        ("tests.support.oddities:Unbatchable", "Riddle is none of the ten Gymnasium spaces"),
        ("tests.support.oddities:GymUnbatchable", "Riddle is none of the ten Gymnasium spaces"),
        ("tests.support.oddities:Growing", "lanes need equal spaces: lane 1 has the observation_space Discrete"),
    ],
)
def test_lanes_of_a_space_that_cannot_be_batched_are_refused_by_name_and_none_is_left_open(serve, lanes, env_id, text):
    serve(env_id, COUNTING)
    running = lanes(COUNTING, 2)
    running.reset()
    before = Oddity.opened, Oddity.closed
    with pytest.raises(EnvError, match=f"{text}.*fault of the env"):
        lanes(env_id, 64)
    opened, closed = Oddity.opened - before[0], Oddity.closed - before[1]
    assert opened == closed <= 2
    assert running.step([1, 1])[0].tolist() == [[1], [1]]


def test_an_observation_that_no_message_could_hold_is_the_env_s_fault_and_none_is_left_open(serve, remote):
    serve(VAST)
    before = Oddity.opened, Oddity.closed
    with pytest.raises(EnvError, match=r"no agent can read .*: space: a value takes more than .*fault of the env"):
        remote(VAST).open()
    assert (Oddity.opened, Oddity.closed) == (before[0] + 1, before[1] + 1)


def test_rewards_of_several_objectives_travel_as_the_page_says(serve, remote, lanes, monkeypatch):
    """``docs/environments.md``, with its own two blocks."""
    page = (ROOT / "docs/environments.md").read_text().partition("## Rewards of several")[2]
    blocks = ModuleType("blocks_of_the_page")
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]:
        exec(block, blocks.__dict__)
    monkeypatch.setitem(sys.modules, blocks.__name__, blocks)
    gymnasium.register("Objectives-v0", OBJECTIVES)
    try:
        serve("Objectives-v0", factory=f"{blocks.__name__}:Objectives")
        env = blocks.Rewards(remote("Objectives-v0"))
        assert identical(env.reset(seed=1)[1], {"begins": True})
        assert identical(env.step(1)[1:], (np.array([1, -0.5], np.float32), False, False, {}))
        ours = lanes("Objectives-v0", 2)
        ours.reset(seed=1)
        rewards, infos = ours.step(np.array([0, 1]))[1::3]
        assert identical((rewards.tolist(), infos["rewards"].tolist()), ([-0.5, 0.5], [[0.0, -0.5], [1.0, -0.5]]))
    finally:
        del gymnasium.registry["Objectives-v0"]


@pytest.mark.parametrize("place", ["terminated", "truncated"])
def test_flags_of_several_agents_are_an_error_by_name_and_none_that_is_true(serve, remote, lanes, place):
    serve(SEVERAL_FLAGS)
    one, two = remote(SEVERAL_FLAGS, place=place), lanes(SEVERAL_FLAGS, 2, place=place)
    for env, action in ((one, 0), (two, [0, 0])):
        env.reset()
        with pytest.raises(EnvError, match=f"{place}: expected one bool, got list of length 2"):
            env.step(action)


def test_an_operator_who_names_no_factory_is_told_before_anything_is_served(rabbit):
    done = run("env_worker", "serve", "My-v0", "--factory", f"{FACTORIES}:Raising", url=rabbit.url)
    assert done.returncode == 2
    assert "--factory: tests.support.factories:Raising: RuntimeError: no licence" in done.stderr
    assert "Traceback" not in done.stderr
    assert "serving" not in done.stderr


def test_a_vector_back_end_that_is_not_installed_is_told_before_anything_is_served(tmp_path):
    (tmp_path / "envpool.py").write_text("raise ModuleNotFoundError('no envpool', name='envpool')")
    found = environment("amqp://127.0.0.1:1/")
    found["PYTHONPATH"] = f"{tmp_path}:{found['PYTHONPATH']}"
    command = [sys.executable, "-m", "env_worker", "serve", "CartPole-v1", "--vector", "envpool"]
    done = subprocess.run(command, env=found, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "env-worker: --vector envpool: EnvPool is not installed here: pip install envpool\n"


def test_a_factory_on_the_command_line_serves_what_only_it_knows(rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", "Twice-v0", "--factory", f"{FACTORIES}:Processing"):
        env = RemoteEnv("Twice-v0", rabbit.url)
        assert env.reset()[0].tolist() == [0, 0]
        env.close()
