"""What the command lines show of what strangers say, and what they refuse."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from agent_worker.cli import app as agent_app
from gymbroker import doctor
from gymbroker.cli import app

ODD = "[red]host[/]/[/opt]"
"""It has markup of rich in it, and some that rich refuses."""


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.stdout


def test_status_shows_what_a_worker_says_as_it_is(monkeypatch):
    worker = {"worker": ODD, "envs": [ODD], "free": 1, "capacity": 2, "draining": False}
    monkeypatch.setattr(doctor, "workers_at", lambda url, timeout_s: [worker])
    assert shown("status").count(ODD) == 2


@pytest.mark.parametrize("ok", [True, False])
def test_doctor_shows_what_was_found_as_it_is(monkeypatch, ok):
    monkeypatch.setattr(doctor, "examine", lambda url, timeout_s: [doctor.Finding("broker", ok, ODD, ODD)])
    said = shown("doctor")
    assert said.count(ODD) == 2
    assert ("ok" if ok else "wrong") in said


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e300"])
@pytest.mark.parametrize(
    ("command_line", "arguments", "option"),
    [
        (app, ["status"], "--timeout"),
        (app, ["doctor"], "--timeout"),
        (agent_app, ["ping"], "--timeout"),
        (agent_app, ["run", "CartPole-v1"], "--make-timeout"),
        (agent_app, ["run", "CartPole-v1"], "--step-timeout"),
        (agent_app, ["run", "CartPole-v1"], "--connect-timeout"),
    ],
)
def test_a_time_that_is_none_is_refused_before_anything_is_done(command_line, arguments, option, value):
    done = CliRunner().invoke(command_line, [*arguments, f"{option}={value}"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"Invalid value for '{option}': time: expected seconds, 0 or more, but not for ever" in done.output
