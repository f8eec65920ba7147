"""Envs of many agents before PettingZoo: all that they say and hear is a list with an entry for each agent.

So are those of ``ma_gym`` and of the multi-agent particle envs; aiVLE's ``JudgeMultiEnv`` is around such envs. Nothing
of them is imported: they are told by their spaces, which are lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from env_worker.compat import HostedEnv, flag, modern_metadata, renders_by_mode
from protocol.coders_misfit import describe

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_listed(env: Any) -> bool:
    """Whether both spaces are lists of equally many spaces."""
    observations, actions = (getattr(env, name, None) for name in ("observation_space", "action_space"))
    if not isinstance(observations, (list, tuple)) or not isinstance(actions, (list, tuple)):
        return False
    spaces = (*observations, *actions)
    return bool(spaces) and len(observations) == len(actions) and all(hasattr(one, "contains") for one in spaces)


class ListedAgents:
    """Such an env as a ``pettingzoo.ParallelEnv`` is one; its agents are ``agent_0``, ``agent_1`` and so on.

    Agents that are done leave, and the run ends when all are; for who has left, its last action is given to the env,
    which expects one of each. An info that is one for all is told to each.
    """

    def __init__(self, env: Any, render_mode: str | None = None) -> None:
        self.env = env
        self.possible_agents = [f"agent_{number}" for number in range(len(env.observation_space))]
        self.agents: list[str] = []
        self.metadata = modern_metadata(env)
        self._tells_mode = renders_by_mode(env)
        self.render_mode = render_mode if self._tells_mode else getattr(env, "render_mode", None)
        self._hosted = HostedEnv(env)
        self._observation_spaces = dict(zip(self.possible_agents, env.observation_space, strict=True))
        self._action_spaces = dict(zip(self.possible_agents, env.action_space, strict=True))
        self._last: dict[str, Any] = {}
        """What each did last while it was in the run."""

    def observation_space(self, agent: str) -> Any:
        """Of one agent."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        """Of one agent."""
        return self._action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], ...]:
        """Observations and infos of all agents. It is seeded as other envs of its age are."""
        observations, info = self._hosted.reset(seed, options)
        self.agents = list(self.possible_agents)
        return self._each("observations of reset", observations), self._infos(info)

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Observations, rewards, terminations, truncations and infos of those who are in the run."""
        self._last.update({agent: actions[agent] for agent in self.agents})
        results = self.env.step([self._last[agent] for agent in self.possible_agents])
        if len(results) == 5:
            observations, rewards, ended, cut, info = results
        else:
            observations, rewards, ended, info = results
            cut = isinstance(info, dict) and bool(info.get("TimeLimit.truncated", False))
        truncations = self._flags("truncated", cut)
        terminations = self._flags("done", ended)
        if len(results) == 4:
            terminations = {agent: over and not truncations[agent] for agent, over in terminations.items()}
        found = (
            self._each("observations", observations), self._each("rewards", rewards), terminations, truncations,
            self._infos(info),
        )  # fmt: skip
        self.agents = [agent for agent in self.agents if not (terminations[agent] or truncations[agent])]
        return found

    def render(self) -> Any:
        """A frame of the env, or None if no render mode was asked for."""
        if not self._tells_mode:
            return self.env.render()
        return None if self.render_mode is None else self.env.render(mode=self.render_mode)

    def close(self) -> None:
        """Close it, if it can be closed."""
        close = getattr(self.env, "close", None)
        if close is not None:
            close()

    def _each(self, name: str, values: Any) -> dict[str, Any]:
        """Of those who are in the run."""
        if not _is_list(values) or len(values) != len(self.possible_agents):
            text = f"{name}: expected a list of {len(self.possible_agents)}, one for each agent"
            raise TypeError(f"{text}, got {describe(values)}")
        every: Sequence[Any] = values
        return {agent: one for agent, one in zip(self.possible_agents, every, strict=True) if agent in self.agents}

    def _flags(self, name: str, flags: Any) -> dict[str, bool]:
        if _is_list(flags):
            return {agent: flag(f"{name} of {agent}", one) for agent, one in self._each(name, flags).items()}
        return dict.fromkeys(self.agents, flag(name, flags))

    def _infos(self, info: Any) -> dict[str, Any]:
        if isinstance(info, dict):
            return {agent: dict(info) for agent in self.agents}
        return self._each("infos", info)


def _is_list(values: Any) -> bool:
    """Also an array or a tensor, unless it is of one value without an axis."""
    return isinstance(values, (list, tuple)) or bool(getattr(values, "ndim", 0))
