"""What docker-compose.yml deploys agrees with the code. ``make test-compose`` runs it for real."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from broker import permissions

COMPOSE = Path(__file__).resolve().parent.parent / "docker-compose.yml"
DEFINITIONS = Path(__file__).resolve().parent.parent / "deploy" / "rabbitmq" / "definitions.json"


def test_the_two_users_of_docker_compose_have_the_least_rights_that_work_and_no_others():
    definitions = json.loads(DEFINITIONS.read_text())
    rights = {"env_worker": permissions.ENV, "agent_worker": permissions.AGENT}
    expected = [{"user": user, "vhost": "/"} | dataclasses.asdict(right) for user, right in rights.items()]
    assert definitions["permissions"] == expected
    assert [(user["name"], user["tags"]) for user in definitions["users"]] == [(user, []) for user in rights]


def test_no_password_stands_in_the_definitions():
    passwords = [user["password"] for user in json.loads(DEFINITIONS.read_text())["users"]]
    assert passwords == ["@ENV_PASSWORD@", "@AGENT_PASSWORD@"]


@pytest.mark.parametrize(
    ("evaluation", "runs"),
    [
        ("", "run PriceBandit-v0 --policy bandit --steps 20000 --json"),
        ("the first", "run CartPole-v1 --policy random --episodes 1000 --seed 0 --evaluation the first --json"),
    ],
)
def test_the_agents_of_docker_compose_share_an_evaluation_if_it_has_a_name(evaluation, runs, tmp_path):
    text = COMPOSE.read_text()
    found = re.search(r"      - \|\n((?:        .*\n)+)", text)
    script = textwrap.dedent(found[1]).replace("$$", "$")
    defaults = dict(re.findall(r"(STEPS|ENV_ID|POLICY|EPISODES): \$\{\w+:-(.*?)\}", text))
    agent_worker = tmp_path / "agent-worker"
    agent_worker.write_text('#!/bin/sh\necho "$@"\n')
    agent_worker.chmod(0o755)
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "EVALUATION": evaluation, **defaults}
    done = subprocess.run(
        ["sh", "-c", script], env=variables, capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.strip() == runs
    assert done.stderr == ""
