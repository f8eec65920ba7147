"""A rollout over all lanes of a vector env: one message and one question to the policy for all of them.

An evaluation of N episodes plays the episodes 0 to N-1, each begun, finished and counted once. The first N that happen
to end would be too many short ones. So a lane whose episode has ended begins the next number, by a masked reset in the
autoreset mode ``disabled``; when all numbers are begun, it plays on beside the others and is not counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode

from agent_worker.lane_infos import by_lane
from agent_worker.lanes import Door
from agent_worker.rollout import Record, seed_of, source_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from agent_worker.acting import Policy
    from agent_worker.rollout import Numbers
    from agent_worker.summary import Summary


def rollout_lanes(
    env: Any,
    policy: Policy,
    *,
    episodes: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    on_step: Callable[[float], None] | None = None,
    on_run: Callable[[float, int], None] | None = None,
    numbers: Numbers | None = None,
    record: Record | None = None,
) -> Summary:
    """What ``rollout`` does, on all lanes of ``env``: a vector env, remote or local, of autoreset mode ``disabled``.

    Arguments, errors and Ctrl-C: see ``rollout``. Episode ``i`` is reset with ``seed + i``, so that its return does
    not depend on how many lanes there are. ``steps`` counts the steps of all lanes.
    """
    numbers = source_of(episodes, steps, numbers)
    mode = env.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.DISABLED:
        raise ValueError(f"a rollout resets lanes itself: make the env with autoreset_mode='disabled', not {mode}")
    record = record or Record(on_step, on_run)
    with record.playing(env):
        lanes = _Lanes(env, policy, record, numbers, steps, seed)
        while lanes.fill():
            lanes.step()
    return record.summary()


class _Lanes:
    """All lanes, and what each of them plays."""

    def __init__(
        self, env: Any, policy: Policy, record: Record, numbers: Numbers, steps: int | None, seed: int | None
    ) -> None:
        self._env, self._door = env, Door(policy, env)
        self._record, self._source, self._steps, self._seed = record, numbers, steps, seed
        count = env.num_envs
        self._numbers: list[int | None] = [None] * count
        """The episode that each lane plays; None: one that is not counted."""
        self._returns, self._lengths = [0.0] * count, [0] * count
        self._ended: npt.NDArray[np.bool_] = np.ones(count, np.bool_)
        """Lanes that must be reset before the next step."""
        self._observations: Any = None
        self._infos: list[dict[str, Any]] = [{} for _ in range(count)]

    def fill(self) -> bool:
        """Let lanes that play nothing begin an episode. False: nothing is left to be played."""
        if self._steps is not None and len(self._record.rewards) >= self._steps:
            return False
        idle = [lane for lane, number in enumerate(self._numbers) if number is None]
        if idle:
            taken = self._source.take(len(idle), wait=len(idle) == len(self._numbers))
            if not taken and len(idle) == len(self._numbers):
                return False
            self._begin(dict(zip(idle, taken, strict=False)))
        return True

    def _begin(self, begun: dict[int, int]) -> None:
        for lane, number in begun.items():
            self._numbers[lane], self._returns[lane], self._lengths[lane] = number, 0.0, 0
            self._door.begin(lane, number)
            self._ended[lane] = True
        if not self._ended.any():
            return
        seeds = [seed_of(self._seed, begun[lane]) if lane in begun else None for lane in range(len(self._numbers))]
        first = self._observations is None
        options = None if first else {"reset_mask": self._ended.copy()}
        self._observations, infos = self._env.reset(seed=seeds, options=options)
        for lane, info in enumerate(by_lane(infos, len(self._numbers))):
            if self._ended[lane]:
                self._infos[lane] = info
        self._ended[:] = False

    def step(self) -> None:
        """Act in all lanes."""
        actions = self._door.act(self._observations, self._infos)
        sent = time.perf_counter_ns()
        after, rewards, terminated, truncated, infos = self._env.step(actions)
        self._record.trip(time.perf_counter_ns() - sent)
        before, self._observations = self._observations, after
        self._infos = by_lane(infos, len(self._numbers))
        self._ended = terminated | truncated
        counted = self._count(rewards)
        if self._door.learns and counted:
            self._learn(counted, before, actions, rewards, terminated, truncated)
        for lane in counted:
            if self._ended[lane]:
                self._finish(lane)
        self._source.tick()

    def _count(self, rewards: npt.NDArray[np.float64]) -> list[int]:
        """Note the step of each lane that plays an episode, up to the last step that is to be made."""
        counted = []
        for lane, number in enumerate(self._numbers):
            if number is None or (self._steps is not None and len(self._record.rewards) >= self._steps):
                continue
            reward = float(rewards[lane])
            self._returns[lane] += reward
            self._lengths[lane] += 1
            self._record.step(reward)
            counted.append(lane)
        return counted

    def _learn(self, lanes: list[int], before: Any, actions: Any, *outcome: Any) -> None:
        observations, actions = self._door.split(before), self._door.split_actions(actions)
        after, (rewards, terminated, truncated) = self._door.split(self._observations), outcome
        for lane in lanes:
            self._door.learn(
                observations[lane], actions[lane], float(rewards[lane]), after[lane],
                bool(terminated[lane]), bool(truncated[lane]), self._infos[lane],
            )  # fmt: skip

    def _finish(self, lane: int) -> None:
        number, self._numbers[lane] = self._numbers[lane], None
        assert number is not None
        self._record.run(number, self._returns[lane], self._lengths[lane])
        self._source.finish(number, self._returns[lane], self._lengths[lane])
