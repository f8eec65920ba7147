"""What docker-compose.yml deploys agrees with the code. ``make test-compose`` runs it for real."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from broker import permissions

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
