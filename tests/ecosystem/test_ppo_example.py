"""``examples/ppo.py``: a PPO in one file, in CleanRL's style, that is told by one option where its lanes are."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.commands import ROOT, environment, worker

HUNTED = """
import sys

import typer

sys.path.insert(0, "examples")
import ppo
from tests.support.losing import kill

make = ppo.make_lanes


def hunted(*arguments):
    lanes, steps = make(*arguments), 0
    step = lanes.step

    def stepping(actions):
        nonlocal steps
        steps += 1
        if steps % 400 == 0:
            kill(lanes.description)
        return step(actions)

    lanes.step = stepping
    return lanes


ppo.make_lanes = hunted
typer.run(ppo.main)
"""
"""The example, whose worker is killed before every 400th step."""


def run(*arguments: str, program: tuple[str, ...] = ("-W", "error", "examples/ppo.py")) -> list[str]:
    """The lines that it prints, without how fast it was."""
    command = [sys.executable, *program, *arguments]
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


@pytest.mark.timeout(1200)
def test_it_learns_the_same_to_the_last_digit_while_its_workers_are_killed(amqp_url, tmp_path):
    few = ("--total-steps", "12800", "--episodes", "8")
    with worker(amqp_url, tmp_path / "worker.log", "CartPole-v1", processes=2) as one:
        found = run(*few, "--broker", amqp_url, "--on-worker-loss", "replay", program=("-c", HUNTED))
        assert one.said.count("killed by SIGKILL") >= 3
    assert found == run(*few)


@pytest.mark.timeout(1200)
def test_it_learns_while_the_runs_of_killed_workers_are_truncated(amqp_url, tmp_path):
    with worker(amqp_url, tmp_path / "worker.log", "CartPole-v1", processes=2) as one:
        few = ("--total-steps", "12800", "--episodes", "8", "--broker", amqp_url, "--on-worker-loss", "truncate")
        *_, last = run(*few, program=("-c", HUNTED))
        assert one.said.count("killed by SIGKILL") >= 3
    assert float(last.split(": ")[1]) > 40  # a random policy has 22
