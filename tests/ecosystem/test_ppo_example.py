"""``examples/ppo.py``: a PPO in one file, in CleanRL's style, that is told by one option where its lanes are."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.commands import ROOT, environment, worker


def run(*arguments: str) -> list[str]:
    """The lines that it prints, without how fast it was."""
    command = [sys.executable, "-W", "error", "examples/ppo.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=1100, check=False
    )
    assert done.returncode == 0, done.stderr
    return re.sub(r", \d+ steps/s", "", done.stdout).splitlines()


@pytest.mark.timeout(1200)
def test_it_learns_the_same_in_remote_lanes_as_in_local_ones_to_the_last_digit():
    few = ("--total-steps", "12800", "--episodes", "8")
    local = run(*few)
    assert len(local) == 2
    assert run(*few, "--broker", "memory://") == local


@pytest.mark.timeout(1200)
def test_it_learns_cartpole_over_rabbitmq(amqp_url, tmp_path):
    with worker(amqp_url, tmp_path / "worker.log", "CartPole-v1"):
        *_, last = run("--broker", amqp_url, "--total-steps", "60000")
    print(f"CleanRL-style PPO, CartPole-v1, 8 remote lanes over RabbitMQ: {last}")
    assert float(last.split(": ")[1]) > 450
