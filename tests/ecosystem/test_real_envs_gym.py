"""Every env that gym 0.26 registers, on numpy 2: remote is local, to the last bit; or why it cannot be had here.

The list is the registry's. ``CANNOT_MAKE`` and ``CANNOT_STEP`` say why some cannot be had, locally or from afar; an env
on them that can be had is an error.
"""

from __future__ import annotations

import re

import pytest

from agent_worker.errors import EnvError
from agent_worker.gym_env import GymRemoteEnv
from env_worker.compat import import_gym
from tests.support.hosting import site
from tests.support.trajectories import SEED, compare

gym = import_gym()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is out of date"),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__"),  # Box2D
]

CANNOT_MAKE = {
    r"\w+-v[23]": "No module named 'mujoco_py'",
    r"(Hopper|Walker2d)-v4": "global coordinates no longer supported",
    r"Swimmer-v4": "unrecognized attribute: 'collision'",
}
"""MuJoCo's. Since v3 of it, it reads no models of that time with these in them."""

CANNOT_STEP = {
    "LunarLanderContinuous-v2": "Converting from sequence to b2Vec2, expected int/float",
    "CarRacing-v2": "argument 2 of type 'float32'",
}
"""numpy 2 keeps float32 where numpy 1 made float64 of it, and Box2D takes no float32."""


def ids():
    for env_id, spec in gym.envs.registration.registry.items():
        if isinstance(spec.entry_point, str) and spec.entry_point.startswith("gym.envs."):
            yield env_id, ".mujoco" in spec.entry_point


IDS = [env_id for env_id, _ in ids()]
MUJOCO = [env_id for env_id, of_mujoco in ids() if of_mujoco]


def reason(env_id):
    found = (why for ids, why in CANNOT_MAKE.items() if re.fullmatch(ids, env_id))
    return next(found, None) if env_id in MUJOCO else None


HAD = [env_id for env_id in IDS if reason(env_id) is None and env_id not in CANNOT_STEP]


def local(env_id):
    return gym.make(env_id, disable_env_checker=True)


@pytest.fixture(scope="module")
def far():
    with site(*IDS, backend="gym") as one:
        yield one


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where it stands


def test_many_can_be_had_and_every_reason_is_needed():
    assert len(HAD) >= 22
    assert all(any(re.fullmatch(ids, env_id) for env_id in MUJOCO) for ids in CANNOT_MAKE)


@pytest.mark.parametrize("env_id", HAD)
def test_an_env_is_the_same_from_afar_as_an_env_of_either_library(far, env_id):
    with far(env_id, kind=GymRemoteEnv) as ours, local(env_id) as theirs:
        compare(ours, theirs)
        assert ours.metadata["render_fps"] == theirs.metadata["render_fps"]
    with far(env_id) as ours, local(env_id) as theirs:
        compare(ours, theirs)


@pytest.mark.parametrize("env_id", [env_id for env_id in MUJOCO if env_id not in HAD])
def test_an_env_that_cannot_be_made_says_why_and_from_afar_it_says_the_same(far, env_id):
    why = re.escape(reason(env_id))
    with pytest.raises(Exception, match=why):
        local(env_id)
    with pytest.raises(EnvError, match=why):
        far(env_id).open()


@pytest.mark.parametrize("env_id", CANNOT_STEP)
def test_an_env_that_cannot_be_stepped_says_why_and_from_afar_it_says_the_same(far, env_id):
    why = re.escape(CANNOT_STEP[env_id])
    with far(env_id) as ours, local(env_id) as theirs:
        for env, kind in ((theirs, TypeError), (ours, EnvError)):
            env.reset(seed=SEED)
            env.action_space.seed(SEED)
            with pytest.raises(kind, match=why):
                for _ in range(50):
                    env.step(env.action_space.sample())
