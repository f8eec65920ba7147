"""The envs that come with Gymnasium and gym 0.26, and envs of before them: remote is local, to the last bit.

Those that need more than this suite installs are in ``tests/ecosystem``.
"""

from __future__ import annotations

from contextlib import ExitStack

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import Autoreset

import gymbroker
from agent_worker import RemoteEnv
from agent_worker.gym_env import GymRemoteEnv
from env_worker.compat import import_gym
from tests.support import old_envs
from tests.support.commands import worker
from tests.support.equal import identical
from tests.support.hosting import site
from tests.support.trajectories import checked, compare, compare_descriptions, compare_frames

gym = import_gym()

FAMILIES = (".envs.classic_control.", ".envs.toy_text.")
OLD = [f"tests.support.old_envs:{kind}" for kind in ("OldPendulum", "OldTimeLimit", "Interim")]

pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")  # CartPole-v0, locally too


def ids_of(library):
    registry = gymnasium.registry if library is gymnasium else gym.envs.registration.registry
    entry_points = {env_id: spec.entry_point for env_id, spec in registry.items() if isinstance(spec.entry_point, str)}
    wanted = tuple(f"{library.__name__}{family}" for family in FAMILIES)
    return [env_id for env_id, entry_point in entry_points.items() if entry_point.startswith(wanted)]


@pytest.fixture(scope="module")
def far():
    """``far(library, env_id, **kwargs)``: a remote env, of a worker that serves all envs of that library."""
    with ExitStack() as stack:
        sites = {
            library: stack.enter_context(site(*ids_of(library), *OLD, backend=library.__name__))
            for library in (gymnasium, gym)
        }
        yield lambda library, *arguments, **kwargs: sites[library](*arguments, **kwargs)


def local(library, env_id, **kwargs):
    return library.make(env_id, disable_env_checker=True, **kwargs)


def test_these_are_all_envs_of_the_families():
    assert (len(ids_of(gymnasium)), len(ids_of(gym))) >= (12, 11)


@pytest.mark.parametrize("env_id", ids_of(gymnasium))
def test_an_env_of_gymnasium_is_the_same_from_afar(far, env_id):
    with far(gymnasium, env_id) as ours, local(gymnasium, env_id) as theirs:
        compare(ours, theirs)
        compare_descriptions(ours, theirs)


@pytest.mark.parametrize("env_id", ids_of(gymnasium))
def test_check_env_says_of_it_what_it_says_of_the_local_one(far, env_id):
    with far(gymnasium, env_id) as ours, local(gymnasium, env_id) as theirs:
        objection, said = checked(ours.open())  # what its making warns of is no matter here
        assert objection == ""
        assert said == checked(theirs.unwrapped)[1]


@pytest.mark.parametrize("env_id", ids_of(gymnasium))
def test_gymnasium_make_gives_it_by_its_id(env_id):
    by_id = f"gymbroker:remote/{env_id}"
    with gymnasium.make(by_id, broker="memory://real") as ours, gymnasium.make(env_id) as theirs:
        compare(ours, theirs, steps=20)


@pytest.mark.parametrize("kind", [GymRemoteEnv, RemoteEnv])
@pytest.mark.parametrize("env_id", ids_of(gym))
def test_an_env_of_gym_is_the_same_from_afar_on_any_numpy(far, env_id, kind):
    with far(gym, env_id, kind=kind) as ours, local(gym, env_id) as theirs:
        compare(ours, theirs)
        assert ours.description.api == "gym"
        assert ours.metadata["render_fps"] == theirs.metadata["render_fps"]
        assert ours.description.spec["max_episode_steps"] == theirs.spec.max_episode_steps


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
def test_frames_are_the_same_from_afar(far, library, env_id, mode):
    with far(library, env_id, render_mode=mode) as ours, local(library, env_id, render_mode=mode) as theirs:
        frame = compare_frames(ours, theirs)
    assert isinstance(frame, {"rgb_array": np.ndarray, "ansi": str, "rgb_array_list": list}[mode])


@pytest.mark.parametrize("env_id", ["Blackjack-v1", "FrozenLake-v1", "CartPole-v1"])
def test_an_agent_that_closes_its_env_leaves_pygame_to_the_others(far, env_id):
    with far(gym, env_id, render_mode="rgb_array") as one, far(gym, env_id, render_mode="rgb_array") as other:
        for env in (one, other):
            env.reset(seed=1)
        shown = other.render()
        one.render()
        one.close()
        assert (other.render() == shown).all()


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
def test_an_env_made_with_arguments_is_the_same_from_afar(far, env_id, kwargs):
    with far(gymnasium, env_id, **kwargs) as ours, local(gymnasium, env_id, **kwargs) as theirs:
        compare(ours, theirs)


