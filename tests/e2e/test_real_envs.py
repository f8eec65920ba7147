"""The envs that come with Gymnasium and gym 0.26, and envs of before them: remote is local, to the last bit.

Those that need more than this suite installs are in ``tests/ecosystem``.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack

import gymnasium
import numpy as np
import pytest

import gymbroker
from agent_worker import RemoteEnv
from agent_worker.gym_env import GymRemoteEnv
from env_worker import EmbeddedWorker, WorkerSettings
from env_worker.compat import import_gym
from tests.support import old_envs
from tests.support.commands import worker
from tests.support.trajectories import checked, compare, compare_descriptions, compare_frames

gym = import_gym()

FAMILIES = (".envs.classic_control.", ".envs.toy_text.")
pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")  # CartPole-v0, locally too


def ids_of(library):
    registry = gymnasium.registry if library is gymnasium else gym.envs.registration.registry
    return [
        env_id
        for env_id, spec in registry.items()
        if isinstance(spec.entry_point, str) and any(name in spec.entry_point for name in FAMILIES)
        and spec.entry_point.startswith(library.__name__)
    ]  # fmt: skip


OLD = [f"tests.support.old_envs:{kind}" for kind in ("OldPendulum", "OldTimeLimit", "Interim")]


@pytest.fixture(scope="module")
def site():
    """``site(library)``: where all its envs are served, over ``memory://``."""
    with ExitStack() as workers:
        urls = {}
        for library in (gymnasium, gym):
            urls[library] = url = f"memory://{secrets.token_hex(4)}"
            settings = WorkerSettings((*ids_of(library), *OLD), broker=url, backend=library.__name__)
            workers.enter_context(EmbeddedWorker(settings))
        yield urls.__getitem__


@pytest.fixture
def opened(site):
    """``opened(library, env_id, kind, **kwargs)``: a remote env, closed at the end."""
    with ExitStack() as envs:

        def make(library, env_id, kind=RemoteEnv, **kwargs):
            env = kind(env_id, site(library), make_timeout=20.0, step_timeout=20.0, **kwargs)
            envs.callback(env.close)
            return env.open()

        yield make


def local(library, env_id, **kwargs):
    return library.make(env_id, disable_env_checker=True, **kwargs)


def test_these_are_all_the_families():
    assert len(ids_of(gymnasium)) >= 12
    assert len(ids_of(gym)) >= 11


@pytest.mark.parametrize("env_id", ids_of(gymnasium))
def test_an_env_of_gymnasium_is_the_same_from_afar(opened, env_id):
    far, near = opened(gymnasium, env_id), local(gymnasium, env_id)
    compare(far, near)
    compare_descriptions(far, near)
    near.close()


@pytest.mark.parametrize("env_id", ids_of(gymnasium))
def test_check_env_says_of_it_what_it_says_of_the_local_one(opened, env_id):
    near = local(gymnasium, env_id)
    objection, said = checked(opened(gymnasium, env_id))
    assert objection == ""
    assert said == checked(near.unwrapped)[1]
    near.close()


@pytest.mark.parametrize("env_id", ids_of(gymnasium))
def test_gymnasium_make_gives_it_by_its_id(site, env_id):
    far, near = gymnasium.make(f"gymbroker:remote/{env_id}", broker=site(gymnasium)), gymnasium.make(env_id)
    compare(far, near, steps=20)
    far.close()
    near.close()


@pytest.mark.parametrize("kind", [GymRemoteEnv, RemoteEnv])
@pytest.mark.parametrize("env_id", ids_of(gym))
def test_an_env_of_gym_is_the_same_from_afar_on_any_numpy(opened, env_id, kind):
    far, near = opened(gym, env_id, kind), local(gym, env_id)
    assert far.description.api == "gym"
    compare(far, near)
    assert far.metadata["render_fps"] == near.metadata["render_fps"]
    assert far.description.spec["max_episode_steps"] == near.spec.max_episode_steps
    near.close()


