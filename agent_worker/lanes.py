"""Between a policy and the lanes of a vector env: all lanes asked at once, or one after the other.

Batches are taken apart and put together by walking the space, as Gymnasium's vector envs do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gymnasium.vector.utils import concatenate, create_empty_array, iterate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_worker.acting import Policy


def batch_of(space: Any, values: Sequence[Any]) -> Any:
    """Values of ``space`` as one value of the space of their batch."""
    empty: Any = create_empty_array(space, len(values))
    return concatenate(space, values, empty)


class Door:
    """What the lanes of ``env`` (a vector env) ask of ``policy``, whatever that can do."""

    def __init__(self, policy: Policy, env: Any) -> None:
        self._policy, self._env = policy, env
        self._begin = getattr(policy, "begin", None)
        self._act_batch = getattr(policy, "act_batch", None)
        self.learns: bool = getattr(policy, "learns", True)

    def begin(self, lane: int, number: int) -> None:
        """Lane ``lane`` begins episode ``number``."""
        if self._begin is not None:
            self._begin(lane, number)

    def act(self, observations: Any, infos: Sequence[dict[str, Any]]) -> Any:
        """The actions of all lanes, batched; ``infos`` has one dict for each lane."""
        if self._act_batch is not None:
            return self._act_batch(observations, infos)
        each = zip(self.split(observations), infos, strict=True)
        actions = [self._policy.act(observation, info) for observation, info in each]
        return batch_of(self._env.single_action_space, actions)

    def split(self, observations: Any) -> list[Any]:
        """The observation of each lane."""
        return list(iterate(self._env.observation_space, observations))

    def split_actions(self, actions: Any) -> list[Any]:
        """The action of each lane."""
        return list(iterate(self._env.action_space, actions))

    def learn(self, *step: Any) -> None:
        """Let the policy learn one step of one lane: see ``Policy.learn``."""
        self._policy.learn(*step)
