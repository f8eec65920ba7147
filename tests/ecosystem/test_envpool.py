"""``env-worker serve --vector envpool``: EnvPool's lanes, with Gymnasium's seeds, infos and autoreset modes."""

from __future__ import annotations

import envpool
import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import gymbroker
from agent_worker.errors import BadKwargs, CallRefused, EnvError
from env_worker import Allowed
from tests.support.commands import run, worker
from tests.support.equal import identical

pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered:UserWarning")

IDS = ["CartPole-v1", "FrozenLake-v1", "Pendulum-v1", "Taxi-v3", "Pong-v5", "MiniGrid-Empty-5x5-v0", "HalfCheetah-v4"]


def flat(observation):
    """The parts of an observation, whichever its kind."""
    return list(observation.values()) if isinstance(observation, dict) else [observation]


@pytest.mark.parametrize("env_id", IDS)
def test_two_hundred_steps_are_those_of_envpool(serve, lanes, env_id):
    serve(env_id, vector="envpool")
    ours, theirs = lanes(env_id, 3), envpool.make_gymnasium(env_id, num_envs=3, seed=7)
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_action_space == theirs.single_action_space
    assert same(ours, ours.reset(seed=7)[0], theirs.reset()[0])
    ours.action_space.seed(1)
    for _ in range(200):
        actions = ours.action_space.sample()
        observations, rewards, terminated, truncated, infos = ours.step(actions)
        wanted, wanted_rewards, *flags, wanted_infos = theirs.step(actions)
        assert same(ours, observations, wanted)
        assert rewards.tolist() == wanted_rewards.tolist()
        assert identical([terminated, truncated], flags)
        for key in wanted_infos.keys() - {"env_id", "players"}:
            assert identical(infos[key], wanted_infos[key])
            assert infos[f"_{key}"].all()


def same(env, seen, wanted):
    """Whether two observations are; EnvPool observes int32 where its own space says int64."""
    space = env.single_observation_space
    spaces = list(space.values()) if isinstance(space, gymnasium.spaces.Dict) else [space]
    wide = [part.astype(one.dtype) for part, one in zip(flat(wanted), spaces, strict=True)]
    return identical(flat(seen), wide)


