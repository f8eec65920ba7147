"""One Ctrl-C at chosen moments of the commands, told by what they say: the end is clean, and nothing is left behind.

``make test-ctrl-c`` strikes at random moments, and holds them to two seconds.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support import ctrl_c
from tests.support.commands import eventually, worker
from tests.support.ctrl_c import Command, left_behind

COUNTING = "tests.support.envs:Counting"
SLOW_IMPORT = 'import sys, time\nprint("being imported", file=sys.stderr, flush=True)\ntime.sleep(600)\n'
NOBODY = "amqp://guest:guest@127.0.0.1:1/"


@pytest.fixture
def struck():
    """``struck(url, "agent_worker", "ping")`` starts a command; it is ended when the test is."""
    started = []

    def start(*arguments: str) -> Command:
        started.append(Command(*arguments))
        return started[-1]

    yield start
    for command in started:
        command.end()


@pytest.mark.parametrize("module", ["env_worker", "agent_worker", "gymbroker"])
def test_while_modules_are_imported(struck, module, tmp_path, monkeypatch):
    """By its installed script: ``python -m`` imports the package before any of its lines is run."""
    (tmp_path / "typer.py").write_text(SLOW_IMPORT)
    monkeypatch.setattr(ctrl_c, "ROOT", tmp_path)  # the current folder: it comes before all that is installed
    arguments = {"env_worker": ["serve", COUNTING], "agent_worker": ["run", COUNTING], "gymbroker": ["status"]}[module]
    command = struck(NOBODY, "gymbroker_start", module, *arguments)
    command.wait_for(lambda: "being imported" in command.err, "it imports Typer")
    ended = command.strike()
    assert (ended.wrong, ended.code) == ("", 130)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("env_worker", ["serve", COUNTING]),
        ("agent_worker", ["run", COUNTING]),
        ("agent_worker", ["ping"]),
        ("gymbroker", ["status", "--timeout", "60"]),
        ("gymbroker", ["doctor", "--timeout", "60"]),
    ],
)  # fmt: skip
def test_while_the_broker_is_waited_for(struck, module, arguments):
    command = struck(NOBODY, module, *arguments)
    command.wait_for(lambda: "waiting for the broker" in command.err, "it waits for the broker")
    ended = command.strike()
    assert not ended.wrong
    assert ended.code == (0 if module == "env_worker" else 130)


def test_while_a_worker_steps_and_an_agent_plays(struck, rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1") as served:
        for _ in range(2):  # the second finds the slot free
            agent = struck(rabbit.url, "agent_worker", "run", COUNTING, "--steps", "100000000", "--json")
            agent.wait_for(lambda: "steps/s" in agent.err, "it plays")  # noqa: B023 - called at once
            ended = agent.strike()
            assert not ended.wrong
            found = json.loads(ended.out)
            assert (ended.code, found["interrupted"], found["steps"] > 0) == (130, True, True)
        eventually(lambda: not left_behind(rabbit.ctl, served=True), "no queue of an episode is left")
        assert served.process.poll() is None


def test_while_an_agent_stands_in_line(struck, rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1") as served:
        first = struck(rabbit.url, "agent_worker", "run", COUNTING, "--steps", "100000000")
        first.wait_for(lambda: "steps/s" in first.err, "it plays")
        second = struck(rabbit.url, "agent_worker", "run", COUNTING, "--make-timeout", "60")
        second.wait_for(lambda: "waiting in line" in second.err, "it stands in line")
        ended = second.strike()
        assert (ended.wrong, ended.code) == ("", 130)
        assert first.strike().code == 130
        assert served.stop() == 0


def test_an_env_that_hangs_keeps_neither_side(struck, rabbit):
    serving = struck(rabbit.url, "env_worker", "serve", COUNTING, "--env-kwargs", json.dumps({"trouble": {"3": 600}}))
    serving.wait_for(lambda: "serving" in serving.err, "it serves")
    agent = struck(rabbit.url, "agent_worker", "run", COUNTING, "--json")
    serving.wait_for(lambda: "is open" in serving.err, "an episode is open")
    ended = agent.strike()
    assert (ended.wrong, ended.code) == ("", 130)
    listed = Path(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children")
    children = listed.read_text().split()
    ended = serving.strike()
    assert (ended.wrong, ended.code) == ("", 0)
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), "none of its children is left")
    eventually(lambda: not left_behind(rabbit.ctl, served=True), "no queue of an episode is left")
