"""Serve a simulator that knows nothing of Gymnasium: an adapter, a factory, and what the env worker is told.

    python examples/maze.py                     # both sides in this process, over memory://

    cd examples                                 # or as two parties, over RabbitMQ
    env-worker serve Maze-small Maze-large --factory maze:MazeFactory --allow-call action_masks
    python maze.py --broker amqp://guest:guest@localhost:5672/ --env-id Maze-large

Read it from top to bottom: the simulator, the adapter, the factory, the agent. docs/environments.md tells the rest.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import gymnasium
import numpy as np
import typer
from gymnasium import spaces

import gymbroker
from env_worker import Allowed, EmbeddedWorker, WorkerSettings


class MazeSimulator:
    """Somebody else's simulator, with an API of its own, as those of Unity or Retro have. It is not to be changed.

    A walker looks for the exit of a level: pixels of 0 (floor), 128 (walker) and 255 (exit).
    """

    BUTTONS = ("UP", "DOWN", "LEFT", "RIGHT")

    def __init__(self, width: int) -> None:
        self.width, self.score, self.frames = width, 0, 0

    def start_level(self, number: int) -> None:
        rng = np.random.default_rng(number)
        self.exit, self.walker = (tuple(rng.integers(0, self.width, 2).tolist()) for _ in range(2))
        self.score, self.frames = 0, 0

    def advance(self, button: str) -> None:
        self.frames += 1
        if self.can(button):
            self.walker = self._next(button)
        self.score += 100 if self.walker == self.exit else -1

    def can(self, button: str) -> bool:
        return all(0 <= at < self.width for at in self._next(button))

    def observe(self) -> bytes:
        screen = np.zeros((self.width, self.width), np.uint8)
        screen[self.walker], screen[self.exit] = 128, 255
        return screen.tobytes()

    def _next(self, button: str) -> tuple[int, ...]:
        row, column = {"UP": (-1, 0), "DOWN": (1, 0), "LEFT": (0, -1), "RIGHT": (0, 1)}[button]
        return self.walker[0] + row, self.walker[1] + column


class MazeEnv(gymnasium.Env[Any, Any]):
    """The adapter: what the simulator says and wants, in Gymnasium's words. The seed of a reset chooses the level."""

    def __init__(self, simulator: MazeSimulator, max_frames: int = 200) -> None:
        self.simulator, self.max_frames = simulator, max_frames
        self.observation_space = spaces.Box(0, 255, (simulator.width, simulator.width), np.uint8)
        self.action_space = spaces.Discrete(len(simulator.BUTTONS))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.simulator.start_level(int(self.np_random.integers(2**31)))
        return self._screen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        before, game = self.simulator.score, self.simulator
        game.advance(game.BUTTONS[action])
        return self._screen(), float(game.score - before), game.walker == game.exit, game.frames >= self.max_frames, {}

    def action_masks(self) -> np.ndarray[Any, Any]:
        """Which buttons move the walker. Agents may ask for it only if the operator says --allow-call action_masks."""
        return np.array([self.simulator.can(button) for button in self.simulator.BUTTONS])

    def _screen(self) -> np.ndarray[Any, Any]:
        return np.frombuffer(self.simulator.observe(), np.uint8).reshape(self.observation_space.shape)


class MazeFactory:
    """What ``--factory maze:MazeFactory`` names. Only ``make`` must be there."""

    ids = ("Maze-small", "Maze-large")
    """Ids that it makes; others on the command line are looked up as ever."""

    def make(self, env_id: str, **kwargs: Any) -> MazeEnv:
        """An env of that id. ``kwargs`` are those of the operator (``--env-kwargs``) and of the agent."""
        return MazeEnv(MazeSimulator(width=5 if env_id == "Maze-small" else 15), **kwargs)

    def observation_space(self, space: Any) -> spaces.Box:
        """The space of what ``on_reset`` and ``on_step`` make of the observations."""
        return spaces.Box(0.0, 1.0, space.shape, np.float32)

    def on_reset(self, observation: Any, info: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What is done to the results of every reset."""
        return observation.astype(np.float32) / 255, info

    def on_step(self, observation: Any, reward: float, terminated: bool, truncated: bool, info: dict[str, Any]) -> Any:
        """What is done to the results of every step: here rewards of a hundredth, for learners like small ones."""
        return observation.astype(np.float32) / 255, reward / 100, terminated, truncated, info


def main(broker: str = "memory://", env_id: str = "Maze-small", episodes: int = 5, seed: int = 0) -> None:
    """Walk at random, but into no wall, and say how it went."""
    with ExitStack() as stack:
        if broker.startswith("memory:"):  # nobody else can serve there: the command line of above, as Python
            allowed = Allowed(call=("action_masks",))
            settings = WorkerSettings((env_id,), broker, factory="maze:MazeFactory", allowed=allowed)
            stack.enter_context(EmbeddedWorker(settings))
        env = gymbroker.make(env_id, broker, max_frames=500)
        stack.callback(env.close)
        rng = np.random.default_rng(seed)
        for episode in range(episodes):
            env.reset(seed=seed + episode)
            total, steps, over = 0.0, 0, False
            while not over:
                action = rng.choice(np.flatnonzero(env.unwrapped.action_masks()))
                _, reward, terminated, truncated, _ = env.step(action)
                total, steps, over = total + reward, steps + 1, terminated or truncated
            how = "found the exit" if terminated else "gave up"
            print(f"Episode {episode + 1}/{episodes}: {how} after {steps} steps, return {total:.2f}")


if __name__ == "__main__":
    typer.run(main)
