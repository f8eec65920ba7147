"""``--isolation process``: whatever an env does costs one episode, and it finds no credentials."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agent_worker import RemoteEnv, RemoteVectorEnv
from agent_worker.aec_env import RemoteAECEnv
from agent_worker.errors import BadKwargs, CallRefused, EnvClosed, EnvError, InvalidAction, StepTimeout, WorkerLost
from agent_worker.parallel_env import RemoteParallelEnv
from env_worker import Allowed, EmbeddedWorker, WorkerSettings
from tests.support.commands import eventually
from tests.support.envs import Counting
from tests.support.equal import identical
from tests.support.hostile import opened
from tests.support.many import ARENA, AUCTION, near, same_aec_run, same_parallel_run
from tests.support.paced import SIZED, Sized
from tests.support.processes import alive, gone
from tests.support.trajectories import compare, compare_frames, compare_lanes

HOSTILE = "tests.support.hostile:Hostile"
COUNTING = "tests.support.envs:Counting"
DEADLY = "tests.support.envs:Deadly"
SERVED = (HOSTILE, COUNTING, DEADLY, ARENA, AUCTION, SIZED, "CartPole-v1", "GymCartPole-v1")
LIMIT = 2**29


@pytest.fixture(scope="module", params=["memory", "amqp"])
def home(request):
    """A worker that isolates, over both transports."""
    url = "memory://isolation" if request.param == "memory" else request.getfixturevalue("amqp_url")
    settings = {"imports": ("tests.support.registers",), "allowed": Allowed(get=("count",), set=("count",))}
    limits = {"memory_limit": LIMIT, "step_timeout": 30.0, "capacity": 4}
    with EmbeddedWorker(WorkerSettings(SERVED, broker=url, isolation="process", **limits, **settings)) as one:
        yield one


@pytest.fixture
def far(home):
    """``far(HOSTILE)`` gives a remote env of the worker; closed when the test ends."""
    with ExitStack() as envs:

        def make(env_id, *arguments, kind=RemoteEnv, **kwargs):
            timeouts = {"make_timeout": 30.0, "step_timeout": 30.0}
            env = kind(env_id, *arguments, broker=home.settings.broker, **{**timeouts, **kwargs})
            envs.callback(env.close)
            return env

        yield make


def episode_with(home, gate):
    """The worker's episode whose env has this gate."""
    (found,) = (
        slot.episode
        for slot in list(home._stepper.slots.values())
        if slot.episode._make.kwargs.get("gate") == str(gate)
    )
    return found


def do(env, what):
    """What the env found when it did that in its reset."""
    return env.reset(options={"do": what})[1]["found"]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("segfault", "the process of the env was killed by SIGSEGV"),
        ("exit", "the process of the env ended with exit code 3"),
        ("malloc", "the process of the env was killed by SIGABRT"),
        ("die_leaving", "the process of the env was killed by SIGTERM"),
        ("lie", "the process of the env gave a wrong answer"),
        ("boast", "the process of the env said what is no message: a message of 4294967295 bytes"),
    ],
)
def test_an_env_that_dies_costs_one_episode_and_says_how(far, what, says):
    env, neighbour = far(HOSTILE), far(HOSTILE)
    neighbour.reset()
    with pytest.raises(EnvError, match=f"^{HOSTILE}: {says}.*env_error, fault of the env"):
        do(env, what)
    with pytest.raises(EnvClosed, match=says):
        env.step(0)
    assert neighbour.step(0)[0] == [1]
    assert far(HOSTILE).reset()[0] == [0]


def test_too_much_memory_is_an_error_of_the_env_that_wants_it(far):
    env = far(HOSTILE)
    with pytest.raises(EnvError, match="MemoryError"):
        do(env, "hoard")
    assert env.reset()[0] == [0]


@pytest.mark.parametrize("env_id", [DEADLY, HOSTILE])
def test_an_env_that_dies_while_it_is_made_is_tried_once(far, env_id):
    kwargs = {"at_once": "segfault"} if env_id == HOSTILE else {}
    with pytest.raises(EnvError, match=f"^{env_id}: the process of the env"):
        far(env_id, **kwargs).open()


def test_a_child_that_dies_between_two_steps_is_told_of_at_the_next(far):
    env = far(HOSTILE)
    os.kill(env.reset()[1]["pid"], signal.SIGKILL)
    with pytest.raises(EnvError, match="killed by SIGKILL"):
        env.step(0)


def test_a_step_that_takes_long_delays_no_other_episode(far, tmp_path):
    gate = tmp_path / "gate"
    slow, quick = far(HOSTILE, gate=str(gate)), far(HOSTILE)
    slow.reset()
    quick.reset()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(slow.step, 0)
        assert [quick.step(0)[0].item() for _ in range(5)] == [1, 2, 3, 4, 5]
        assert not pending.done()
        gate.touch()
        assert pending.result(30)[0] == [1]


