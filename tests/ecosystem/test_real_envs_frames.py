"""Frames of real envs without a display: what an env draws is what a remote env shows, to the last bit.

MuJoCo draws by EGL (``tests/ecosystem/conftest.py``; Debian: libegl1), Box2D and the others by pygame.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import ale_py
import gymnasium
import minigrid
import pytest

from env_worker.compat import import_gym
from tests.support.equal import identical
from tests.support.hosting import site
from tests.support.trajectories import compare_frames

gym = import_gym()
for package in (ale_py, minigrid):
    gymnasium.register_envs(package)

BOX2D = ["LunarLander-v3", "BipedalWalker-v3", "CarRacing-v3"]
JAX = ["phys2d/CartPole-v1", "phys2d/Pendulum-v0", "tabular/Blackjack-v0", "tabular/CliffWalking-v0"]
MUJOCO = [
    f"{name}-v5"
    for name in (
        "Ant", "HalfCheetah", "Hopper", "Humanoid", "HumanoidStandup", "InvertedDoublePendulum", "InvertedPendulum",
        "Pusher", "Reacher", "Swimmer", "Walker2d",
    )
]  # fmt: skip
OTHERS = ["ALE/Pong-v5", "ALE/MsPacman-v5", "MiniGrid-DoorKey-8x8-v0", "MiniGrid-Dynamic-Obstacles-6x6-v0"]
OF_GYM = ["LunarLander-v2", "BipedalWalker-v3", "HalfCheetah-v4", "Ant-v4"]
MODES = [
    *((env_id, "rgb_array") for env_id in BOX2D + JAX + MUJOCO + OTHERS),
    ("CarRacing-v3", "state_pixels"),
    ("Hopper-v4", "rgb_array"), ("Hopper-v5", "depth_array"), ("Hopper-v5", "rgbd_tuple"),
    *((env_id, "rgb_array_list") for env_id in ("LunarLander-v3", "Hopper-v5", "ALE/Pong-v5")),
]  # fmt: skip

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is out of date"),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__"),  # Box2D
]


@pytest.fixture(scope="module")
def far():
    with site(*{env_id for env_id, _ in MODES}) as one:
        yield one


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where it stands


def local(library, env_id, mode):
    return library.make(env_id, render_mode=mode, disable_env_checker=True)


@pytest.mark.parametrize(("env_id", "mode"), MODES)
def test_frames_are_the_same_from_afar(far, env_id, mode):
    with far(env_id, render_mode=mode) as ours, local(gymnasium, env_id, mode) as theirs:
        frame = compare_frames(ours, theirs)
        assert mode in {*ours.metadata["render_modes"], "rgb_array_list"}
    if mode == "rgb_array":
        assert frame.max() > frame.min()  # something can be seen


@pytest.mark.parametrize("env_id", OF_GYM)
def test_frames_of_gym_are_the_same_from_afar(env_id):
    with site(env_id, backend="gym") as far, local(gym, env_id, "rgb_array") as theirs:
        ours = far(env_id, render_mode="rgb_array")
        compare_frames(ours, theirs)
        ours.close()


@pytest.mark.parametrize("mode", ["depth_array", "rgbd_tuple"])
def test_gymnasium_make_takes_the_modes_of_mujoco_for_a_remote_env(mode):
    env = gymnasium.make("gymbroker:remote/Hopper-v5", broker="memory://real", render_mode=mode)
    env.reset(seed=1)
    assert env.render() is not None
    env.close()


def frames(make, env_ids, steps=3):
    """What each of several envs shows, stepped and drawn in turns."""
    envs = [make(env_id) for env_id in env_ids]
    for env in envs:
        env.reset(seed=1)
        env.action_space.seed(1)
    shown = []
    for _ in range(steps):
        for env in envs:
            env.step(env.action_space.sample())
            shown.append(env.render())
    for env in envs:
        env.close()
    return shown


@pytest.mark.parametrize("library", [gymnasium, gym], ids=lambda library: library.__name__)
def test_episodes_of_one_worker_do_not_see_each_other_s_frames(library):
    """Locally Gymnasium mixes them up: whoever draws next draws with the newest context."""
    env_ids = ["Ant-v4", "Reacher-v4", "HalfCheetah-v4"]
    alone = [frames(lambda env_id: local(library, env_id, "rgb_array"), [env_id]) for env_id in env_ids]
    with site(*env_ids, backend=library.__name__) as far:
        together = frames(lambda env_id: far(env_id, render_mode="rgb_array"), env_ids)
    assert identical(together, [frame for turn in zip(*alone, strict=True) for frame in turn])


def test_an_env_can_be_drawn_by_one_thread_after_another(far):
    """Over ``memory://`` whoever waits does the work."""
    with far("Hopper-v5", render_mode="rgb_array") as env:
        env.reset(seed=1)
        shown = [env.render()]
        with ThreadPoolExecutor(1) as other:
            shown.append(other.submit(env.render).result())
        shown.append(env.render())
    assert identical(shown, shown[:1] * 3)
