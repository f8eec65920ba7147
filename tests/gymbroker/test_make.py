"""The doors that users come in by: ``gymbroker.make``, ``gymnasium.make`` and ``gym.make``."""

from __future__ import annotations

import pickle
import subprocess
import sys

import gymnasium
import numpy as np
import pettingzoo
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

import gymbroker
from gymbroker.registration import gym
from tests.support.commands import ROOT, environment


@pytest.fixture
def url(broker_url, serve):
    """A broker at which a worker serves CartPole and an env that is not registered on the agent's side."""
    serve("CartPole-v1", "tests.support.envs:Counting")
    return broker_url


def play(env, seed=5):
    """Observations of a short run."""
    seen = [env.reset(seed=seed)[0]]
    seen += [env.step(turn % 2)[0] for turn in range(10)]
    env.close()
    return np.array(seen)


@pytest.fixture
def local():
    """The same run, locally."""
    return play(gymnasium.make("CartPole-v1"))


def test_gymbroker_make(url, local):
    env = gymbroker.make("CartPole-v1", broker=url)
    assert isinstance(env, gymnasium.Env)
    assert np.array_equal(play(env), local)


def test_gymbroker_make_gives_a_gym_env_on_demand(url, local):
    env = gymbroker.make("CartPole-v1", url, api="gym")
    assert isinstance(env, gym.Env)
    assert isinstance(env.action_space, gym.spaces.Discrete)
    assert isinstance(env.observation_space, gym.spaces.Box)
    assert np.array_equal(play(env), local)


def test_gymnasium_make_by_id(url, local):
    env = gymnasium.make("gymbroker:remote/CartPole-v1", broker=url)
    assert env.spec.id == "remote/CartPole-v1"
    assert np.array_equal(play(env), local)


@pytest.mark.parametrize("library", [gymnasium, gym])
def test_make_by_id_says_what_is_wrong_as_for_a_local_env_and_keeps_the_password(url, library):
    with pytest.raises(TypeError, match="unexpected keyword argument 'levle'"):
        library.make("gymbroker:remote/CartPole-v1", broker=url, levle=3)
    text = str(gymbroker.BadKwargs("made with {'broker': 'amqp://user:pass@w0rd@host/vhost', 'levle': 3}"))
    assert text == "made with {'broker': 'amqp://host/vhost', 'levle': 3}"
    with pytest.raises(ValueError, match="broker: expected a URL, a str, got bytes") as caught:
        library.make("gymbroker:remote/CartPole-v1", broker=b"amqp://user:pass@host/")
    assert "pass@" not in str(caught.value)


def test_gym_make_by_id(url, local):
    env = gym.make("gymbroker:remote/CartPole-v1", broker=url)
    assert isinstance(env.unwrapped, gym.Env)
    assert np.array_equal(play(env), local)


@pytest.mark.parametrize("library", [gymnasium, gym])
def test_the_generic_id_makes_any_env(url, library):
    env = library.make("gymbroker:remote/Env-v0", env_id="tests.support.envs:Counting", broker=url, limit=3)
    env.reset()
    assert [env.step(0)[2] for _ in range(3)] == [False, False, True]
    env.close()


def test_the_time_limit_of_the_worker_is_applied_once(url):
    env = gymnasium.make("gymbroker:remote/CartPole-v1", broker=url)
    inner = env
    while inner is not env.unwrapped:
        assert not isinstance(inner, TimeLimit)
        inner = inner.env
    env.close()


def test_frames_come_through_gymnasium_make(url):
    env = gymnasium.make("gymbroker:remote/CartPole-v1", broker=url, render_mode="rgb_array")
    env.reset(seed=1)
    frame = env.render()
    assert (frame.dtype, frame.ndim, frame.shape[2]) == (np.uint8, 3, 3)
    env.close()


