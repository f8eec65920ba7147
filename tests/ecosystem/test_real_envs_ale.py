"""Atari 2600 games by ALE, with the ROMs that ``ale-py`` ships: remote is local, to the last bit."""

from __future__ import annotations

import ale_py
import gymnasium
import pytest
from gymnasium.wrappers import FrameStackObservation

import gymbroker
from protocol.wire import pack
from tests.ecosystem import atari
from tests.support.hosting import site
from tests.support.trajectories import checked, compare, compare_descriptions

gymnasium.register_envs(ale_py)

GAMES = [env_id for env_id in gymnasium.registry if env_id.startswith("ALE/")]
OLDER = ["Pong-v0", "Pong-v4", "PongNoFrameskip-v4", "BreakoutNoFrameskip-v0"]

pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")


@pytest.fixture(scope="module")
def far():
    with site(*GAMES, *OLDER) as one:
        yield one


def local(env_id, **kwargs):
    return gymnasium.make(env_id, disable_env_checker=True, **kwargs)


def test_these_are_all_games():
    assert len(GAMES) >= 100


@pytest.mark.parametrize("env_id", [*GAMES, *OLDER])
def test_a_game_is_the_same_from_afar(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        compare(ours, theirs)
        compare_descriptions(ours, theirs)


@pytest.mark.parametrize("game", ["Breakout", "MsPacman", "Seaquest"])
@pytest.mark.parametrize(
    "kwargs",
    [
        {"obs_type": "ram"},
        {"obs_type": "grayscale", "frameskip": 1, "repeat_action_probability": 0.0},
        {"frameskip": (2, 5), "full_action_space": True},
        {"mode": 0, "difficulty": 0, "max_num_frames_per_episode": 120},
        {"continuous": True},
    ],
    ids=lambda kwargs: "-".join(kwargs),
)
def test_a_game_made_with_arguments_is_the_same_from_afar(far, game, kwargs):
    with far(f"ALE/{game}-v5", **kwargs) as ours, local(f"ALE/{game}-v5", **kwargs) as theirs:
        ends = compare(ours, theirs)
    assert (ends > 0) is ("max_num_frames_per_episode" in kwargs)


def test_what_is_heard_is_the_same_from_afar(far):
    with far("ALE/Pong-v5", sound_obs=True) as ours, local("ALE/Pong-v5", sound_obs=True) as theirs:
        compare(ours, theirs, steps=50)


@pytest.mark.parametrize("env_id", ["ALE/Pong-v5", "ALE/Adventure-v5"])
def test_check_env_says_of_it_what_it_says_of_the_local_one(far, env_id):
    with far(env_id) as ours, local(env_id) as theirs:
        assert checked(ours.open()) == checked(theirs.unwrapped)


@pytest.mark.parametrize("env_id", [gymbroker.registration.remote_id("ALE/Pong-v5"), "remote/Env-v0"])
def test_gymnasium_make_gives_it_by_its_id(env_id):
    """An id has one slash, so ``ALE/Pong-v5`` is ``remote_ALE/Pong-v5``; the other id needs no ``ale-py`` here."""
    gymbroker.register("ALE/Pong-v5")
    kwargs = {"env_id": "ALE/Pong-v5"} if env_id == "remote/Env-v0" else {}
    far = gymnasium.make(f"gymbroker:{env_id}", broker="memory://real", obs_type="ram", **kwargs)
    with far as ours, local("ALE/Pong-v5", obs_type="ram") as theirs:
        compare(ours, theirs, steps=50)


def test_with_the_usual_preprocessing_in_the_worker_and_stacked_frames_at_the_agent_it_is_the_same():
    with site("ALE/Pong-v5", factory="tests.ecosystem.atari:make") as far:
        ours, theirs = (FrameStackObservation(env, 4) for env in (far("ALE/Pong-v5"), atari.make("ALE/Pong-v5")))
        assert ours.observation_space.shape == (4, 84, 84)
        compare(ours, theirs)
        ours.close()
        theirs.close()


def test_a_screen_s_space_takes_few_bytes_and_is_no_work_to_describe(far):
    with far("ALE/Pong-v5") as ours:
        description = ours.description
        assert ours.observation_space.shape == (210, 160, 3)
    assert type(description.observation_space.high) is int
    assert len(pack(description.to_content())) < 1500
