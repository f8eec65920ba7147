"""``agent-worker run --evaluation`` as real processes over a real RabbitMQ: shared, killed, late, interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from itertools import chain

import pytest

from tests.support.commands import ROOT, as_child, environment, eventually, run, worker
from tests.support.paced import SLOW
from tools.rabbit import Rabbit

EPISODES = 40


class Agent:
    """An ``agent-worker run`` process."""

    def __init__(self, url: str, log, *arguments: str) -> None:
        self._log, self._out = log, log.with_suffix(".out")
        command = [sys.executable, "-m", "agent_worker", "run", *arguments, "--json", "--verbose"]
        with self._log.open("w") as stderr, self._out.open("w") as stdout:
            self.process = subprocess.Popen(
                command, env=environment(url), cwd=ROOT, stdout=stdout, stderr=stderr, preexec_fn=as_child
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def begun(self) -> list[int]:
        """Numbers of the episodes that it has begun, in order."""
        lists = re.findall(r"begins \[([\d, ]+)\]", self.said)
        return [int(number) for number in ", ".join(lists).split(", ")] if lists else []

    @property
    def leads(self) -> bool:
        return "this worker leads" in self.said

    def report(self, code: int = 0) -> dict:
        """What it printed, when it has ended."""
        assert self.process.wait(90) == code, self.said
        return json.loads(self._out.read_text())


@pytest.fixture
def start(tmp_path):
    """``start(url, "CartPole-v1", ...)`` starts an agent worker; it is killed at the end if it still runs."""
    with ExitStack() as agents:

        def one(url: str, *arguments: str) -> Agent:
            agent = Agent(url, tmp_path / f"agent-{len(list(tmp_path.iterdir()))}.log", *arguments)
            agents.callback(agent.process.wait)
            agents.callback(agent.process.kill)
            return agent

        yield one


@pytest.fixture(scope="module")
def url(rabbit, tmp_path_factory):
    """A RabbitMQ at which two env workers serve."""
    folder = tmp_path_factory.mktemp("workers")
    served = ["CartPole-v1", "tests.support.envs:Counting", SLOW, "--capacity", "4"]
    with worker(rabbit.url, folder / "1", *served), worker(rabbit.url, folder / "2", *served):
        yield rabbit.url


@pytest.fixture(scope="module")
def slow_returns(url):
    """What the slow evaluation comes to when one plays it alone."""
    done = run("agent_worker", "run", *shared("alone"), "--num-envs", "8", "--json", url=url, timeout=90)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["returns"]


def shared(name: str, gate: str | os.PathLike[str] = os.devnull, episodes: int = EPISODES) -> list[str]:
    """An evaluation whose players can be met in the middle of it: it takes long, until there is the file ``gate``."""
    env = [SLOW, "--env-kwargs", json.dumps({"limit": 3, "gate": str(gate)}), "--seed", "4"]
    return [*env, "--evaluation", name, "--episodes", str(episodes)]


def figures(report: dict) -> dict:
    """All but who played how much."""
    return {key: value for key, value in report.items() if key != "played"}


def test_three_workers_play_each_episode_once_and_print_one_summary(url, start):
    arguments = ["CartPole-v1", "--policy", "tests.support.policies:leaning", "--seed", "7", "--episodes", "24"]
    agents = [start(url, *arguments, "--evaluation", "three", "--num-envs", lanes) for lanes in "113"]
    reports = [agent.report() for agent in agents]

    assert sorted(chain(*(agent.begun for agent in agents))) == list(range(24))
    assert [one["played"] for one in reports] == [len(agent.begun) for agent in agents]
    assert sum(one["played"] for one in reports) == 24
    assert len({json.dumps(figures(one)) for one in reports}) == 1
    assert (reports[0]["evaluation"], reports[0]["episodes"], reports[0]["interrupted"]) == ("three", 24, False)
    assert [agent.leads for agent in agents].count(True) == 1

    for lanes in ("1", "8"):  # whoever plays, and in however many lanes: the same returns, episode by episode
        alone = start(url, *arguments, "--evaluation", f"alone in {lanes}", "--num-envs", lanes).report()
        assert alone["returns"] == reports[0]["returns"]
        assert alone["played"] == 24


@pytest.mark.parametrize("victim", ["follower", "leader"])
def test_a_killed_worker_loses_nothing_but_time(url, start, slow_returns, victim, tmp_path):
    gate = tmp_path / "gate"
    agents = [start(url, *shared(f"killed {victim}", gate)) for _ in range(3)]
    eventually(lambda: all(agent.begun for agent in agents), "all three play")
    leader = next(agent for agent in agents if agent.leads)
    killed = leader if victim == "leader" else next(agent for agent in agents if agent is not leader)
    killed.process.kill()
    gate.touch()
    survivors = [agent for agent in agents if agent is not killed]
    reports = [agent.report() for agent in survivors]

    assert [one["returns"] for one in reports] == [slow_returns] * 2
    assert figures(reports[0]) == figures(reports[1])
    assert {*chain(*(agent.begun for agent in agents))} == set(range(EPISODES))
    mine, theirs = (agent.begun for agent in survivors)
    assert len(mine) == len(set(mine))  # nobody plays an episode twice
    if victim == "follower":
        assert set(mine) & set(theirs) == set()
    else:
        assert sum(agent.leads for agent in survivors) == 1


def test_who_comes_late_prints_the_summary_and_needs_no_env(url, start, slow_returns):
    report = start(url, *shared("alone"), "--make-timeout", "1").report()
    assert (report["returns"], report["played"], report["episodes"]) == (slow_returns, 0, EPISODES)


def test_other_settings_under_one_name_are_a_wrong_command_line(url, slow_returns):
    done = run("agent_worker", "run", *shared("alone", episodes=41), url=url)
    assert done.returncode == 2
    assert "OtherSettings: evaluation 'alone' is one of episodes 40 instead of 41" in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--evaluation", "x", "--steps", "5"], "--evaluation shares --episodes"),
        (["--evaluation", ""], "expected a name"),
        (["--num-envs", "0"], "--num-envs"),
    ],
)
def test_what_cannot_be_shared_is_a_wrong_command_line(arguments, says):
    done = run("agent_worker", "run", "CartPole-v1", *arguments, url="amqp://nowhere.invalid/")
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


def test_ctrl_c_prints_what_there_is_and_the_others_go_on(url, start, slow_returns, tmp_path):
    gate = tmp_path / "gate"
    stopped = start(url, *shared("stopped", gate), "--num-envs", "2")
    eventually(lambda: len(stopped.begun) > 2, "it has finished an episode")
    other = start(url, *shared("stopped", gate))
    eventually(lambda: other.begun, "the other plays")
    stopped.process.send_signal(signal.SIGINT)
    report = stopped.report(130)
    gate.touch()
    assert report["interrupted"] is True
    assert 0 < report["played"] <= report["episodes"] < EPISODES
    assert other.report()["returns"] == slow_returns


def test_an_evaluation_outlives_a_restart_of_the_broker(start, tmp_path, slow_returns):
    gate = tmp_path / "gate"
    with Rabbit() as own, worker(own.url, tmp_path / "worker", SLOW, "--capacity", "4"):
        agents = [start(own.url, *shared("restarted", gate), "--connect-timeout", "60") for _ in range(2)]
        eventually(lambda: all(len(agent.begun) > 1 for agent in agents), "both play")
        own.kill()
        own.start()
        gate.touch()
        reports = [agent.report() for agent in agents]
        assert [one["returns"] for one in reports] == [slow_returns] * 2
        assert {*chain(*(agent.begun for agent in agents))} == set(range(EPISODES))


def test_lanes_are_played_without_an_evaluation_too(url):
    arguments = ["CartPole-v1", "--episodes", "30", "--seed", "3", "--json"]
    alone, lanes = (run("agent_worker", "run", *arguments, "--num-envs", count, url=url) for count in ("1", "8"))
    assert (alone.returncode, lanes.returncode) == (0, 0), alone.stderr + lanes.stderr
    one, many = json.loads(alone.stdout), json.loads(lanes.stdout)
    for key in ("episodes", "steps", "return_mean", "return_std", "length_mean"):
        assert one[key] == many[key]


def test_a_run_that_fails_in_the_middle_shows_what_was_played(url):
    trouble = json.dumps({"limit": 4, "trouble": {"3": "raise"}})
    done = run("agent_worker", "run", "tests.support.envs:Counting", "--env-kwargs", trouble, "--json", url=url)
    assert done.returncode == 1
    assert "EnvError" in done.stderr
    report = json.loads(done.stdout)
    assert (report["steps"], report["episodes"], report["interrupted"]) == (2, 0, False)
    assert report["error"].startswith("EnvError: ")