def test_wrappers_of_gymnasium_do_not_notice(url):
    env = RecordEpisodeStatistics(gymnasium.make("gymbroker:remote/CartPole-v1", broker=url))
    env.reset(seed=1)
    ended = False
    while not ended:
        _, _, terminated, truncated, info = env.step(1)
        ended = terminated or truncated
    assert info["episode"]["l"] == info["episode"]["r"]
    env.close()


def test_the_spec_of_a_remote_env_makes_it_again(url):
    env = gymbroker.make("tests.support.envs:Counting", broker=url, limit=2)
    again = pickle.loads(pickle.dumps(env.spec)).make()
    again.reset()
    assert [again.step(0)[2] for _ in range(2)] == [False, True]
    env.close()
    again.close()


def test_the_environment_names_the_broker(url, monkeypatch):
    monkeypatch.setenv("GYMBROKER_URL", url)
    env = gymbroker.make("CartPole-v1")
    env.reset()
    assert env.spec.kwargs == {"env_id": "CartPole-v1"}, "its password is nobody else's affair"
    assert url not in repr(env._wish)
    env.close()


def test_memory_brings_its_own_worker_along():
    env = gymbroker.make("FrozenLake-v1", broker="memory://brings-its-own", is_slippery=False, map_name="8x8")
    assert env.observation_space.n == 64
    assert env.reset()[0] == 0
    env.close()


def test_memory_says_that_an_env_does_not_exist():
    with pytest.raises(gymbroker.UnknownEnv, match="'Nothing-v0'.*not registered in gymnasium and gym"):
        gymbroker.make("Nothing-v0", broker="memory://brings-its-own")


def test_an_id_that_was_registered_later_is_made_known_by_register():
    gymnasium.register("Later-v0", entry_point="tests.support.envs:Counting")
    try:
        assert gymbroker.register("Later-v0") == "remote/Later-v0"
        assert gymbroker.register("some/Later-v0") == "remote_some/Later-v0"
        env = gymnasium.make("remote/Later-v0", broker="memory://later")
        assert env.reset()[0] == [0]
        env.close()
    finally:
        for name in ("Later-v0", "remote/Later-v0", "remote_some/Later-v0"):
            gymnasium.registry.pop(name, None)
            gym.envs.registration.registry.pop(name, None)


def test_an_unknown_api_is_named():
    with pytest.raises(ValueError, match="expected 'gymnasium' or 'gym', got 'dm_env'"):
        gymbroker.make("CartPole-v1", broker="memory://", api="dm_env")


def test_the_class_of_the_library_is_a_direct_base():
    """skrl's ``wrap_env`` looks at ``__bases__``, and no further, for the library that an env is of."""
    from gymbroker.gym_envs import GymRemoteEnv
    from gymbroker.multi_envs import RemoteAECEnv, RemoteParallelEnv

    assert gymnasium.Env in gymbroker.RemoteEnv.__bases__
    assert gymnasium.vector.VectorEnv in gymbroker.RemoteVectorEnv.__bases__
    assert gym.Env in GymRemoteEnv.__bases__
    assert pettingzoo.ParallelEnv in RemoteParallelEnv.__bases__
    assert pettingzoo.AECEnv in RemoteAECEnv.__bases__


def test_what_is_exported_exists():
    assert sorted(gymbroker.__all__) == gymbroker.__all__
    for name in gymbroker.__all__:
        assert getattr(gymbroker, name)


def test_without_pettingzoo_all_else_works_and_its_absence_is_named():
    program = """
import sys
sys.modules["pettingzoo"] = None
import gymbroker
gymbroker.make("CartPole-v1", "memory://").close()
for make in (gymbroker.make_parallel, gymbroker.make_aec):
    try:
        make("tests.support.games:Arena", "memory://")
    except ImportError as error:
        print(error.name, error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    text = "pettingzoo envs of many agents need PettingZoo: pip install 'gymbroker[multi-agent]'"
    assert [line[: len(text)] for line in done.stdout.splitlines()] == [text, text], done.stderr
