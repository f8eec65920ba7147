"""Agents on seats of worlds: in processes of their own, and what they would have seen beside the env."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.commands import ROOT, as_child, environment, eventually
from tests.support.player import choose, plain

if TYPE_CHECKING:
    from pathlib import Path


class Player:
    """A ``tests.support.player`` process."""

    def __init__(self, url: str, folder: Path, env_id: str, world: str, seat: str, *arguments: str) -> None:
        self._log = folder / f"{world}-{seat}-{len(list(folder.iterdir()))}.log"
        command = [sys.executable, "-m", "tests.support.player", env_id, world, seat, *arguments]
        with self._log.open("w") as out:
            self.process = subprocess.Popen(
                command, env=environment(url), cwd=ROOT, stdin=subprocess.PIPE, stdout=out, stderr=out,
                preexec_fn=as_child,
            )  # fmt: skip

    @property
    def said(self) -> list[Any]:
        """All lines so far; what is no JSON (of stderr) as it is."""
        return [_read(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    @property
    def percepts(self) -> list[Any]:
        """What it has seen: all but where it sits, and that it pauses."""
        return [line for line in self.said if line[0] not in ("seat", "pause")]

    @property
    def worker(self) -> str:
        """Name of the worker that hosts its world."""
        return str(self.wait_for("seat")[2])

    def wait_for(self, what: Any) -> Any:
        """Wait for a line that begins with ``what``, and give it."""

        def found() -> Any:
            return next((line for line in self.said if line[0] == what), None)

        eventually(lambda: found() or self.process.poll() is not None, f"{what!r}", timeout=60.0)
        line = found()
        assert line is not None, f"no {what!r} in {self.said}"
        return line

    def go_on(self) -> None:
        """End its pause."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self, timeout: float = 60.0) -> int:
        """Wait for its end; gives the exit code."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End it now, as a crash does."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return [line]


def beside(env: Any, runs: int, seed: int) -> dict[str, list[Any]]:
    """What the players of ``env`` would see if it were theirs: the lines of each, driven by PettingZoo's own loops."""
    rngs = {agent: np.random.default_rng(seed) for agent in env.possible_agents}
    lines: dict[str, list[Any]] = {agent: [] for agent in env.possible_agents}
    for _ in range(runs):
        (_take_turns if hasattr(env, "last") else _all_at_once)(env, seed, rngs, lines)
    return json.loads(json.dumps(lines))


def _all_at_once(env: Any, seed: int, rngs: Any, lines: Any) -> None:
    observations, infos = env.reset(seed=seed)
    for agent in env.agents:
        lines[agent].append(["reset", plain(observations[agent]), plain(infos[agent])])
    while agents := list(env.agents):
        actions = {agent: choose(rngs[agent], env.action_space(agent), observations[agent]) for agent in agents}
        observations, *rest = env.step(actions)
        for agent in agents:
            told = [plain(part[agent]) for part in (observations, *rest)]
            told[1] = float(told[1])
            lines[agent].append([actions[agent], *told])


def _take_turns(env: Any, seed: int, rngs: Any, lines: Any) -> None:
    env.reset(seed=seed)
    actions: dict[str, Any] = {}
    while env.agents:
        agent = env.agent_selection
        observation, reward, terminated, truncated, info = env.last()
        over = bool(terminated or truncated)
        if agent in actions:
            told = [plain(observation), float(reward), bool(terminated), bool(truncated), plain(info)]
            lines[agent].append([actions[agent], *told])
        else:
            lines[agent].append(["reset", plain(observation), plain(info)])
        actions[agent] = None if over else choose(rngs[agent], env.action_space(agent), observation)
        env.step(actions[agent])
