"""The examples run as their README says, from a shell, as a newcomer would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> str:
    """Standard output of the price example over ``memory://``."""
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / "price_bandit.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mean_reward(output: str) -> float:
    found = re.search(r"Mean reward of all 4000 steps: (\d\.\d+)", output)
    assert found, output
    return float(found[1])


def test_the_price_example_takes_the_options_of_aea_and_counts_to_the_end():
    output = run("--nb-steps", "50", "--nb-goods", "3", "--nb-prices-per-good", "7")
    assert "Step 50/50: price" in output
    good, price = map(int, re.findall(r"price (\d+) for good (\d+)", output)[-1][::-1])
    assert good < 3
    assert price < 7


def test_the_price_example_learns_over_a_broker_as_well_as_beside_its_environment():
    assert mean_reward(run("--nb-steps", "4000")) == pytest.approx(0.87, abs=0.03)


def test_the_faithful_price_example_learns_as_slowly_as_aeas():
    assert mean_reward(run("--nb-steps", "4000", "--faithful")) == pytest.approx(0.19, abs=0.04)
