"""Small games of many agents that do what PettingZoo allows and simple envs never do."""

from __future__ import annotations

import threading

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv

GATE = threading.Event()
"""Opened by the test that has a game hang in its first step."""


def masks(size):
    """The space of an action mask, as PettingZoo's games have it."""
    return spaces.Box(0, 1, (size,), np.int8)


class Arena:
    """All act at once; it is of no class of PettingZoo's. The runs are of six steps.

    Agents die one after the other, ``late`` joins late, and ``never`` never does. Every agent sees and does something
    of another kind, and its info tells what it did. ``odd``: ``keys`` of its own in every part, ``raise`` at step 2,
    ``hang`` at step 1, or give lists as ``flags``, or let the dead ``linger`` among ``agents``.
    """

    metadata = {"name": "arena_v0", "render_modes": ["ansi", "rgb_array", "human"], "render_fps": 3}
    possible_agents = ["red", "green", "blue", "late", "never"]

    def __init__(self, render_mode=None, odd: str = "") -> None:
        self.render_mode, self.odd = render_mode, odd
        self.state_space = spaces.Box(0, 100, (2,), np.int16)
        self._seen = {
            "red": spaces.Dict(action_mask=masks(4), observation=spaces.Box(-9, 9, (2, 2), np.float16)),
            "green": spaces.Box(0, 255, (3, 3, 1), np.uint8),
            "blue": spaces.Text(8),
            "late": spaces.Sequence(spaces.Box(0, 1, (2,), np.float64)),
            "never": spaces.MultiBinary(3),
        }
        self._done = {
            "red": spaces.Discrete(4),
            "green": spaces.Box(-1, 1, (2,), np.float32),
            "blue": spaces.MultiDiscrete([3, 2]),
            "late": spaces.Text(4),
            "never": spaces.Discrete(2),
        }
        self._rng = np.random.default_rng()
        self.closed = 0

    def observation_space(self, agent):
        return self._seen[agent]

    def action_space(self, agent):
        return self._done[agent]

    def reset(self, seed=None, options=None):
        if seed is not None:
            self._rng = np.random.default_rng(seed)
            for number, space in enumerate(self._seen.values()):
                space.seed(seed + number)
        self.count, self.agents = 0, ["green", "red", "blue"]
        return self._observe(self.agents), {agent: {"seed": seed, "options": options} for agent in self.agents}

    def step(self, actions):
        self.count += 1
        if self.odd == "raise" and self.count == 2:
            raise RuntimeError("trouble in the arena")
        if self.odd == "hang" and self.count == 1:
            GATE.wait(30)
        told = [*self.agents, "late"] if self.count == 2 else list(self.agents)
        rewards = {agent: self._reward(agent) for agent in told}
        terminations = {agent: np.bool_(agent == "red" and self.count >= 3) for agent in told}
        truncations = {agent: (agent == "blue" and self.count >= 4) or self.count == 6 for agent in told}
        infos = {
            agent: {"did": actions.get(agent), "order": list(actions), "draw": self._rng.random(3)} for agent in told
        }
        observations = self._observe(told)
        stay = self.odd == "linger"
        self.agents = [agent for agent in told if stay or not (terminations[agent] or truncations[agent])]
        if self.odd == "flags":
            terminations = {agent: [False] for agent in told}
        if self.odd == "keys":
            observations = {**dict(reversed(observations.items())), "common": np.arange(3), "never": None}
            rewards = {agent: reward for agent, reward in rewards.items() if agent != "green"}
            return observations, rewards, {**terminations, "__all__": False}, {}, {"common": {"weather": "rain"}}
        return observations, rewards, terminations, truncations, infos

    def _observe(self, agents):
        return {agent: self._seen[agent].sample() for agent in agents}

    def _reward(self, agent):
        reward = self._rng.random()
        return {"red": np.float32(reward), "green": int(10 * reward), "blue": np.array([reward])}.get(agent, reward)

    def state(self):
        return np.array([self.count, len(self.agents)], np.int16)

    def shout(self, word):
        return f"{word}!"

    def render(self):
        return f"turn {self.count}" if self.render_mode == "ansi" else np.full((4, 6, 3), self.count, np.uint8)

    def close(self):
        self.closed += 1


