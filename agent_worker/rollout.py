"""Where policy and environment meet: one small loop, and the figures that come of it.

``rollout(env, policy, episodes=10, seed=0)`` plays and gives a ``Summary``. The environment is any ``gymnasium.Env``,
remote or local; the loop cannot tell, so the figures of both can be compared.
"""

from __future__ import annotations

import math
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from agent_worker.policies import Policy

LAST = 500
"""How many steps the last part of a learning curve is."""


@dataclass(frozen=True, eq=False)
class Summary:
    """What a rollout measured. Next: ``to_json()``, ``report.summary_table``, ``plot.save_learning_curves``.

    An episode counts when it has ended by itself, terminated or truncated. One that was cut off, because the steps
    were used up or by Ctrl-C, is in ``steps``, ``rewards`` and ``reward_mean`` but not in the returns: a part of a
    return would say something false. So of an environment that never ends ``return_mean`` is None: look at
    ``reward_mean`` and ``reward_mean_last``. Figures of nothing are None, too.
    """

    env_id: str
    returns: npt.NDArray[np.float64]
    """Sum of the rewards of each episode that ended, float64, shape ``(episodes,)``."""
    lengths: npt.NDArray[np.int64]
    """Steps of each episode that ended, int64, shape ``(episodes,)``."""
    rewards: npt.NDArray[np.float64]
    """Reward of each step, float64, shape ``(steps,)``: the learning curve."""
    rtt_ns: npt.NDArray[np.int64]
    """Round trip of each ``env.step`` in nanoseconds, int64, shape ``(steps,)``."""
    seconds: float
    """Wall-clock time of the whole rollout: resets, policy and environment."""
    interrupted: bool = False
    """True if Ctrl-C ended it early."""

    @property
    def episodes(self) -> int:
        """How many episodes ended."""
        return len(self.returns)

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return len(self.rewards)

    @property
    def return_mean(self) -> float | None:
        """Mean return of the episodes that ended."""
        return _figure(self.returns, np.mean)

    @property
    def return_std(self) -> float | None:
        """Standard deviation (of the population, as ``numpy.std``) of these returns."""
        return _figure(self.returns, np.std)

    @property
    def length_mean(self) -> float | None:
        """Mean number of steps of the episodes that ended."""
        return _figure(self.lengths, np.mean)

    @property
    def reward_mean(self) -> float | None:
        """Mean reward of all steps."""
        return _figure(self.rewards, np.mean)

    @property
    def reward_mean_last(self) -> float | None:
        """Mean reward of the last 500 steps, or of all if there are fewer."""
        return _figure(self.rewards[-LAST:], np.mean)

    @property
    def steps_per_s(self) -> float | None:
        """Steps a second of wall-clock time, with everything that happens between them."""
        return self.steps / self.seconds if self.steps else None

    @property
    def rtt_us_p50(self) -> float | None:
        """Median round trip of ``env.step`` in microseconds."""
        return self._rtt_us(50)

    @property
    def rtt_us_p99(self) -> float | None:
        """The round trip of ``env.step`` in microseconds that 99 of 100 steps stay below."""
        return self._rtt_us(99)

    def to_json(self) -> dict[str, Any]:
        """All figures as a dict that is JSON: numbers are finite, what is not is None."""
        names = (
            "env_id", "episodes", "steps", "return_mean", "return_std", "length_mean",
            "reward_mean", "reward_mean_last", "seconds", "steps_per_s", "rtt_us_p50", "rtt_us_p99", "interrupted",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def _rtt_us(self, percentile: int) -> float | None:
        return _figure(self.rtt_ns, lambda rtt_ns: np.percentile(rtt_ns, percentile) / 1e3)


def rollout(
    env: Any,
    policy: Policy,
    *,
    episodes: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    on_step: Callable[[float], None] | None = None,
    on_run: Callable[[float, int], None] | None = None,
) -> Summary:
    """Play ``episodes`` whole episodes, or ``steps`` steps in as many episodes as it takes.

    ``seed`` goes to the first reset only: each episode then differs, and all of them follow from the seed.
    ``on_step(reward)`` is called after every step, ``on_run(return, length)`` after every episode that ended; they
    are not in the round-trip times. Ctrl-C (``KeyboardInterrupt``) gives the summary of what was played until then.
    Does not close ``env``. Raises ``ValueError`` unless exactly one of ``episodes`` and ``steps`` is given, and what
    ``env`` and ``policy`` raise.
    """
    if (episodes is None) == (steps is None) or (episodes or steps or 0) < 1:
        raise ValueError(f"give either episodes or steps, at least 1, got episodes={episodes}, steps={steps}")
    log = _Log(on_step, on_run)
    started = time.perf_counter()
    interrupted = False
    try:
        _play(env, policy, log, episodes or math.inf, steps or math.inf, seed)
    except KeyboardInterrupt:
        interrupted = True
    return Summary(
        env_id=_env_id(env),
        returns=np.array(log.returns),
        lengths=np.array(log.lengths),
        rewards=np.array(log.rewards),
        rtt_ns=np.array(log.rtt_ns)[: len(log.rewards)],
        seconds=time.perf_counter() - started,
        interrupted=interrupted,
    )


def _play(env: Any, policy: Policy, log: _Log, episodes: float, steps: float, seed: int | None) -> None:
    """The loop. ``log`` is complete up to the last step whenever this ends, or is ended."""
    while len(log.returns) < episodes and len(log.rewards) < steps:
        observation, info = env.reset(seed=seed)
        seed = None
        first, ended = len(log.rewards), False
        while not ended and len(log.rewards) < steps:
            action = policy.act(observation, info)
            sent = time.perf_counter_ns()
            next_observation, reward, terminated, truncated, info = env.step(action)
            log.step(reward, time.perf_counter_ns() - sent)
            policy.learn(observation, action, reward, next_observation, terminated, truncated, info)
            observation, ended = next_observation, terminated or truncated
        if ended:
            log.run(first)


class _Log:
    """What has happened so far, in arrays that grow by 8 bytes and a few nanoseconds for each figure."""

    def __init__(self, on_step: Callable[[float], None] | None, on_run: Callable[[float, int], None] | None) -> None:
        self.returns, self.lengths = array("d"), array("q")
        self.rewards, self.rtt_ns = array("d"), array("q")
        self._on_step, self._on_run = on_step, on_run

    def step(self, reward: float, rtt_ns: int) -> None:
        self.rtt_ns.append(rtt_ns)
        self.rewards.append(reward)  # a step counts from here on, Ctrl-C or not
        if self._on_step is not None:
            self._on_step(reward)

    def run(self, first: int) -> None:
        """Note an episode that has just ended and whose first step is number ``first``."""
        rewards = self.rewards[first:]
        self.returns.append(sum(rewards))
        self.lengths.append(len(rewards))
        if self._on_run is not None:
            self._on_run(self.returns[-1], len(rewards))


def _env_id(env: Any) -> str:
    spec = getattr(env, "spec", None)
    if spec is None:
        return type(env).__name__
    return str(spec.kwargs.get("env_id", spec.id))  # remote envs share one generic id, and name theirs as an argument


def _figure(values: npt.NDArray[Any], of: Callable[[Any], Any]) -> float | None:
    """``of(values)``, or None where that is no number of JSON: of nothing, and where an env rewards with NaN or inf."""
    if not len(values):
        return None
    with np.errstate(all="ignore"):
        figure = float(of(values))
    return figure if math.isfinite(figure) else None
