"""docker-compose.yml as a test sees it: one project of its own name, its containers, and what they say."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent.parent
TAG = "compose-test"
POLL_S = 0.5
STEPS = 5_000
"""Of each agent: enough to learn the prices."""
LONG_STEPS = 25_000
"""Enough to be still at work when its env worker is told to stop, and to end within the drain timeout."""


def run(*command: str, timeout: float = 120, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run in the root of the repository with more environment variables; an exit code other than 0 fails the test."""
    environment = os.environ | {"GYMBROKER_TAG": TAG} | variables
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def compose_command() -> list[str]:
    """Compose v1 (``docker-compose``) where it is installed, else v2 (``docker compose``)."""
    return ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]


def build_image() -> str:
    """Build the image of Dockerfile, and return its name."""
    run(*compose_command(), "build", "env_worker", timeout=600)
    return f"gymbroker:{TAG}"


class Project:
    """One project: ``up``, look, ``stop``; leaving the ``with`` block removes its containers, network and volumes."""

    def __init__(self, **variables: str) -> None:
        self.name = f"gymbroker-test-{secrets.token_hex(4)}"
        self._variables = variables

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.compose("logs", "--no-color", "--tail", "100", check=False).stdout)
        self.compose("kill", check=False)  # nothing is left to be lost, so no time is spent on an orderly end
        self.compose("down", "--volumes", "--remove-orphans")

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a Compose command for this project."""
        return run(*compose_command(), "-p", self.name, *arguments, check=check, **self._variables)

    def start(self, *services: str, alone: bool = False, **scale: int) -> None:
        """Start services (all if none is named) in the background; ``alone``: without those that they depend on."""
        options = [word for service, count in scale.items() for word in ("--scale", f"{service}={count}")]
        if alone:
            options.append("--no-deps")
        self.compose("up", "--detach", "--no-build", *options, *services)

    def containers(self, service: str) -> list[dict[str, Any]]:
        """What ``docker inspect`` says about each container of a service, ended ones too."""
        wanted = []
        for label in (f"project={self.name}", f"service={service}", "oneoff=False"):
            wanted += ["--filter", f"label=com.docker.compose.{label}"]
        ids = run("docker", "ps", "--all", "--quiet", *wanted).stdout.split()
        return json.loads(run("docker", "inspect", *ids).stdout) if ids else []

    def states(self, service: str) -> list[tuple[str, int]]:
        """Status and exit code of each container of a service: ``("running", 0)``, ``("exited", 0)``."""
        return [(one["State"]["Status"], one["State"]["ExitCode"]) for one in self.containers(service)]

    def ends(self, service: str) -> list[datetime]:
        """When each container of a service ended."""
        texts = [one["State"]["FinishedAt"] for one in self.containers(service)]  # 2026-11-21T04:05:06.123456789Z
        parts = [text.rstrip("Z").partition(".") for text in texts]
        return [
            datetime.strptime(f"{second}.{fraction:0<6.6}+0000", "%Y-%m-%dT%H:%M:%S.%f%z")
            for second, _, fraction in parts
        ]

    def logs(self, service: str) -> list[str]:
        """What each container of a service has written so far, to stdout and stderr."""
        found = [run("docker", "logs", one["Id"]) for one in self.containers(service)]
        return [one.stdout + one.stderr for one in found]

    def reports(self, service: str) -> list[dict[str, Any]]:
        """The JSON object that each container of a service has written."""
        lines = [[line for line in text.splitlines() if line.startswith("{")] for text in self.logs(service)]
        return [json.loads(line) for (line,) in lines]

    def status(self) -> list[dict[str, Any]]:
        """What ``gymbroker status`` says in a container beside the workers, with the env side's credentials."""
        done = self.compose("exec", "-T", "env_worker", "gymbroker", "status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else []


def wait_until(what: str, happened: Callable[[], bool], seconds: float) -> None:
    """Look again and again; fail with ``what`` was waited for."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for: {what}"
        time.sleep(POLL_S)
