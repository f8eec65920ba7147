"""Every env of MiniGrid and BabyAI: Dict observations with a mission in words. Remote is local, to the last bit."""

from __future__ import annotations

import re

import gymnasium
import minigrid
import pytest
from gymnasium import spaces
from minigrid.wrappers import FullyObsWrapper, RGBImgPartialObsWrapper

from agent_worker.errors import EnvError
from tests.support.hosting import site
from tests.support.trajectories import checked, compare, compare_descriptions

gymnasium.register_envs(minigrid)

IDS = [env_id for env_id in gymnasium.registry if env_id.startswith(("MiniGrid-", "BabyAI-"))]
WITHOUT_PATTERNS = [env_id for env_id in IDS if env_id.startswith("MiniGrid-WFC-")]
"""Their maps are drawn after pictures that minigrid 3.2.0 does not ship."""

SAMPLE = [
    "MiniGrid-DoorKey-8x8-v0", "MiniGrid-PutNear-8x8-N3-v0", "MiniGrid-Dynamic-Obstacles-8x8-v0",
    "BabyAI-BossLevel-v0",
]  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")


@pytest.fixture(scope="module")
def far():
    with site(*IDS) as one:
        yield one


def local(env_id, **kwargs):
    return gymnasium.make(env_id, disable_env_checker=True, **kwargs)


def test_these_are_all_envs():
    assert len(IDS) - len(WITHOUT_PATTERNS) >= 170
    assert len(WITHOUT_PATTERNS) == 6


@pytest.mark.parametrize("env_id", [env_id for env_id in IDS if env_id not in WITHOUT_PATTERNS])
def test_an_env_is_the_same_from_afar(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        compare(ours, theirs)
        compare_descriptions(ours, theirs)


@pytest.mark.parametrize("env_id", WITHOUT_PATTERNS)
def test_an_env_without_its_pictures_says_so_and_from_afar_it_says_the_same(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        with pytest.raises(FileNotFoundError, match=r"wfc/patterns/\w+\.png") as caught:
            theirs.reset(seed=1)
        with pytest.raises(EnvError, match=re.escape(f"reset raised FileNotFoundError: {caught.value}")):
            ours.reset(seed=1)


@pytest.mark.parametrize("env_id", SAMPLE)
def test_a_mission_comes_as_text_and_is_in_its_space(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        space = ours.observation_space
        assert type(space["mission"]) is spaces.Text
        for seed in range(30):
            observation = ours.reset(seed=seed)[0]
            assert observation["mission"] == theirs.reset(seed=seed)[0]["mission"]
            assert space.contains(observation)


@pytest.mark.parametrize("env_id", SAMPLE)
def test_check_env_says_of_it_what_it_says_of_the_local_one(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        assert checked(ours.open()) == checked(theirs.unwrapped)


@pytest.mark.parametrize("wrap", [FullyObsWrapper, RGBImgPartialObsWrapper])
def test_wrappers_of_minigrid_in_the_worker_are_the_same_from_afar(wrap):
    """They read the env's grid, so they belong to the env: here by the spec of a registered id."""
    env_id = f"{wrap.__name__}-v0"
    gymnasium.register(env_id, entry_point=lambda: wrap(local("MiniGrid-DoorKey-8x8-v0")))
    try:
        with site(env_id) as far, far(env_id) as ours, local(env_id) as theirs:
            compare(ours, theirs)
    finally:
        del gymnasium.registry[env_id]
