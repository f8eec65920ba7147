"""The examples run as their README says, from a shell, as a newcomer would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import gymbroker
from agent_worker.bandit import BetaPriceAgent
from agent_worker.rollout import rollout
from env_worker.price import PriceBandit
from tests.support.commands import worker

ROOT = Path(__file__).parent.parent
SECTIONS = (ROOT / "docs/many.md").read_text().split("\n## ")[1:]
BLOCKS = {text.partition("\n")[0]: re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0] for text in SECTIONS}
"""The program of each section of the page on many environments."""


def run(*arguments: str, script: str = "price_bandit.py") -> str:
    """Standard output of an example, which without other ``arguments`` runs over ``memory://``."""
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / script), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_what_the_docs_show_of_many_environments_runs_as_it_stands(block):
    command = [sys.executable, "-W", "error", "-c", block]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_price_example_takes_the_options_of_aea_and_counts_to_the_end():
    output = run("--nb-steps", "50", "--nb-goods", "3", "--nb-prices-per-good", "7")
    assert "Step 50/50: price" in output
    good, price = map(int, re.findall(r"price (\d+) for good (\d+)", output)[-1][::-1])
    assert good < 3
    assert price < 7


@pytest.mark.parametrize(("options", "faithful"), [((), False), (("--faithful",), True)], ids=["improved", "faithful"])
def test_the_price_example_learns_over_a_broker_exactly_as_beside_its_environment(options, faithful):
    agent = BetaPriceAgent(10, 100, seed=0, faithful=faithful)
    beside = rollout(PriceBandit(faithful=faithful), agent, steps=4_000, seed=0)
    assert f"Mean reward of all 4000 steps: {beside.reward_mean:.3f}\n" in run("--nb-steps", "4000", *options)


def test_a_rollout_over_a_broker_has_the_rewards_of_a_local_one_step_for_step():
    local = rollout(PriceBandit(), BetaPriceAgent(10, 100, seed=5), steps=1_000, seed=5)
    env = gymbroker.make("PriceBandit-v0", "memory://")
    remote = rollout(env, BetaPriceAgent(10, 100, seed=5), steps=1_000, seed=5)
    env.close()
    assert remote.rewards.tolist() == local.rewards.tolist()
    assert remote.env_id == "PriceBandit-v0"


def test_the_maze_of_a_foreign_simulator_is_walked_in_one_process():
    output = run("--episodes", "2", script="maze.py")
    assert re.findall(r"Episode (\d)/2: found the exit after \d+ steps, return -?\d", output) == ["1", "2"]


def test_the_maze_is_served_by_its_factory_as_its_first_lines_say(amqp_url, tmp_path):
    script = (ROOT / "examples" / "maze.py").read_text()
    (line,) = re.findall(r"^    env-worker serve (.+)$", script, re.MULTILINE)
    with worker(amqp_url, tmp_path / "log", *line.split(), cwd=ROOT / "examples") as one:
        assert "agents may call action_masks" in one.said
        output = run("--episodes", "1", "--broker", amqp_url, "--env-id", "Maze-large", script="maze.py")
        assert re.search("Episode 1/1: (found the exit|gave up) after", output)
        env = gymbroker.make("Maze-small", amqp_url)
        observation, _ = env.reset(seed=3)
        assert (observation.dtype, observation.shape, float(observation.max())) == (np.float32, (5, 5), 1.0)
        assert env.step(int(np.flatnonzero(env.unwrapped.action_masks())[0]))[1] in (-0.01, 1.0)
        env.close()


def test_the_players_of_the_example_play_the_same_games_from_both_sides():
    (first, second) = run("--games", "5", script="tictactoe.py").splitlines()
    counts = [dict(re.findall(r"(\w+) (\d+)", line.partition(" ")[2])) for line in (first, second)]
    assert [first.split()[0], second.split()[0]] == ["player_1", "player_2"]
    assert (counts[0]["wins"], counts[0]["draws"], counts[0]["loses"]) == (
        counts[1]["loses"], counts[1]["draws"], counts[1]["wins"],
    )  # fmt: skip


def test_the_players_of_the_example_may_be_two_processes_of_a_third_party_s_world(rabbit, tmp_path):
    game = "pettingzoo.classic.tictactoe.tictactoe:env"
    given = ("--games", "5", "--broker", rabbit.url, "--world", "friday")
    with worker(rabbit.url, tmp_path / "worker.log", game), ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda seat: run(*given, "--seat", seat, script="tictactoe.py"), ("player_1", "player_2")))
    assert "".join(said) == run("--games", "5", script="tictactoe.py")