def runs_of(env, mode, count):
    """The first ``count`` runs of each lane, each a list of what it observed, with actions that go by lane and step."""
    lanes = env.num_envs
    runs = [[[row]] for row in env.reset(seed=3)[0].tolist()]
    fresh = np.zeros(lanes, bool)
    for _ in range(2000):
        if all(len(own) > count for own in runs):
            break
        actions = np.array([(len(own[-1]) + lane) // 2 % 2 for lane, own in enumerate(runs)])
        observations, _, terminated, truncated, infos = env.step(actions)
        ended = terminated | truncated
        for lane in range(lanes):
            if fresh[lane]:
                runs[lane].append([observations[lane].tolist()])
            elif mode is AutoresetMode.SAME_STEP and ended[lane]:
                runs[lane][-1].append(infos["final_obs"][lane].tolist())
                runs[lane].append([observations[lane].tolist()])
            else:
                runs[lane][-1].append(observations[lane].tolist())
        fresh = ended if mode is AutoresetMode.NEXT_STEP else np.zeros(lanes, bool)
        if mode is AutoresetMode.DISABLED and ended.any():
            begun, infos = env.reset(options={"reset_mask": ended})
            assert infos["_elapsed_step"].tolist() == ended.tolist()
            for lane in np.flatnonzero(ended):
                runs[lane].append([begun[lane].tolist()])
    return [own[:count] for own in runs]


def test_the_runs_of_the_lanes_are_the_same_in_all_three_modes(serve, lanes):
    serve("CartPole-v1", vector="envpool")
    found = [runs_of(lanes("CartPole-v1", 3, autoreset_mode=mode), mode, 5) for mode in AutoresetMode]
    assert found[0] == found[1] == found[2]
    assert len({len(one) for own in found[0] for one in own}) > 1


def test_the_final_infos_of_a_lane_stand_where_gymnasium_has_them(serve, lanes):
    serve("CartPole-v1", vector="envpool")
    env = lanes("CartPole-v1", 3, autoreset_mode="same_step")
    env.reset(seed=1)
    for _ in range(100):
        infos = env.step(np.array([1, 1, 0]))[4]
        if "final_obs" in infos:
            break
    ended = infos["_final_obs"]
    assert [one is not None for one in infos["final_obs"]] == ended.tolist() == infos["_final_info"].tolist()
    assert infos["final_info"]["_elapsed_step"].tolist() == ended.tolist()
    assert (infos["final_info"]["elapsed_step"][ended] > 5).all()
    assert (infos["elapsed_step"][ended] == 0).all()
    assert "env_id" not in infos


@pytest.mark.parametrize("seeds", [[5, 9, 2], [5, None, 2]])
def test_each_lane_has_its_own_seed_and_a_new_one_begins_anew(serve, lanes, seeds):
    serve("CartPole-v1", vector="envpool")
    env = lanes("CartPole-v1", 3)
    first = env.reset(seed=seeds)[0]
    env.step(env.action_space.sample())
    again, other = env.reset(seed=seeds)[0], env.reset()[0]
    alone = [envpool.make_gymnasium("CartPole-v1", num_envs=1, seed=seed).reset()[0][0] for seed in (5, 2)]
    assert identical(list(first[[0, 2]]), alone)
    assert identical(again[[0, 2]], first[[0, 2]])
    assert not np.array_equal(other, again)
    assert np.array_equal(again[1], first[1]) is (seeds[1] is not None)


def test_unseeded_lanes_of_two_episodes_are_not_alike(serve, lanes):
    serve("CartPole-v1", vector="envpool")
    assert not np.array_equal(lanes("CartPole-v1", 2).reset()[0], lanes("CartPole-v1", 2).reset()[0])


def test_what_envpool_cannot_do_is_named_and_the_episode_goes_on(serve, lanes):
    serve("CartPole-v1", vector="envpool", allowed=Allowed(get=("gravity",)))
    env = lanes("CartPole-v1", 2, autoreset_mode="disabled")
    env.reset(seed=1)
    mask = np.array([True, False])
    for text, attempt in (
        ("options: EnvPool takes none, got low", lambda: env.reset(options={"low": 1})),
        ("seed: EnvPool takes seeds from 0 to 2147483647, got 2147483648", lambda: env.reset(seed=2**31 - 1)),
        ("EnvPool is seeded and begun for all lanes at once", lambda: env.reset(seed=1, options={"reset_mask": mask})),
    ):
        with pytest.raises(EnvError, match=text):
            attempt()
    with pytest.raises(CallRefused):
        env.get_attr("gravity")
    env.reset(seed=1)
    while not (ended := env.step([1, 1])[2]).any():
        pass
    with pytest.raises(EnvError, match=r"lanes \[.*\] have ended: reset them by reset_mask"):
        env.step([1, 1])
    env.reset(options={"reset_mask": ended})
    env.step([1, 1])


@pytest.mark.parametrize(
    ("env_id", "kwargs", "text"),
    [
        ("CartPole-v1", {"num_threads": 64}, "num_threads cannot be set by an agent"),
        ("CartPole-v1", {"base_path": "/etc"}, "base_path cannot be set by an agent"),
        ("CartPole-v1", {"colour": 1}, "refuses colour: TypeError"),
        ("Go9x9-v1", {"komi": 1}, "Go9x9-v1"),
    ],
)
def test_arguments_that_do_not_fit_are_the_agents_fault(serve, lanes, env_id, kwargs, text):
    serve(env_id, vector="envpool")
    with pytest.raises(BadKwargs, match=text):
        lanes(env_id, 2, **kwargs)


def test_an_env_of_several_players_makes_no_lanes(serve, lanes):
    serve("Go9x9-v1", vector="envpool")
    with pytest.raises(EnvError, match="Go9x9-v1 of EnvPool has 2 players, and a lane has one"):
        lanes("Go9x9-v1", 2)


def test_a_single_env_is_gymnasium_s_or_asks_for_lanes(serve, remote):
    serve("CartPole-v1", "Pong-v5", vector="envpool")
    assert identical(remote("CartPole-v1").reset(seed=3)[0], gymnasium.make("CartPole-v1").reset(seed=3)[0])
    with pytest.raises(BadKwargs, match="Pong-v5 is an env of EnvPool, which has lanes only"):
        remote("Pong-v5").reset()


def test_frames_and_wrappers(serve, lanes):
    serve("Pendulum-v1", "CartPole-v1", vector="envpool")
    env = lanes("Pendulum-v1", 2, render_mode="rgb_array")
    env.reset()
    frames = env.render()
    assert [(frame.shape, frame.dtype) for frame in frames] == [((500, 500, 3), np.uint8)] * 2
    counted = RecordEpisodeStatistics(lanes("CartPole-v1", 4))
    counted.reset(seed=1)
    ended = 0
    for _ in range(100):
        ended += int(counted.step(counted.action_space.sample())[4].get("_episode", np.zeros(1)).sum())
    assert ended > 4


def test_two_processes_with_a_pool_each_serve_lanes_spread_over_them(amqp_url, tmp_path):
    options = ["--vector", "envpool", "--env-kwargs", '{"num_threads": 1}']
    with worker(amqp_url, tmp_path / "log", "CartPole-v1", *options, processes=2):
        ours = gymbroker.make_vec("CartPole-v1", 8, amqp_url, episodes=2)
        theirs = envpool.make_gymnasium("CartPole-v1", num_envs=8, seed=5)
        assert identical(ours.reset(seed=5)[0], theirs.reset()[0])
        for _ in range(50):
            actions = ours.action_space.sample()
            assert identical(ours.step(actions)[0], theirs.step(actions)[0])
        ours.close()


def test_ids_that_envpool_has_not_are_a_wrong_command_line():
    done = run("env_worker", "serve", "CartPole-v1", "PriceBandit-v0", "--vector", "envpool")
    assert done.returncode == 2
    assert "--vector envpool: EnvPool has no PriceBandit-v0" in done.stderr