def test_a_reset_overtakes_a_step_that_the_agent_has_given_up(home, far, tmp_path):
    gate = tmp_path / "gate"
    env = far(HOSTILE, gate=str(gate))
    env.reset()
    env.step_timeout = 0.2
    with pytest.raises(StepTimeout):
        env.step(0)
    env.step_timeout = 30.0
    episode = episode_with(home, gate)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(env.reset)
        eventually(lambda: episode._next is not None, "the worker has the reset")
        gate.touch()
        assert pending.result(30)[0] == [0]
    assert env.step(0)[0] == [1]


def test_a_worker_that_loses_its_connection_while_a_child_computes_answers_after_it(home, far, tmp_path):
    gate = tmp_path / "gate"
    env = far(HOSTILE, gate=str(gate))
    env.reset()
    episode = episode_with(home, gate)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(env.step, 0)
        eventually(lambda: episode.steps, "the worker has the act")
        home._stepper._connection.close()
        gate.touch()
        assert pending.result(30)[0] == [1]
    assert env.step(0)[0] == [2]


def test_steps_are_those_of_the_local_env(far):
    compare(far("CartPole-v1"), gymnasium.make("CartPole-v1"))


def test_lanes_and_frames_are_those_of_the_local_env(far):
    mode = AutoresetMode.SAME_STEP
    theirs = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 3, autoreset_mode=mode)
    compare_lanes(far("CartPole-v1", 3, kind=RemoteVectorEnv, autoreset_mode=mode), theirs)
    compare_frames(far(COUNTING, render_mode="rgb_array"), Counting(render_mode="rgb_array"))


def test_a_compressed_env_is_the_local_one(far):
    env, local = far(SIZED, size=20_000, compression="deflate"), Sized(20_000)
    assert identical(env.reset(seed=1), local.reset(seed=1))
    assert identical(env.step(1)[0], local.step(np.int64(1))[0])


def test_envs_of_many_agents_are_those_of_the_local_env(far):
    assert same_parallel_run(far(ARENA, kind=RemoteParallelEnv), near(ARENA), steps=30)
    assert same_aec_run(far(AUCTION, kind=RemoteAECEnv), near(AUCTION), turns=30)


def test_an_env_of_gym_and_what_agents_may_use_of_an_env(far):
    assert far("GymCartPole-v1").reset(seed=1)[0].dtype == "float32"
    env = far(COUNTING)
    env.reset()
    env.set_wrapper_attr("count", 7)
    assert env.get_wrapper_attr("count") == 7
    with pytest.raises(CallRefused):
        env.get_wrapper_attr("limit")


def test_errors_are_those_of_an_env_in_the_worker(far):
    with pytest.raises(BadKwargs, match="refuses colour"):
        far(COUNTING, colour="red").open()
    env = far(COUNTING, trouble={"1": "raise"})
    env.reset()
    with pytest.raises(InvalidAction):
        env.step(7)
    with pytest.raises(EnvError, match="step raised RuntimeError: trouble at step 1"):
        env.step(0)
    assert env.step(0)[0] == [2]


def test_a_world_is_refused(far):
    with pytest.raises(BadKwargs, match="world: this worker hosts none.*--isolation process"):
        far(ARENA, world="w").open()


def test_what_an_env_prints_goes_astray_nowhere_and_there_is_nothing_to_read(far):
    env = far(HOSTILE)
    assert do(env, "chatter") == ""
    assert env.step(0)[0] == [1]


def test_an_env_has_no_file_but_its_pipe_and_no_variable_of_the_broker(far, monkeypatch):
    found = do(far(HOSTILE), "look")
    assert found["files"][0] == "/dev/null"
    assert opened(found["files"]) == ["socket"]
    assert "amqp://" not in found["arguments"]
    assert found["modules"] == []


def test_what_an_env_leaves_behind_ends_with_it(far):
    env = far(HOSTILE)
    left = do(env, "leave_behind")
    assert alive(left)
    env.close()
    eventually(lambda: gone(left), "the process that it left behind is gone")


def test_close_closes_the_env_before_it_is_said_to_be_closed(far, tmp_path):
    env = far(HOSTILE, farewell=str(tmp_path / "farewell"))
    env.reset()
    env.close()
    assert (tmp_path / "farewell").read_text() == "closed"


def test_a_fork_server_that_is_killed_is_replaced(home, far):
    lost = far(HOSTILE)
    pid = lost.reset()[1]["pid"]
    home._children._process.kill()
    eventually(lambda: gone(pid), "its child is gone")
    with pytest.raises(WorkerLost, match="the process of the env was lost .*fault of the worker") as caught:
        lost.step(0)
    assert caught.value.retry
    assert far(HOSTILE).reset()[0] == [0]
