"""``agent-worker`` and ``gymbroker`` as real processes against a real RabbitMQ."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.support.commands import ROOT, as_child, environment, eventually, run, worker

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def url(rabbit, tmp_path_factory):
    """A RabbitMQ at which a worker serves."""
    log = tmp_path_factory.mktemp("worker") / "log"
    with worker(rabbit.url, log, "CartPole-v1", "PriceBandit-v0", "tests.support.envs:Counting", "--capacity", "4"):
        yield rabbit.url


def test_run_prints_one_json_object_with_the_figures(url):
    done = run("agent_worker", "run", "CartPole-v1", "--episodes", "5", "--seed", "1", "--json", url=url)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    wanted = {
        "env_id", "episodes", "steps", "return_mean", "return_std", "length_mean", "steps_per_s", "rtt_us_p50",
        "rtt_us_p99",
    }  # fmt: skip
    assert wanted <= set(figures)
    assert (figures["env_id"], figures["episodes"]) == ("CartPole-v1", 5)
    assert figures["return_mean"] == figures["length_mean"] == figures["steps"] / 5
    assert 0 < figures["rtt_us_p50"] <= figures["rtt_us_p99"]
    again = run("agent_worker", "run", "CartPole-v1", "--episodes", "5", "--seed", "1", "--json", url=url)
    assert json.loads(again.stdout)["return_mean"] == figures["return_mean"]


def test_run_shows_a_table_and_progress_and_saves_the_learning_curve(url, tmp_path):
    picture = tmp_path / "curve.png"
    arguments = ["--policy", "bandit", "--steps", "600", "--seed", "1", "--plot", str(picture)]
    done = run("agent_worker", "run", "PriceBandit-v0", *arguments, url=url)
    assert done.returncode == 0, done.stderr
    assert "reward, mean" in done.stdout
    assert str(picture) in done.stdout
    assert "600 of 600 steps" in done.stderr
    assert picture.read_bytes().startswith(PNG)


def test_run_loads_a_policy_of_the_user(url):
    done = run(
        "agent_worker", "run", "tests.support.envs:Counting", "--policy", "tests.support.policies:always_two",
        "--steps", "7", "--env-kwargs", '{"limit": 7}', "--json", url=url,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["return_mean"] == 14.0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["Nothing-v0", "--make-timeout", "1"], 1, "UnknownEnv: 'Nothing-v0' is not served"),
        (["CartPole-v1", "--env-kwargs", '{"colour": 1}'], 1, "BadKwargs"),
        (["CartPole-v1", "--env-kwargs", "{"], 2, "--env-kwargs: expected JSON"),
        (["CartPole-v1", "--env-kwargs", '{"broker": "x", "make_timeout": 1}'], 2, "broker, make_timeout is an option"),
        (["CartPole-v1", "--seed", "-3"], 2, "--seed"),
        (["CartPole-v1", "--broker", "memory://"], 2, "memory:// is within one process"),
        (["CartPole-v1", "--broker", "MEMORY://"], 2, "memory:// is within one process"),
        (["tests.support.envs:Counting", "--policy", "tests.support.policies:broken"], 1, "ZeroDivisionError"),
        (["CartPole-v1", "--policy", "clever"], 2, "unknown policy 'clever'"),
        (["CartPole-v1", "--policy", "no.such:policy"], 2, "cannot import 'no.such'"),
        (["CartPole-v1", "--policy", "bandit"], 2, "needs an action space Tuple"),
        (["CartPole-v1", "--episodes", "1", "--steps", "1"], 2, "either --episodes or --steps"),
        (["CartPole-v1", "--episodes", "0"], 2, "--episodes"),
        (["CartPole-v1", "--evaluation", "x", "--step-timeout", "inf"], 2, "time: expected seconds, 0 or more"),
        (["CartPole-v1", "--plot", "curve.jpg"], 2, "PNG"),
        (["tests.support.envs:Counting", "--env-kwargs", '{"trouble": {"1": "raise"}}'], 1, "EnvError"),
    ],
)
def test_run_says_what_is_wrong_without_a_traceback(url, arguments, code, says):
    done = run("agent_worker", "run", *arguments, url=url)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_verbose_shows_the_traceback(url):
    done = run("agent_worker", "run", "Nothing-v0", "--make-timeout", "0.5", "--verbose", url=url)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_an_env_worker_that_nobody_could_ask_is_refused():
    done = run("env_worker", "serve", "CartPole-v1", url="memory://here")
    assert (done.returncode, done.stdout) == (2, "")
    assert "memory:// is within one process" in done.stderr


def test_an_unreachable_broker_is_an_error_after_a_visible_wait_and_shows_no_password():
    secret = "amqp://someone:s3cret@127.0.0.1:1/"
    done = run("agent_worker", "run", "CartPole-v1", "--connect-timeout", "1", url=secret)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "waiting for the broker" in done.stderr
    assert "s3cret" not in done.stderr


def test_wrong_credentials_are_refused_at_once_and_not_shown(rabbit):
    done = run("agent_worker", "run", "CartPole-v1", url=rabbit.url_of("someone", "s3cret"))
    assert done.returncode == 1
    assert "AccessRefused" in done.stderr
    assert "s3cret" not in done.stderr
    assert "waiting for the broker" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_run_with_the_summary_of_what_was_played(url, number, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-m", "agent_worker", "run", "CartPole-v1", "--steps", "100000000", "--json"]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            env=environment(url),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            preexec_fn=as_child,
        )
    try:
        eventually(lambda: "steps/s" in log.read_text(), "it plays")
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert json.loads(out)["interrupted"] is True
    assert json.loads(out)["steps"] > 0
    assert "Traceback" not in log.read_text()


def test_ping_says_how_long_a_round_trip_takes(url):
    done = run("agent_worker", "ping", "--count", "20", "--json", url=url)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["count"] == 20
    assert 0 < figures["rtt_us_min"] <= figures["rtt_us_p50"] <= figures["rtt_us_p99"]
    assert figures["server"].startswith("RabbitMQ")
    assert "20 round trips to" in run("agent_worker", "ping", "CartPole-v1", "--count", "20", url=url).stdout


def test_status_lists_the_workers(url):
    done = run("gymbroker", "status", "--json", url=url)
    assert done.returncode == 0, done.stderr
    workers = json.loads(done.stdout)
    assert [(one["envs"][0], one["capacity"]) for one in workers] == [("CartPole-v1", 4)]
    assert 0 <= workers[0]["free"] <= 4
    assert "CartPole-v1" in run("gymbroker", "status", url=url).stdout


def test_doctor_finds_everything_in_order(url):
    done = run("gymbroker", "doctor", "--json", url=url)
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["broker"]["found"].startswith("RabbitMQ")
    assert "CartPole-v1" in found["env workers"]["found"]
    assert found["gym with numpy"]["ok"]


def test_doctor_says_what_to_do_about_a_broker_that_is_not_there():
    done = run("gymbroker", "doctor", "--timeout", "0.5", url="amqp://me:s3cret@127.0.0.1:1/")
    assert done.returncode == 1
    assert "start one" in " ".join(done.stdout.split())
    assert "s3cret" not in done.stdout + done.stderr


def test_demo_runs_in_one_process(tmp_path):
    done = run("gymbroker", "demo", "--steps", "300", "--out", str(tmp_path), timeout=120)
    assert done.returncode == 0, done.stderr
    assert "price bandit, Thompson" in done.stdout
    assert (tmp_path / "gymbroker-demo.png").read_bytes().startswith(PNG)
    assert str(tmp_path / "gymbroker-demo.png") in done.stdout.replace("\n", "")


def test_demo_runs_as_processes_over_a_broker(rabbit, tmp_path):
    done = run(
        "gymbroker", "demo", "--steps", "300", "--broker", rabbit.url, "--out", str(tmp_path), timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "price bandit, Thompson" in done.stdout
    assert len(list(tmp_path.glob("*.png"))) == 3
    assert rabbit.url not in done.stderr + done.stdout


def test_permissions_prints_the_commands_for_two_users():
    done = run("gymbroker", "permissions", "--env-user", "owner", "--agent-user", "learner")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["rabbitmqctl", "add_user"], ["rabbitmqctl", "set_permissions"],
    ] * 2  # fmt: skip
    same = run("gymbroker", "permissions", "--env-user", "one", "--agent-user", "one")
    assert (same.returncode, "two users" in same.stderr) == (2, True)


def test_version():
    assert run("gymbroker", "--version").stdout.startswith("gymbroker 0.")


def test_help_of_every_command_is_there():
    for module, commands in {
        "env_worker": ["serve", "list"],
        "agent_worker": ["run", "ping"],
        "gymbroker": ["demo", "doctor", "status", "permissions"],
    }.items():
        for command in commands:
            done = run(module, command, "--help")
            assert done.returncode == 0
            assert "Usage" in done.stdout

