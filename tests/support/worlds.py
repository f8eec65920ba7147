"""Games for worlds: plain to compute, of no class of PettingZoo's, and some with trouble in them."""

from __future__ import annotations

import os
import time

import numpy as np
from gymnasium import spaces


class Sum:
    """All act at once. Each sees how many steps there were and the sum of all actions of the last one, and is rewarded
    by its own. The run has ``limit`` steps; ``dies`` maps agents to the step after which they are dead.

    ``trouble``: at which step to ``raise``, ``exit``, or hang for so many seconds; ``reset`` is a step, too.
    """

    metadata = {"name": "sum_v0", "render_modes": ["ansi"]}

    def __init__(self, agents=2, limit=5, dies=None, trouble=None, render_mode=None) -> None:
        self.possible_agents = [f"player_{number}" for number in range(agents)]
        self.limit, self.dies, self.trouble, self.render_mode = limit, dies or {}, trouble or {}, render_mode
        self.rng, self.agents, self.closed = np.random.default_rng(), [], 0

    def observation_space(self, agent):
        return spaces.Box(-1000, 1000, (3,), np.int64)

    def action_space(self, agent):
        return spaces.Discrete(10)

    def _observe(self, total):
        return {agent: np.array([self.count, total, self.draw], np.int64) for agent in self.possible_agents}

    def reset(self, seed=None, options=None):
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.count, self.agents = 0, list(self.possible_agents)
        self._meet(self.trouble.get("reset"))
        self.draw = int(self.rng.integers(100))
        return self._observe(0), {agent: {"seed": seed, "options": options} for agent in self.agents}

    def step(self, actions):
        assert list(actions) == self.agents, actions
        self.count += 1
        self._meet(self.trouble.get(str(self.count)))
        self.draw = int(self.rng.integers(100))
        told, ended = list(self.agents), self.count >= self.limit
        dead = {agent: self.dies.get(agent) == self.count for agent in told}
        self.agents = [agent for agent in told if not (dead[agent] or ended)]
        seen = self._observe(sum(map(int, actions.values())))
        observations = {agent: seen[agent] for agent in told}
        rewards = {agent: float(actions[agent]) for agent in told}
        infos = {agent: {"did": int(actions[agent])} for agent in told}
        return observations, rewards, dead, dict.fromkeys(told, ended), infos

    def _meet(self, trouble):
        if trouble == "raise":
            raise RuntimeError(f"trouble at step {self.count}")
        if trouble == "exit":
            os._exit(3)
        if trouble is not None:
            time.sleep(trouble)

    def render(self):
        return f"step {self.count}"

    def close(self):
        self.closed += 1


class Nim:
    """They take turns to take 1 to 3 sticks; who takes the last one wins 1, the others lose 1.

    The mask says how many sticks may be taken. ``trouble``: at which turn to ``raise``.
    """

    metadata = {"name": "nim_v0", "render_modes": []}

    def __init__(self, agents=2, sticks=7, trouble=None) -> None:
        self.possible_agents = [f"player_{number}" for number in range(agents)]
        self.first, self.trouble, self.agents = sticks, trouble, []

    def observation_space(self, agent):
        return spaces.Dict(observation=spaces.Box(0, 99, (2,), np.int64), action_mask=spaces.Box(0, 1, (3,), np.int8))

    def action_space(self, agent):
        return spaces.Discrete(3)

    def reset(self, seed=None, options=None):
        rng = np.random.default_rng(seed)
        self.sticks = self.first + (int(rng.integers(4)) if seed is not None else 0)
        self.agents, self.count, self.last_taken = list(self.possible_agents), 0, 0
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations, self.truncations = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, False)
        self.infos = {agent: {"options": options} for agent in self.agents}
        self.agent_selection = self.agents[0]

    def observe(self, agent):
        mask = np.array([self.sticks >= taken for taken in (1, 2, 3)], np.int8)
        return {"observation": np.array([self.sticks, self.last_taken], np.int64), "action_mask": mask}

    def last(self, observe=True):
        agent = self.agent_selection
        found = self.terminations[agent], self.truncations[agent], self.infos[agent]
        return self.observe(agent) if observe else None, self._cumulative_rewards[agent], *found

    def step(self, action):
        agent = self.agent_selection
        turn = self.agents.index(agent)
        if self.terminations[agent]:
            assert action is None
            self.agents.remove(agent)
            self.agent_selection = self.agents[turn % len(self.agents)] if self.agents else agent
            return
        self.count += 1
        if self.trouble == self.count:
            raise RuntimeError(f"trouble at turn {self.count}")
        assert self.sticks > action, "an illegal action"
        self.sticks, self.last_taken = self.sticks - int(action) - 1, int(action) + 1
        self._cumulative_rewards[agent] = 0.0
        self.infos = {one: {"by": agent} for one in self.agents}
        if self.sticks == 0:
            for one in self.agents:
                self.terminations[one] = True
                self._cumulative_rewards[one] += 1.0 if one == agent else -1.0
        self.agent_selection = self.agents[(turn + 1) % len(self.agents)]

    def close(self):
        pass


class Solitaire(Nim):
    """``player_0`` moves first, and never again: it is always the turn of ``player_1``, without end."""

    def step(self, action):
        self.sticks = self.first
        super().step(0)
        self.agent_selection = "player_1"