@pytest.mark.parametrize(
    ("env_id", "options"),
    [("CartPole-v1", {"low": -0.2, "high": 0.2}), ("Pendulum-v1", {"x_init": 0.5, "y_init": np.float32(0.25)})],
)
def test_the_options_of_a_reset_have_their_effect(far, env_id, options):
    with far(gymnasium, env_id) as ours, local(gymnasium, env_id) as theirs:
        wanted = theirs.reset(seed=1, options=options)[0].tolist()
        assert ours.reset(seed=1, options=options)[0].tolist() == wanted
        assert ours.reset(seed=1)[0].tolist() != wanted


class Endless(Autoreset):
    """It says which mode it has, as phys2d's Pendulum does; Gymnasium's own wrapper says nothing."""

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}


def test_an_env_that_resets_itself_does_so_from_afar_and_says_it(monkeypatch):
    def make():
        return Endless(local(gymnasium, "CartPole-v1"))

    spec = gymnasium.envs.registration.EnvSpec("Endless-v0", entry_point=make)
    monkeypatch.setitem(gymnasium.registry, "Endless-v0", spec)
    with site("Endless-v0") as far, far("Endless-v0") as ours, make() as theirs:
        assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
        assert identical(ours.reset(seed=2), theirs.reset(seed=2))
        said = [(ours.step(0), theirs.step(0)) for _ in range(60)]
    assert all(identical(one, other) for one, other in said)
    assert sum(one[2] for one, _ in said) > 3


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
def test_an_env_of_before_gym_026_is_the_same_from_afar(far, env_id):
    kind = getattr(old_envs, env_id.partition(":")[2])
    with far(gymnasium, env_id, g=8.0) as ours:
        ends = compare(ours, Today(kind(g=8.0)))
    assert (ends > 5) is (kind is old_envs.OldTimeLimit)


def test_an_env_of_before_gym_026_is_told_the_render_mode_when_it_draws(far):
    with far(gymnasium, OLD[0], render_mode="rgb_array") as ours:
        compare_frames(ours, Today(old_envs.OldPendulum()))
        assert (ours.metadata["render_modes"], ours.metadata["render_fps"]) == (["rgb_array", "ansi"], 30)
    with far(gymnasium, OLD[0], render_mode="ansi") as text:
        text.reset()
        assert text.render().startswith("angle")
    with pytest.raises(gymbroker.BadKwargs, match=r"render_mode.*'rgb_array', 'ansi'\], got 'depth_array'"):
        far(gymnasium, OLD[0], render_mode="depth_array").open()


class RegisteredLongAgo(old_envs.OldPendulum, gym.Env):
    """As gym 0.26 has such envs made, where it is told ``apply_api_compatibility``."""

    np_random = None

    def __init__(self):
        super().__init__()
        self.observation_space = gym.spaces.Box(-8.0, 8.0, (3,), np.float32)
        self.action_space = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward.item(), *rest


@pytest.mark.filterwarnings("ignore:.*render_mode")  # gym looks for its modes under the new name only
@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_an_env_of_before_gym_026_that_was_registered_with_gym_is_the_same_from_afar(monkeypatch, render_mode):
    spec = gym.envs.registration.EnvSpec("LongAgo-v0", entry_point=RegisteredLongAgo, max_episode_steps=30)
    monkeypatch.setitem(gym.envs.registration.registry, "LongAgo-v0", spec)
    asked, made = {"render_mode": render_mode}, {"apply_api_compatibility": True}
    with site("LongAgo-v0", backend="gym", env_kwargs=made) as far, far("LongAgo-v0", **asked) as ours:
        theirs = local(gym, "LongAgo-v0", **asked, **made)
        if render_mode is None:
            assert compare(ours, theirs) > 3
        else:
            compare_frames(ours, theirs)


def test_one_of_each_family_is_the_same_through_a_worker_process_over_rabbitmq(rabbit, tmp_path):
    """Ids that only gym has are found there, without a word on the command line."""
    near = {
        **dict.fromkeys(("CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "Taxi-v4"), gymnasium),
        **dict.fromkeys(("Taxi-v3", "CliffWalking-v0"), gym),
    }
    with worker(rabbit.url, tmp_path / "log", *near, OLD[1]):
        for env_id, library in near.items():
            with RemoteEnv(env_id, rabbit.url) as ours, local(library, env_id) as theirs:
                compare(ours, theirs)
        with RemoteEnv(OLD[1], rabbit.url) as ours:
            compare(ours, Today(old_envs.OldTimeLimit()))