@pytest.mark.parametrize(
    ("library", "env_id", "mode"),
    [
        *((gymnasium, env_id, "rgb_array") for env_id in ids_of(gymnasium)),
        *((gymnasium, env_id, "ansi") for env_id in ("FrozenLake-v1", "CliffWalking-v1", "Taxi-v4")),
        (gymnasium, "CartPole-v1", "rgb_array_list"),
        *((gym, env_id, "rgb_array") for env_id in ("CartPole-v1", "MountainCar-v0", "FrozenLake-v1")),
        *((gym, env_id, "ansi") for env_id in ("FrozenLake-v1", "Taxi-v3")),
        (gym, "CartPole-v1", "rgb_array_list"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_frames_are_the_same_from_afar(opened, library, env_id, mode):
    near = local(library, env_id, render_mode=mode)
    frame = compare_frames(opened(library, env_id, render_mode=mode), near)
    assert isinstance(frame, {"rgb_array": np.ndarray, "ansi": str, "rgb_array_list": list}[mode])
    near.close()


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("FrozenLake-v1", {"desc": ["SFF", "FHF", "FFG"], "is_slippery": False}),
        ("FrozenLake-v1", {"map_name": "8x8", "max_episode_steps": 15}),
        ("Blackjack-v1", {"natural": True, "sab": True}),
        ("Pendulum-v1", {"g": 9.81, "max_episode_steps": 30}),
        ("CartPole-v1", {"sutton_barto_reward": True}),
    ],
)
def test_an_env_made_with_arguments_is_the_same_from_afar(opened, env_id, kwargs):
    near = local(gymnasium, env_id, **kwargs)
    compare(opened(gymnasium, env_id, **kwargs), near)
    near.close()


@pytest.mark.parametrize(
    ("env_id", "options"),
    [("CartPole-v1", {"low": -0.2, "high": 0.2}), ("Pendulum-v1", {"x_init": 0.5, "y_init": np.float32(0.25)})],
)
def test_the_options_of_a_reset_have_their_effect(opened, env_id, options):
    far, near = opened(gymnasium, env_id), local(gymnasium, env_id)
    assert far.reset(seed=1, options=options)[0].tolist() == near.reset(seed=1, options=options)[0].tolist()
    assert far.reset(seed=1)[0].tolist() != near.reset(seed=1, options=options)[0].tolist()
    near.close()


class Today:
    """An env of before gym 0.26 with today's signatures, as its user would write them down."""

    def __init__(self, env):
        self.env, self.observation_space, self.action_space = env, env.observation_space, env.action_space

    def reset(self, *, seed=None):
        if isinstance(self.env, old_envs.Interim):
            return self.env.reset(seed=seed, return_info=True, options=None)
        if seed is not None:
            self.env.seed(seed)
        return self.env.reset(), {}

    def step(self, action):
        observation, reward, done, info = self.env.step(action)
        truncated = info.get("TimeLimit.truncated", False)
        return observation, reward.item(), done and not truncated, truncated, info

    def render(self):
        return self.env.render(mode="rgb_array")


@pytest.mark.parametrize("env_id", OLD)
def test_an_env_of_before_gym_026_is_the_same_from_afar(opened, env_id):
    kind = getattr(old_envs, env_id.partition(":")[2])
    ends = compare(opened(gymnasium, env_id, g=8.0), Today(kind(g=8.0)))
    assert (ends > 5) is (kind is old_envs.OldTimeLimit)


def test_an_env_of_before_gym_026_is_told_the_render_mode_when_it_draws(opened):
    far = opened(gymnasium, OLD[0], render_mode="rgb_array")
    compare_frames(far, Today(old_envs.OldPendulum()))
    assert (far.metadata["render_modes"], far.metadata["render_fps"]) == (["rgb_array", "ansi"], 30)
    text = opened(gymnasium, OLD[0], render_mode="ansi")
    text.reset()
    assert text.render().startswith("angle")
    with pytest.raises(gymbroker.BadKwargs, match=r"render_mode.*'rgb_array', 'ansi'\], got 'depth_array'"):
        opened(gymnasium, OLD[0], render_mode="depth_array")


def test_one_of_each_family_is_the_same_through_a_worker_process_over_rabbitmq(rabbit, tmp_path):
    """Ids that only gym has are found there, without a word on the command line."""
    made = {
        "CartPole-v1": gymnasium, "Pendulum-v1": gymnasium, "FrozenLake-v1": gymnasium, "Blackjack-v1": gymnasium,
        "Taxi-v4": gymnasium, "Taxi-v3": gym, "CliffWalking-v0": gym,
    }  # fmt: skip
    with worker(rabbit.url, tmp_path / "log", *made, OLD[1]):
        for env_id, library in made.items():
            far, near = RemoteEnv(env_id, rabbit.url, make_timeout=20.0), local(library, env_id)
            compare(far, near)
            far.close()
            near.close()
        far = RemoteEnv(OLD[1], rabbit.url, make_timeout=20.0)
        compare(far, Today(old_envs.OldTimeLimit()))
        far.close()
