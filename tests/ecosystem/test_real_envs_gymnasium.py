"""Every env that Gymnasium registers: remote is local, to the last bit; or why it cannot be had here at all.

The list is the registry's. ``CANNOT`` says why some cannot be made; an env on it that can be made is an error.
"""

from __future__ import annotations

import re

import gymnasium
import pytest
import shimmy  # noqa: F401 - it gives the two GymV... ids their meaning

import gymbroker
from agent_worker.errors import EnvError
from env_worker.compat import import_gym
from tests.support.hosting import site
from tests.support.trajectories import checked, compare, compare_descriptions

import_gym()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is out of date"),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__"),  # Box2D
]

CANNOT = {
    r"(Reacher|Pusher|\w+Pendulum|HalfCheetah|Hopper|Swimmer|Walker2d|Ant|Humanoid\w*)-v[23]":
        "have been moved to the gymnasium-robotics project",
    r"Pusher-v4": "is only supported on `mujoco<3`",
    r"GymV2[16]Environment-v0": "Either env_id or env must be provided",
}  # fmt: skip


def registered():
    for env_id, spec in gymnasium.registry.items():
        module = spec.entry_point if isinstance(spec.entry_point, str) else spec.entry_point.__module__
        if module.startswith("gymnasium.") or env_id.startswith("GymV"):
            yield env_id


def reason(env_id):
    return next((why for ids, why in CANNOT.items() if re.fullmatch(ids, env_id)), None)


IDS = list(registered())
HAD = [env_id for env_id in IDS if reason(env_id) is None]


def local(env_id, /, **kwargs):
    return gymnasium.make(env_id, disable_env_checker=True, **kwargs)


@pytest.fixture(scope="module")
def far():
    with site(*IDS) as one:
        yield one


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where it stands


def test_most_can_be_had_and_every_reason_is_needed():
    assert len(HAD) >= 43
    assert all(any(re.fullmatch(ids, env_id) for env_id in IDS) for ids in CANNOT)


@pytest.mark.parametrize("env_id", HAD)
def test_an_env_is_the_same_from_afar(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        compare(ours, theirs)
        compare_descriptions(ours, theirs)


@pytest.mark.parametrize("env_id", [env_id for env_id in IDS if env_id not in HAD])
def test_an_env_that_cannot_be_had_says_why_and_from_afar_it_says_the_same(far, env_id):
    why = re.escape(reason(env_id))
    with pytest.raises(Exception, match=why):
        local(env_id)
    with pytest.raises(EnvError, match=why):
        far(env_id).open()


@pytest.mark.parametrize("env_id", HAD)
def test_check_env_says_of_it_what_it_says_of_the_local_one(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        assert checked(ours.open()) == checked(theirs.unwrapped)


@pytest.mark.parametrize("env_id", ["Hopper-v5", "LunarLander-v3", "phys2d/CartPole-v1"])
def test_gymnasium_make_gives_it_by_its_id(env_id):
    by_id = f"gymbroker:{gymbroker.register(env_id)}"
    with gymnasium.make(by_id, broker="memory://real") as ours, local(env_id) as theirs:
        compare(ours, theirs, steps=50)


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("LunarLander-v3", {"continuous": True, "gravity": -9.0, "enable_wind": True, "wind_power": 12.0}),
        ("CarRacing-v3", {"continuous": False, "lap_complete_percent": 0.5, "domain_randomize": True}),
        ("BipedalWalker-v3", {"hardcore": True, "max_episode_steps": 60}),
        ("Ant-v5", {"include_cfrc_ext_in_observation": False, "healthy_z_range": (0.3, 0.9), "frame_skip": 3}),
        ("Hopper-v5", {"exclude_current_positions_from_observation": False, "reset_noise_scale": 0.1}),
        ("GymV26Environment-v0", {"env_id": "Taxi-v3", "make_kwargs": {"disable_env_checker": True}}),
    ],
)
def test_an_env_made_with_arguments_is_the_same_from_afar(env_id, kwargs):
    """By the operator: ``env_id`` is a word of our own."""
    with site(env_id, env_kwargs=kwargs) as far, far(env_id) as ours, local(env_id, **kwargs) as theirs:
        compare(ours, theirs)


def test_an_agent_sets_arguments_with_tuples_in_them(far):
    kwargs = {"healthy_z_range": (0.3, 0.9), "default_camera_config": {"distance": 2.0}}
    with far("Ant-v5", **kwargs) as ours, local("Ant-v5", **kwargs) as theirs:
        compare(ours, theirs)


def test_the_options_of_a_reset_have_their_effect(far):
    """Of CarRacing they say whether the colours are drawn anew."""
    with far("CarRacing-v3", domain_randomize=True) as ours, local("CarRacing-v3", domain_randomize=True) as theirs:
        for options in (None, {"randomize": False}, {"randomize": True}):
            assert (ours.reset(seed=3, options=options)[0] == theirs.reset(seed=3, options=options)[0]).all()
