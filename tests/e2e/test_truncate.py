"""``on_worker_loss="truncate"``: the run of a lost worker ends, and training goes on, over both transports."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from agent_worker.errors import EpisodeEnded, NoFreeWorker, NotReset, ProtocolFailure, WorkerLost
from agent_worker.gym_env import GymRemoteEnv
from agent_worker.running import Run
from env_worker import Allowed
from protocol.errors import ErrorCode, Fault
from tests.support.equal import identical
from tests.support.losing import ADJUSTABLE, vanish
from tests.support.paced import ENDING, SIZED

COUNTING = "tests.support.envs:Counting"
TRUNCATE = {"on_worker_loss": "truncate", "resume_window": 0.0}
ALLOWED = Allowed(call=("push",), get=("gain", "count"), set=("gain",))


@pytest.mark.parametrize("kind", ["gymnasium", "gym"])
def test_the_step_is_the_last_of_its_run_and_the_next_reset_begins_elsewhere(serve, remote, broker_url, kind):
    one = serve(COUNTING)
    given = {"make_timeout": 20.0, **TRUNCATE}
    env = remote(COUNTING, **given) if kind == "gymnasium" else GymRemoteEnv(COUNTING, broker_url, **given)
    env.reset(seed=1)
    env.step(2)
    vanish(one)
    observation, reward, terminated, truncated, info = env.step(2)
    assert (observation.tolist(), reward, terminated, truncated) == ([1], 0.0, False, True)
    assert list(info) == ["worker_lost"]
    assert "cannot be reached since act was sent" in info["worker_lost"]
    with pytest.raises(NotReset, match="its worker was lost: reset"):
        env.step(0)
    observation, info = env.reset(seed=7)
    assert (observation.tolist(), info["seed"]) == ([0], 7)
    assert env.step(1)[1] == 1.0
    env.close()


def test_an_orderly_end_of_the_worker_is_a_loss_too(serve, remote):
    one = serve(COUNTING)
    env = remote(COUNTING, **TRUNCATE)
    env.reset()
    former = env._session._session
    one.stop()
    assert "being shut down" in env.step(0)[4]["worker_lost"]
    serve(COUNTING)
    assert env.reset()[0] == [0]
    assert former._inbox is None, "its queue at the broker is gone"


def test_an_end_of_which_the_worker_says_that_no_other_could_help_is_no_loss(serve, remote):
    one = serve(COUNTING)
    env = remote(COUNTING, **TRUNCATE)
    env.reset()
    one._stepper.end(ErrorCode.STEP_TIMEOUT, "it hangs", Fault.ENV, retry=False)
    with pytest.raises(EpisodeEnded, match="it hangs"):
        env.step(0)


def test_between_two_runs_and_in_a_reset_there_is_nothing_to_truncate(serve, remote):
    one = serve(COUNTING)
    env = remote(COUNTING, limit=2, **TRUNCATE)
    vanish(one)
    assert env.reset()[0] == [0]
    env.step(0)
    assert env.step(0)[2]
    vanish(one)
    assert env.reset(seed=3)[1]["seed"] == 3
    assert env.step(0)[3] is False


def test_what_is_neither_reset_nor_step_cannot_be_answered_and_the_next_step_ends_the_run(serve, remote):
    one = serve(ADJUSTABLE, allowed=ALLOWED)
    env = remote(ADJUSTABLE, render_mode="ansi", **TRUNCATE)
    env.reset()
    env.step(0)
    for ask in (env.render, lambda: env.call("count")):
        vanish(one)
        with pytest.raises(WorkerLost, match="its env is lost"):
            ask()
        with pytest.raises(WorkerLost):
            env.render()
        observation, _, _, truncated, info = env.step(0)
        assert (observation.tolist(), truncated, list(info)) == ([1], True, ["worker_lost"])
        with pytest.raises(NotReset):
            env.render()
        assert env.reset()[0] == [0]
        env.step(0)


def test_attributes_that_were_set_are_set_again(serve, remote, lanes):
    one = serve(ADJUSTABLE, allowed=ALLOWED)
    env = remote(ADJUSTABLE, **TRUNCATE)
    env.set_wrapper_attr("gain", 3.0)
    env.reset()
    vanish(one)
    env.step(1)
    assert env.call("gain") == 3.0  # between two runs: asked of the next worker
    env.set_wrapper_attr("gain", 5.0)
    vanish(one)
    env.reset()
    assert env.step(1)[1] == 5.0
    many = lanes(ADJUSTABLE, 3, **TRUNCATE)
    many.reset()
    many.set_attr("gain", [1.0, 2.0, 3.0])
    many.set_attr("gain", [7.0], lanes=[2])
    vanish(one)
    assert many.step([1, 1, 1])[3].all()
    assert many.get_attr("gain") == (1.0, 2.0, 7.0)
    assert not many.step([1, 1, 1])[3].any()  # a new run begins, also after a call between the two
    assert many.step([1, 1, 1])[1].tolist() == [1.0, 2.0, 7.0]


def lost_lanes(ids):
    """The mask of all four lanes where ``ids`` are lost."""
    mask = np.zeros(4, np.bool_)
    mask[ids] = True
    return mask


@pytest.fixture
def pair(serve, lanes):
    """Two workers of one slot, and ``start(mode)``: lanes 0, 1 and 2, 3 at one each, after two steps.

    It gives the env, the worker to lose, and the two lanes that it hosts.
    """
    workers = [serve(COUNTING, capacity=1) for _ in range(2)]

    def start(mode, **kwargs):
        env = lanes(COUNTING, 4, episodes=2, autoreset_mode=mode, **TRUNCATE, **kwargs)
        env.reset(seed=1)
        for _ in range(2):
            env.step([1] * 4)
        (episode,) = workers[0]._stepper.slots
        first = env._gathering.sessions[0].token.episode == episode
        return env, workers[0], [0, 1] if first else [2, 3]

    return start


def test_next_step_lanes_end_with_their_last_observation_and_begin_with_the_next_step(pair):
    env, one, ids = pair("next_step")
    mask = lost_lanes(ids)
    vanish(one)
    observations, rewards, terminated, truncated, infos = env.step([1] * 4)
    assert observations.ravel().tolist() == np.where(mask, 2, 3).tolist()
    assert (rewards.tolist(), terminated.any(), truncated.tolist()) == ((~mask * 1.0).tolist(), False, mask.tolist())
    assert infos["_worker_lost"].tolist() == mask.tolist()
    assert [bool(why) for why in infos["worker_lost"]] == mask.tolist()
    observations, rewards, terminated, truncated, infos = env.step([1] * 4)
    assert observations.ravel().tolist() == np.where(mask, 0, 4).tolist()
    assert (rewards.tolist(), terminated.any(), truncated.any()) == ((~mask * 1.0).tolist(), False, False)
    assert "worker_lost" not in infos
    assert env.step([1] * 4)[0].ravel().tolist() == np.where(mask, 1, 5).tolist()


def test_same_step_lanes_show_the_last_observation_beside_that_of_their_next_run(pair):
    env, one, ids = pair("same_step")
    mask = lost_lanes(ids)
    vanish(one)
    observations, rewards, terminated, truncated, infos = env.step([1] * 4)
    assert observations.ravel().tolist() == np.where(mask, 0, 3).tolist()
    assert (rewards.tolist(), terminated.any(), truncated.tolist()) == ((~mask * 1.0).tolist(), False, mask.tolist())
    for name in ("_final_obs", "_final_info"):
        assert infos[name].tolist() == mask.tolist()
    assert [None if one is None else one.tolist() for one in infos["final_obs"]] == [[2] if m else None for m in mask]
    assert infos["final_info"]["_worker_lost"].tolist() == mask.tolist()
    assert env.step([1] * 4)[0].ravel().tolist() == np.where(mask, 1, 4).tolist()


def test_disabled_lanes_are_reset_by_who_uses_them_all_that_were_lost(pair):
    env, one, ids = pair("disabled")
    mask = lost_lanes(ids)
    vanish(one)
    observations, _, _, truncated, infos = env.step([1] * 4)
    assert (observations.ravel().tolist(), truncated.tolist()) == (np.where(mask, 2, 3).tolist(), mask.tolist())
    assert infos["_worker_lost"].tolist() == mask.tolist()
    with pytest.raises(NotReset, match="reset"):
        env.step([1] * 4)
    with pytest.raises(NotReset, match="all of its lanes"):
        env.reset(options={"reset_mask": lost_lanes(ids[:1])})
    observations, _ = env.reset(options={"reset_mask": mask})
    assert observations.ravel().tolist() == np.where(mask, 0, 3).tolist()
    assert env.step([1] * 4)[0].ravel().tolist() == np.where(mask, 1, 4).tolist()


def test_lanes_whose_runs_were_over_begin_new_ones_and_are_not_truncated(serve, lanes):
    one = serve(COUNTING)
    env = lanes(COUNTING, 2, autoreset_mode="next_step", limit=2, **TRUNCATE)
    env.reset()
    env.step([0, 0])
    assert env.step([0, 0])[2].all()
    vanish(one)
    observations, _, terminated, truncated, _ = env.step([0, 0])
    assert (observations.ravel().tolist(), terminated.any(), truncated.any()) == ([0, 0], False, False)
    assert env.step([0, 0])[0].ravel().tolist() == [1, 1]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_space_can_be_truncated(serve, lanes, mode):
    one = serve(ENDING)
    env = lanes(ENDING, 3, autoreset_mode=mode, **TRUNCATE)
    first, _ = env.reset(seed=5)
    vanish(one)
    env.action_space.seed(1)
    observations, _, _, truncated, infos = env.step(env.action_space.sample())
    assert truncated.all()
    if mode is AutoresetMode.SAME_STEP:
        assert all(env.single_observation_space.contains(one) for one in infos["final_obs"])
        assert all(identical(infos["final_obs"][lane]["image"], first["image"][lane]) for lane in range(3))
    else:
        assert identical(observations, first)
    if mode is AutoresetMode.DISABLED:
        env.reset(options={"reset_mask": truncated})
    env.step(env.action_space.sample())


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_statistics_of_gymnasium_count_the_run_that_was_cut_off_once(serve, lanes, mode):
    one = serve(COUNTING)
    env = RecordEpisodeStatistics(lanes(COUNTING, 2, autoreset_mode=mode, limit=4, **TRUNCATE))
    env.reset(seed=1)
    ended = []
    for turn in range(12):
        if turn == 2:
            vanish(one)
        infos = env.step([1, 1])[4]
        if "episode" in infos:
            ended.append((infos["episode"]["r"].tolist(), infos["episode"]["l"].tolist()))
    assert ended[0] == ([2.0, 2.0], [3, 3])
    assert set(map(str, ended[1:])) == {str(([4.0, 4.0], [4, 4]))}


def test_by_send_and_recv_the_lost_lanes_are_truncated_and_the_others_are_not(pair):
    env, one, ids = pair("next_step")
    vanish(one)
    for lanes_ in ([0, 1], [2, 3]):
        env.send([1, 1], lanes_)
    for _ in range(2):
        observations, _, _, truncated, infos = env.recv()
        lost = infos["env_id"].tolist() == ids
        assert (observations.ravel().tolist(), truncated.tolist()) == ([2, 2] if lost else [3, 3], [lost] * 2)
    env.send([1, 1], ids)
    assert env.recv()[0].ravel().tolist() == [0, 0]
    env.async_reset(env_id=ids)
    assert env.recv()[0].ravel().tolist() == [0, 0]


def test_a_worker_that_ends_while_nothing_is_asked_of_it_is_noticed_when_something_is(pair):
    env, one, ids = pair("next_step")
    others = [lane for lane in range(4) if lane not in ids]
    one.stop()
    for _ in range(3):
        env.send([1, 1], others)
        assert not env.recv()[3].any()
    env.send([1, 1], ids)
    observations, _, _, truncated, infos = env.recv()
    assert (observations.ravel().tolist(), truncated.tolist()) == ([2, 2], [True, True])
    assert infos["env_id"].tolist() == ids


def test_while_nobody_serves_a_reset_waits_and_may_be_tried_again(serve, remote, patience):
    one = serve(COUNTING)
    env = remote(COUNTING, make_timeout=patience, **TRUNCATE)
    env.reset()
    one.stop()
    assert env.step(0)[3]
    for _ in range(2):
        with pytest.raises(NoFreeWorker, match=f"within {patience:g} s"):
            env.reset()
    serve(COUNTING)
    assert env.reset()[0] == [0]
    assert env.step(0)[0] == [1]


def test_another_env_of_that_name_is_refused(serve, remote):
    one = serve(SIZED, env_kwargs={"size": 1})
    env = remote(SIZED, **TRUNCATE)
    env.reset()
    one.stop()
    other = serve(SIZED, env_kwargs={"size": 2})
    assert env.step(0)[3]
    with pytest.raises(ProtocolFailure, match="do not serve the same env: it has another observation_space"):
        env.reset()
    other.stop()
    serve(SIZED, env_kwargs={"size": 1})
    assert env.reset()[0].shape == (1,)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"on_worker_loss": "truncate", "world": "w"}, "only 'raise' is possible with --world"),
        ({"on_worker_loss": "truncate", "evaluation": "e"}, "would count runs that were cut short"),
        ({"on_worker_loss": "never"}, "--on-worker-loss: expected one of raise, truncate, replay"),
        ({"env_kwargs": {"on_worker_loss": "replay"}}, "on_worker_loss is an option of its own"),
    ],
)
def test_the_command_line_refuses_what_makes_no_sense(given, text):
    with pytest.raises(ValueError, match=text):
        Run(COUNTING, **given)
