"""``env-worker serve`` as a real process at a real RabbitMQ: capacity, hangs, deaths, drain, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from agent_worker import RemoteEnv
from agent_worker.errors import EnvError, EpisodeEnded, WorkerLost
from tests.support.commands import ROOT, Worker, eventually, run, worker

COUNTING = "tests.support.envs:Counting"
RAISING = "tests.support.envs:Raising"


@pytest.fixture
def start(rabbit, tmp_path):
    """``start("CartPole-v1", "--capacity", "1")``: a context manager of a worker at the private RabbitMQ."""
    return partial(worker, rabbit.url, tmp_path / "worker.log")


@pytest.fixture
def remote(rabbit):
    """Remote envs, closed at the end."""
    opened = []

    def make(env_id: str, **kwargs) -> RemoteEnv:
        env = RemoteEnv(env_id, rabbit.url, **{"make_timeout": 20.0, "step_timeout": 20.0, **kwargs})
        opened.append(env)
        return env

    yield make
    for env in opened:
        env.close()


def queues(rabbit) -> list[str]:
    """Names of the queues of episodes."""
    return [line for line in rabbit.ctl("list_queues", "-q", "name").split() if line.startswith("episode.")]


def test_two_steppers_share_the_episodes_and_sigterm_drains_with_exit_code_0(start, remote, rabbit):
    with start(COUNTING, "--capacity", "2", processes=2) as one:
        envs = [remote(COUNTING) for _ in range(4)]
        for env in envs:
            env.reset()
        assert len({env.description.worker for env in envs}) == 2
        one.process.send_signal(signal.SIGTERM)
        for env in envs:
            assert env.step(0)[0] == [1]
        for env in envs:
            env.close()
        assert one.process.wait(20) == 0
    eventually(lambda: queues(rabbit) == [], "no queue of an episode is left")


def test_drain_tells_the_episodes_that_do_not_finish(start, remote):
    with start(COUNTING, "--drain-timeout", "0.5") as one:
        env = remote(COUNTING)
        env.reset()
        assert one.stop() == 0
        with pytest.raises(EpisodeEnded, match="being shut down.*draining, fault of the worker"):
            env.step(0)


def test_ctrl_c_ends_at_once_with_exit_code_0_and_tells_the_episodes(start, remote):
    with start(COUNTING) as one:
        env = remote(COUNTING)
        env.reset()
        assert one.stop(signal.SIGINT, timeout=10) == 0
        with pytest.raises(EpisodeEnded, match="being shut down"):
            env.step(0)


def test_an_env_that_raises_an_interrupt_of_its_own_costs_nobody_anything(start, remote):
    with start(RAISING, COUNTING) as one:
        env, neighbour = remote(RAISING, kind="interrupt"), remote(COUNTING)
        env.reset()
        neighbour.reset()
        with pytest.raises(EnvError, match="step raised KeyboardInterrupt: of its own"):
            env.step(0)
        assert env.step(0)[0] == [2]
        assert neighbour.step(0)[0] == [1]
        assert "Traceback" not in one.said


def test_a_step_that_hangs_is_ended_for_real_and_everybody_concerned_is_told(start, remote):
    with start(COUNTING, "--step-timeout", "3") as one:
        hung, neighbour = remote(COUNTING, trouble={"1": 600}), remote(COUNTING)
        hung.reset()
        neighbour.reset()
        pid = one.steppers()[0]
        with pytest.raises(EpisodeEnded, match="step timeout of 3 s.*step_timeout, fault of the env"):
            hung.step(0)
        with pytest.raises(WorkerLost, match="another env of the same process hung"):
            neighbour.step(0)
        eventually(lambda: not Path(f"/proc/{pid}").exists(), "the hung process is gone")
        one.wait_for("serving", 2)
        assert remote(COUNTING).reset()[0] == [0]


def test_an_env_that_kills_its_process_is_lost_loudly_and_the_worker_lives_on(start, remote):
    with start(COUNTING, "--capacity", "8") as one:
        env = remote(COUNTING, trouble={"1": "exit"}, resume_window=0.5)
        env.reset()
        with pytest.raises(WorkerLost, match="cannot be reached since act was sent"):
            env.step(0)
        one.wait_for("serving", 2)
        assert remote(COUNTING).reset()[0] == [0]


def test_a_make_that_kills_its_worker_stops_after_three_attempts_and_the_fleet_lives(start, remote):
    with start("tests.support.envs:Deadly", COUNTING) as one:
        with pytest.raises(WorkerLost, match="3 workers died"):
            remote("tests.support.envs:Deadly", make_timeout=60.0).open()
        one.wait_for("serving", 4)
        assert remote(COUNTING).reset()[0] == [0]


def test_a_stepper_that_is_killed_is_replaced(start, remote):
    with start(COUNTING) as one:
        os.kill(one.steppers()[0], signal.SIGKILL)
        one.wait_for("killed by SIGKILL")
        one.wait_for("serving", 2)
        assert remote(COUNTING).reset()[0] == [0]


def test_a_supervisor_that_is_killed_takes_its_steppers_with_it(start):
    with start(COUNTING, processes=2) as one:
        pids = one.steppers()
        assert len(pids) == 2
        one.process.kill()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "no orphan is left")


def test_a_dead_agent_s_slot_is_free_again(rabbit, tmp_path, remote):
    settings = ("--capacity", "1")
    with worker(rabbit.url, tmp_path / "worker.log", COUNTING, *settings):
        code = f"import agent_worker, os; agent_worker.RemoteEnv({COUNTING!r}, {rabbit.url!r}).reset(); os._exit(9)"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 9
        assert remote(COUNTING, make_timeout=30.0).reset()[0] == [0]


def test_idle_episodes_are_reaped_and_told(start, remote):
    with start(COUNTING, "--idle-timeout", "2", "--capacity", "1"):
        env = remote(COUNTING)
        env.reset()
        assert remote(COUNTING).reset()[0] == [0]
        with pytest.raises(EpisodeEnded, match="no request for 2 s.*idle_timeout, fault of the agent"):
            env.step(0)


def test_import_registers_third_party_envs_and_gym_envs_are_served(start, remote):
    with start("Registered-v0", "GymCartPole-v1", "--import", "tests.support.registers"):
        assert remote("Registered-v0").reset()[0] == [0]
        env = remote("GymCartPole-v1")
        assert env.reset(seed=1)[0].dtype == "float32"
        assert env.description.api == "gym"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["Nothing-v0"], 1, "unknown env id 'Nothing-v0'"),
        (["no.such.module:Env"], 1, "cannot import 'no.such.module'"),
        (["CartPole-v1", "--import", "no.such"], 1, "cannot import 'no.such'"),
        (["CartPole-v1", "--capacity", "0"], 2, "capacity: expected 1 or more, got 0"),
        (["CartPole-v1", "--env-kwargs", "{"], 2, "--env-kwargs: expected JSON"),
        (["CartPole-v1", "--env-kwargs", "[]"], 2, "--env-kwargs: expected a JSON object"),
        (["CartPole-v1", "--backend", "atari"], 2, "backend: expected one of auto, gymnasium, gym, got 'atari'"),
        (["CartPole-v1", "--step-timeout", "0"], 2, "step_timeout: expected more than 0 seconds, but not for ever"),
        (["CartPole-v1", "--broker", "http://x"], 1, "http"),
        (["CartPole-v1", "--broker", "memory://"], 2, "memory:// is within one process"),
        (["CartPole-v1", "--broker", "MEMORY://"], 2, "memory:// is within one process"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong_without_a_traceback(rabbit, arguments, code, says):
    done = run("env_worker", "serve", *arguments, url=rabbit.url)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_broker_is_waited_for_visibly_and_then_an_error(tmp_path):
    done = run("env_worker", "serve", "CartPole-v1", "--connect-timeout", "1", url="amqp://u:s3cret@127.0.0.1:1/")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert done.stderr.count("127.0.0.1:1") > 1, "the waiting was not shown"
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_credentials_are_named_and_not_tried_again(rabbit):
    done = run("env_worker", "serve", "CartPole-v1", url=rabbit.url_of("nobody", "s3cret"))
    assert done.returncode == 1
    assert "nobody" not in done.stderr or "refus" in done.stderr.lower()
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_list_shows_what_can_be_served():
    done = run("env_worker", "list")
    assert done.returncode == 0
    assert "CartPole-v1\tgymnasium" in done.stdout
    assert "CartPole-v1\tgym\n" in done.stdout
    assert "PriceBandit-v0\tgymnasium" in done.stdout


def test_the_first_connect_is_retried_until_the_broker_is_there(tmp_path):
    from tools.rabbit import Rabbit

    late = Rabbit()
    try:
        one = Worker(late.url, tmp_path / "worker.log", COUNTING)
        try:
            one.wait_for(f"127.0.0.1:{late.port}")
            late.start()
            one.wait_for("serving")
            assert one.stop() == 0
        finally:
            one.end()
    finally:
        late.close()


def test_an_error_of_the_env_does_not_end_the_process(start, remote):
    with start(COUNTING) as one:
        env = remote(COUNTING, trouble={"1": "raise"})
        env.reset()
        pids = one.steppers()
        with pytest.raises(EnvError):
            env.step(0)
        assert env.step(0)[0] == [2]
        assert one.steppers() == pids
