"""What a policy is, and those that need no file: one of chance, and what makes a policy of an object that can act.

Beside ``act`` a policy may have three doors more, which a rollout uses where they are:

* ``learn(...)`` after every step, unless it says ``learns = False``;
* ``begin(lane, number)`` before the first ``act`` of episode ``number`` in a lane: to forget, or to draw anew;
* ``act_batch(observations, infos)`` for all lanes at once; without it ``act`` is asked lane by lane.
"""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from agent_worker.lanes import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt


class PolicyError(ValueError):
    """There is no such policy, or it does not fit the environment; the text says which and why."""


class Policy(Protocol):
    """Chooses actions, and may learn from what came of them."""

    def act(self, observation: Any, info: dict[str, Any]) -> Any:
        """Choose an action.

        ``observation`` (of the observation space) and ``info`` are what the last ``reset`` or ``step`` gave. Returns
        an element of the action space.
        """

    def learn(
        self,
        observation: Any,
        action: Any,
        reward: float,
        next_observation: Any,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
    ) -> None:
        """Take in one step: ``action`` was chosen at ``observation``, and brought all the others.

        Called once after every step, before the next ``act``. Do not bootstrap from ``next_observation`` if
        ``terminated``; do if only ``truncated``.
        """


def generator(seed: int | None, number: int) -> np.random.Generator:
    """What a policy draws from in episode ``number``: of the same seed and number the same, whichever lane plays it.

    Not the numbers of an env that was seeded alike, which must not draw the same as its agent.
    """
    return np.random.default_rng(None if seed is None else np.random.SeedSequence(seed, spawn_key=(0, number)))


class RandomPolicy:
    """Samples the action space. The same space, seed and episode give the same actions; without a seed, any."""

    learns = False

    def __init__(self, action_space: Any, seed: int | None = None) -> None:
        self._seed = seed
        self._space = copy.deepcopy(action_space)  # the env's own stays as it is
        # A child of the seed: an env that was seeded alike must not draw the same numbers as its agent.
        child = np.random.SeedSequence(seed).spawn(1)[0]
        self._space.seed(int(child.generate_state(1)[0]))
        self._lanes = {0: self._space}

    def begin(self, lane: int, number: int) -> None:
        """Draw anew for episode ``number``, so that its actions do not depend on what was played before."""
        if lane not in self._lanes:
            self._lanes[lane] = copy.deepcopy(self._space)
        self._lanes[lane].seed(int(generator(self._seed, number).integers(2**32)))

    def act(self, observation: Any, info: dict[str, Any]) -> Any:
        """Give any action."""
        return self._space.sample()

    def act_batch(self, observations: Any, infos: Sequence[dict[str, Any]]) -> Any:
        """Give any action in each lane."""
        return batch_of(self._space, [self._lanes[lane].sample() for lane in range(len(infos))])

    def learn(self, *step: Any) -> None:
        """Chance learns nothing."""


class Acting:
    """A policy out of what can act but not learn."""

    learns = False

    def __init__(self, act: Callable[[Any, dict[str, Any]], Any]) -> None:
        self.act = act

    def learn(self, *step: Any) -> None:
        """Learn nothing."""


class Predicting:
    """A policy out of a model of Stable-Baselines3, or of any object with the same ``predict``.

    ``predict(observation, deterministic=...)`` gives ``(action, state)`` for one observation or for a batch. A state
    that is not None (of a recurrent model) comes back as ``state=``, with ``episode_start=``, bool (lanes,). A model
    that takes ``action_masks=`` (MaskablePPO) gets what the infos have as ``action_mask``.
    ``draw_from(number)``, if given, is told what the model's chance shall follow from.
    """

    learns = False

    def __init__(
        self,
        model: Any,
        *,
        stochastic: bool = False,
        seed: int | None = None,
        draw_from: Callable[[int], Any] | None = None,
    ) -> None:
        self._model, self._deterministic, self._seed, self._draw_from = model, not stochastic, seed, draw_from
        self._state: Any = None
        self._numbers: dict[int, int] = {}
        self._begun: set[int] = set()
        self._masked = _takes_masks(model.predict)

    def begin(self, lane: int, number: int) -> None:
        """The next observation of ``lane`` is the first of its episode."""
        self._numbers[lane] = number
        self._begun.add(lane)

    def act(self, observation: Any, info: dict[str, Any]) -> Any:
        """Predict the action for one observation."""
        return self._predict(observation, [info])

    def act_batch(self, observations: Any, infos: Sequence[dict[str, Any]]) -> Any:
        """Predict the actions of all lanes at once."""
        return self._predict(observations, infos)

    def _predict(self, observation: Any, infos: Sequence[dict[str, Any]]) -> Any:
        lanes = len(infos)
        if self._begun and self._draw_from is not None and self._seed is not None and not self._deterministic:
            # What it draws depends on which episodes run beside each other; but no two workers draw the same.
            numbers = [self._seed, *(self._numbers.get(lane, 0) for lane in range(lanes))]
            self._draw_from(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
        known: dict[str, Any] = {}
        if self._state is not None:
            starts: npt.NDArray[np.bool_] = np.isin(np.arange(lanes), list(self._begun))
            known = {"state": self._state, "episode_start": starts}
        if self._masked and all("action_mask" in info for info in infos):
            known["action_masks"] = np.stack([info["action_mask"] for info in infos])
        self._begun.clear()
        action, self._state = self._model.predict(observation, deterministic=self._deterministic, **known)
        return action

    def learn(self, *step: Any) -> None:
        """It has learnt already."""


def _takes_masks(predict: Any) -> bool:
    try:
        return "action_masks" in inspect.signature(predict).parameters
    except (TypeError, ValueError):  # a built-in without a signature
        return False