class Auction(AECEnv):
    """Agents bid by turns, and one is out from time to time, also in another's turn. ``never`` never comes.

    ``odd``: ``shy`` cannot be observed by ``last`` while dead; ``raise`` and ``hang`` as in ``Arena``.
    """

    metadata = {"name": "auction_v0", "render_modes": ["ansi"], "is_parallelizable": False}

    def __init__(self, render_mode=None, odd: str = "") -> None:
        self.render_mode, self.odd = render_mode, odd
        self.possible_agents = ["ann", "bob", "cid", "never"]
        self._seen = {
            "ann": spaces.Dict(action_mask=masks(3), observation=spaces.Box(0, 99, (2,), np.int32)),
            "bob": spaces.Text(10),
            "cid": spaces.Box(-1, 1, (2, 2), np.float16),
            "never": spaces.Discrete(2),
        }
        self._done = {
            "ann": spaces.Discrete(3),
            "bob": spaces.Box(-1, 1, (2,), np.float32),
            "cid": spaces.MultiDiscrete([2, 3]),
            "never": spaces.Text(3),
        }
        self._rng = np.random.default_rng()

    def observation_space(self, agent):
        return self._seen[agent]

    def action_space(self, agent):
        return self._done[agent]

    def reset(self, seed=None, options=None):
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.count, self.agents = 0, ["bob", "ann", "cid"]
        self.rewards = dict.fromkeys(self.agents, 0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0)
        self.terminations, self.truncations = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, False)
        self.infos = {agent: {"options": options} for agent in self.agents}
        self.agent_selection = "bob"
        self._skip_agent_selection = None

    def observe(self, agent):
        if self.odd == "shy" and self.terminations[agent]:
            raise LookupError(f"{agent} has left")
        if self.odd == "hang" and agent == "cid" and self.count == 1:
            GATE.wait(30)
        if agent == "ann":
            mask = np.array([1, 1, self.count % 2], np.int8)
            return {"action_mask": mask, "observation": np.full(2, self.count, np.int32)}
        return f"x{self.count}" if agent == "bob" else np.full((2, 2), 0.01 * self.count, np.float16)

    def step(self, action):
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self.count += 1
        if self.odd == "raise" and self.count == 2:
            raise RuntimeError("trouble at the auction")
        if self.odd == "hang" and self.count == 1:
            GATE.wait(30)
        self._cumulative_rewards[agent] = 0
        self._clear_rewards()
        self.rewards[agent] = np.float32(self._rng.random())
        self.infos[agent] = {"did": action, "draw": self._rng.random(2)}
        if self._rng.random() < 0.1:
            self.terminations[str(self._rng.choice(self.agents))] = True
        if self.count == 40:
            self.truncations = dict.fromkeys(self.agents, True)
        after = self.agents.index(agent) + 1
        turns = [*self.agents[after:], *self.agents[:after]]
        self.agent_selection = next((one for one in turns if not self.terminations[one]), agent)
        self._accumulate_rewards()
        self._deads_step_first()

    def state(self):
        return {"count": self.count, "agents": tuple(self.agents)}

    def render(self):
        return f"bid {self.count}"

    def close(self):
        pass


class Agents(Arena):
    """Names its agents as nobody can serve them: ``none``, or numbers, twice, or not at all."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.possible_agents = {"numbers": [0, 1], "twice": ["red", "red"], "none": []}.get(how)


class Stranger(Arena):
    """An agent that is not possible comes up, in its first step."""

    def step(self, actions):
        told = super().step(actions)
        self.agents = ["green", "nobody"]
        return told


class ToldTheMode(Arena):
    """Is told how to draw each time, as envs were before gym 0.26."""

    def render(self, mode="ansi"):
        return f"drawn as {mode}"
