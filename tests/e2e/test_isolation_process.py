"""``env-worker serve --isolation process`` as real processes: hangs, secrets, and who outlives whom."""

from __future__ import annotations

import os
import secrets
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from agent_worker import RemoteEnv
from agent_worker.errors import EpisodeEnded
from tests.support.commands import eventually, run, worker
from tests.support.hostile import opened
from tests.support.processes import alive, gone

HOSTILE = "tests.support.hostile:Hostile"


@pytest.fixture
def start(rabbit, tmp_path):
    """``start("--memory-limit", "512M")``: a context manager of a worker at the private RabbitMQ."""
    return partial(worker, rabbit.url, tmp_path / "worker.log", HOSTILE, "--isolation", "process")


@pytest.fixture
def remote(rabbit):
    """Remote envs, closed at the end."""
    opened = []

    def make(**kwargs) -> RemoteEnv:
        env = RemoteEnv(HOSTILE, rabbit.url, **{"make_timeout": 30.0, "step_timeout": 60.0, **kwargs})
        opened.append(env)
        return env

    yield make
    for env in opened:
        env.close()


def do(env, what):
    """What the env found when it did that in its reset."""
    return env.reset(options={"do": what})[1]["found"]


def test_what_hangs_is_ended_alone(start, remote):
    with start("--step-timeout", "8") as one:
        envs, neighbour = [remote(), remote()], remote()
        pid = neighbour.reset()[1]["pid"]
        steppers = one.steppers()
        with ThreadPoolExecutor(2) as pool:
            hung = [pool.submit(do, env, what) for env, what in zip(envs, ("loop", "hold_the_lock"), strict=True)]
            for pending in hung:
                with pytest.raises(EpisodeEnded, match="step timeout of 8 s.*step_timeout, fault of the env"):
                    pending.result(60)
        assert neighbour.step(0)[4]["pid"] == pid
        assert remote().reset()[0] == [0]
        assert one.steppers() == steppers


def test_a_stepper_that_is_killed_takes_the_processes_of_its_envs_with_it(start, remote):
    with start() as one:
        env = remote(resume_window=0.2)
        pid = env.reset()[1]["pid"]
        left = do(env, "leave_behind")
        server = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        assert alive(pid)
        assert alive(left)
        os.kill(one.steppers()[0], signal.SIGKILL)
        eventually(lambda: gone(pid, left, server), "no process of an env is left")


def test_drain_lets_episodes_finish_and_leaves_no_process(start, remote, tmp_path):
    with start() as one:
        env = remote(farewell=str(tmp_path / "farewell"))
        pid = env.reset()[1]["pid"]
        one.process.send_signal(signal.SIGTERM)
        assert env.step(0)[0] == [1]
        env.close()
        assert one.process.wait(20) == 0
        assert (tmp_path / "farewell").read_text() == "closed"
        eventually(lambda: gone(pid), "no process of an env is left")


def test_ctrl_c_leaves_no_process(start, remote):
    with start() as one:
        env = remote()
        pid = env.reset()[1]["pid"]
        assert one.stop(signal.SIGINT, timeout=20) == 0
        with pytest.raises(EpisodeEnded, match="being shut down"):
            env.step(0)
        eventually(lambda: gone(pid), "no process of an env is left")


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_an_env_finds_the_password_nowhere_unless_it_lives_in_the_worker(rabbit, tmp_path, monkeypatch, isolation):
    head, tail = secrets.token_hex(12), secrets.token_hex(12)
    user = f"isolated-{secrets.token_hex(4)}"
    rabbit.ctl("add_user", user, head + tail)
    rabbit.ctl("set_permissions", user, ".*", ".*", ".*")
    url = rabbit.url_of(user, head + tail)
    variables = {"HOSTILE_HEAD": head, "HOSTILE_TAIL": tail, "MY_BROKER": f"is {url}", "PW": head + tail}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with worker(url, tmp_path / "worker.log", HOSTILE, "--isolation", isolation):
        env = RemoteEnv(HOSTILE, rabbit.url, make_timeout=30.0, step_timeout=60.0)
        seen = do(env, "look")
        found = do(env, "search_memory")
        env.close()
    told = {name for name in ("GYMBROKER_URL", "MY_BROKER", "PW") if name in seen["environment"]}
    if isolation == "process":
        assert (told, found) == (set(), 0)
        assert head + tail not in seen["arguments"]
        assert seen["modules"] == []
        assert opened(seen["files"]) == ["socket"]
    else:  # or the test would show nothing
        assert told == {"GYMBROKER_URL", "MY_BROKER", "PW"}
        assert found > 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["CartPole-v1", "--isolation", "process", "--memory-limit", "lots"], 2, "--memory-limit: expected bytes"),
        (["CartPole-v1", "--isolation", "process", "--memory-limit", "9M"], 2, "are taken before an env is made"),
        (["Nothing-v0", "--isolation", "process"], 1, "unknown env id 'Nothing-v0'"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong_without_a_traceback(rabbit, arguments, code, says):
    done = run("env_worker", "serve", *arguments, url=rabbit.url)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
