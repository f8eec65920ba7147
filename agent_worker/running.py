"""What ``agent-worker run`` does, without a command line: find the policy, join, open the env, play, sum up."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gymnasium.vector import AutoresetMode

from agent_worker.errors import NoFreeWorker
from agent_worker.evaluation import Evaluation
from agent_worker.evaluation_messages import Settings
from agent_worker.policies import find_policy
from agent_worker.policy_files import fingerprint
from agent_worker.remote import broker_url
from agent_worker.remote_env import RemoteEnv
from agent_worker.remote_vector_env import RemoteVectorEnv
from agent_worker.report import progress
from agent_worker.rollout import Record, rollout
from agent_worker.rollout_lanes import rollout_lanes
from agent_worker.wish import ON_WORKER_LOSS, seconds
from protocol.compression import COMPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_worker.acting import Policy
    from agent_worker.summary import EvaluationSummary, Summary

MARGIN_S = 60.0
"""How much longer than one step an agent worker may be silent before others play what it plays."""


TAKEN = {
    "env_id", "broker", "num_envs", "episodes", "autoreset_mode", "make_timeout", "step_timeout", "connect_timeout",
    "world", "seat", "compression", "on_worker_loss", "replay_limit",
}  # fmt: skip
"""Arguments of a remote env that cannot be keyword arguments of the environment itself."""


@dataclass(frozen=True)
class Run:
    """What a user asks for. Times are in seconds. Raises ``ValueError``, in terms of the command line, if it is odd."""

    env_id: str
    policy: str = "random"
    broker: str | None = field(default=None, repr=False)  # it may hold a password
    episodes: int | None = None
    """10, if there are no ``steps`` either."""
    steps: int | None = None
    """Instead of episodes."""
    seed: int | None = None
    num_envs: int = 1
    """Lanes to act in at once."""
    env_episodes: int = 1
    """Into how many episodes the lanes are spread: so many workers can step them."""
    evaluation: str | None = None
    """Name of a shared evaluation."""
    stochastic: bool = False
    trust_policy: bool = False
    policy_class: str | None = None
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    world: str | None = None
    seat: str | None = None
    """As which agent of the world."""
    compression: str | None = None
    """``deflate``, or None."""
    on_worker_loss: str = "raise"
    """What becomes of a run whose worker is lost; see ``RemoteEnv``."""
    make_timeout: float = 30.0
    step_timeout: float = 300.0
    connect_timeout: float = 30.0

    def __post_init__(self) -> None:
        """See above."""
        if self.episodes is not None and self.steps is not None:
            raise ValueError("give either --episodes or --steps, not both")
        if self.evaluation is not None and self.steps is not None:
            raise ValueError("--evaluation shares --episodes; --steps cannot be shared")
        if self.evaluation == "":
            raise ValueError("--evaluation: expected a name")
        if self.world is not None and (self.evaluation is not None or self.num_envs > 1):
            raise ValueError("--world is one env of many agents: it has no lanes (--num-envs), and no --evaluation")
        if self.num_envs % self.env_episodes:
            raise ValueError(f"--num-envs {self.num_envs} cannot be spread evenly over {self.env_episodes} episodes")
        if self.compression is not None and self.compression not in COMPRESSIONS:
            raise ValueError(f"--compression: expected {' or '.join(COMPRESSIONS)}, got {self.compression!r}")
        self._check_times()
        self._check_loss()
        clash = sorted(set(self.env_kwargs) & TAKEN)
        if clash:
            raise ValueError(f"--env-kwargs: {', '.join(clash)} is an option of its own")
        if self.episodes is None and self.steps is None:
            object.__setattr__(self, "episodes", 10)

    def _check_times(self) -> None:
        for name in ("make_timeout", "step_timeout", "connect_timeout"):
            object.__setattr__(self, name, seconds(f"--{name.replace('_', '-')}", getattr(self, name)))

    def _check_loss(self) -> None:
        if self.on_worker_loss not in ON_WORKER_LOSS:
            names = ", ".join(ON_WORKER_LOSS)
            raise ValueError(f"--on-worker-loss: expected one of {names}, got {self.on_worker_loss!r}")
        if self.on_worker_loss != "raise" and self.world is not None:
            raise ValueError("--on-worker-loss: a world ends with its worker, only 'raise' is possible with --world")
        if self.on_worker_loss == "replay" and self.seed is None:
            raise ValueError("--on-worker-loss replay repeats a run by its seed: give --seed")
        if self.on_worker_loss == "truncate" and self.evaluation is not None:
            raise ValueError("--on-worker-loss truncate would count runs that were cut short: share them by 'replay'")

    @property
    def lanes(self) -> int:
        """As many as there can be something to play in, and as many in each episode of the env."""
        if self.episodes is None or self.episodes >= self.num_envs:
            return self.num_envs
        return -(-self.episodes // self.env_episodes) * self.env_episodes


@dataclass(frozen=True)
class Outcome:
    """What came of a run: figures, and what ended it early, if anything did."""

    summary: Summary | EvaluationSummary
    error: Exception | None = None
    """Nothing was played in vain: ``summary`` has what was played before it."""


def play(run: Run) -> Outcome:
    """Do it. What goes wrong before a step is made is raised; what ends it after that is in the outcome.

    Raises ``PolicyError``, ``EvaluationError``, ``RemoteEnvError``, ``BrokerError``, and what the policy raises.
    """
    make = find_policy(run.policy, stochastic=run.stochastic, trust=run.trust_policy, network=run.policy_class)
    record = Record(env_id=run.env_id)
    if run.evaluation is None:
        error = _play(run, make, record, None)
        return Outcome(record.summary(), error)
    evaluation = _join(run, run.evaluation)
    try:
        error = _share(run, make, record, evaluation)
    finally:
        evaluation.leave()
    return Outcome(evaluation.summary(interrupted=record.interrupted), error)


def _join(run: Run, name: str) -> Evaluation:
    assert run.episodes is not None
    settings = Settings(
        env_id=run.env_id,
        env_kwargs=json.dumps(run.env_kwargs, sort_keys=True),
        policy=fingerprint(run.policy),
        stochastic=run.stochastic,
        episodes=run.episodes,
        seed=-1 if run.seed is None else run.seed,
    )
    return Evaluation(
        name,
        settings,
        broker_url(run.broker),
        patience=run.step_timeout + MARGIN_S,
        connect_timeout=run.connect_timeout,
        join_timeout=run.make_timeout,
    )


def _share(run: Run, make: Callable[..., Policy], record: Record, evaluation: Evaluation) -> Exception | None:
    if evaluation.result is not None:
        return None  # others have done it all
    try:
        return _play(run, make, record, evaluation)
    except NoFreeWorker:
        if evaluation.is_done():  # while we stood in line
            return None
        raise


def _play(run: Run, make: Callable[..., Policy], record: Record, evaluation: Evaluation | None) -> Exception | None:
    """Gives what ended it early; raises it if nothing had been played."""
    env = _open(run)
    try:
        one = run.lanes == 1
        policy = make(
            observation_space=env.observation_space if one else env.single_observation_space,
            action_space=env.action_space if one else env.single_action_space,
            seed=run.seed,
            lanes=run.lanes,
        )
        limits: dict[str, Any] = {"episodes": run.episodes, "steps": run.steps, "numbers": None}
        label = run.env_id
        if evaluation is not None:
            limits, label = {"numbers": evaluation}, f"{run.env_id}, this worker"
        with progress(run.episodes or run.steps or 1, "episodes" if run.episodes else "steps", label=label) as tally:
            record.show(tally.on_step, tally.on_run)
            (rollout if one else rollout_lanes)(env, policy, seed=run.seed, record=record, **limits)
    except Exception as error:  # whatever env or policy raise: what was played is shown first, then this
        if not record.rewards:
            raise
        return error
    finally:
        with suppress(KeyboardInterrupt):  # a second one, as it takes too long: the figures are shown nevertheless
            env.close()
    return None


def _open(run: Run) -> Any:
    given: dict[str, Any] = {
        "make_timeout": run.make_timeout, "step_timeout": run.step_timeout, "connect_timeout": run.connect_timeout,
        "compression": run.compression, "on_worker_loss": run.on_worker_loss, **run.env_kwargs,
    }  # fmt: skip
    if run.lanes == 1:
        return RemoteEnv(run.env_id, run.broker, world=run.world, seat=run.seat, **given).open()
    given.update(episodes=run.env_episodes, autoreset_mode=AutoresetMode.DISABLED)
    return RemoteVectorEnv(run.env_id, run.lanes, run.broker, **given)
