"""gymbroker: reinforcement-learning environments as a service over RabbitMQ.

An *env worker* owns environments, an *agent worker* owns a policy; they meet at a RabbitMQ broker::

    $ env-worker serve CartPole-v1 --broker amqp://...        # one party, one machine

    env = gymbroker.make("CartPole-v1", broker="amqp://...")  # another
    observation, info = env.reset(seed=42)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    env.close()

Importing it makes ``gymnasium.make("gymbroker:remote/CartPole-v1", broker=...)`` and the same of ``gym`` work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from agent_worker.errors import (
    BadKwargs,
    Busy,
    CallRefused,
    EnvClosed,
    EnvError,
    EpisodeEnded,
    InvalidAction,
    InvalidArgument,
    NoFreeWorker,
    NotReset,
    ProtocolFailure,
    RemoteEnvError,
    ReplayDiverged,
    SeatsMissing,
    SeatTaken,
    StepTimeout,
    UnknownEnv,
    UnknownSeat,
    WorkerLost,
)
from broker.errors import BrokerError
from gymbroker.envs import RemoteEnv, RemoteVectorEnv
from gymbroker.registration import register, register_all

if TYPE_CHECKING:
    from gymbroker.gym_envs import GymRemoteEnv
    from gymbroker.multi_envs import RemoteAECEnv, RemoteParallelEnv

__all__ = [
    "BadKwargs",
    "BrokerError",
    "Busy",
    "CallRefused",
    "EnvClosed",
    "EnvError",
    "EpisodeEnded",
    "InvalidAction",
    "InvalidArgument",
    "NoFreeWorker",
    "NotReset",
    "ProtocolFailure",
    "RemoteEnv",
    "RemoteEnvError",
    "RemoteVectorEnv",
    "ReplayDiverged",
    "SeatTaken",
    "SeatsMissing",
    "StepTimeout",
    "UnknownEnv",
    "UnknownSeat",
    "WorkerLost",
    "__version__",
    "make",
    "make_aec",
    "make_parallel",
    "make_vec",
    "register",
]

__version__ = "0.1.0"


@overload
def make(
    env_id: str,
    broker: str | None = ...,
    *,
    api: Literal["gymnasium"] = ...,
    render_mode: str | None = ...,
    **kwargs: Any,
) -> RemoteEnv: ...


@overload
def make(
    env_id: str, broker: str | None = ..., *, api: Literal["gym"], render_mode: str | None = ..., **kwargs: Any
) -> GymRemoteEnv: ...


def make(
    env_id: str,
    broker: str | None = None,
    *,
    api: Literal["gymnasium", "gym"] = "gymnasium",
    render_mode: str | None = None,
    **kwargs: Any,
) -> RemoteEnv | GymRemoteEnv:
    """An env that is hosted by an env worker, opened and ready for ``reset``.

    Args:
        env_id: as the worker was told to serve it, for example ``CartPole-v1``.
        broker: ``amqp://user:password@host:port/vhost``, ``amqps://...``, or ``memory://`` for one process (a worker is
            embedded then). Default: the environment's ``GYMBROKER_URL``, else RabbitMQ on this machine.
        api: ``gymnasium`` gives a ``gymnasium.Env``, ``gym`` a ``gym.Env`` of gym 0.26.
        render_mode: ``rgb_array`` or another mode that gives frames.
        kwargs: time-outs of ``RemoteEnv`` (``make_timeout``, ``step_timeout``, ...); ``on_worker_loss``, which says
            what becomes of a run whose worker is lost (``raise``, ``truncate`` or ``replay``); ``world`` and ``seat``,
            to be one agent of an env of many; and keyword arguments of the env.

    Raises:
        UnknownEnv: nobody serves it within ``make_timeout`` seconds; the text says what is served.
        NoFreeWorker, BadKwargs, EnvError, ...: see ``agent_worker.errors``.
        BrokerError: the broker cannot be reached, or refuses us.
    """
    if api == "gymnasium":
        return RemoteEnv(env_id, broker, render_mode=render_mode, **kwargs).open()
    if api == "gym":
        from gymbroker.gym_envs import GymRemoteEnv

        return GymRemoteEnv(env_id, broker, render_mode=render_mode, **kwargs).open()
    raise ValueError(f"api: expected 'gymnasium' or 'gym', got {api!r}")


def make_vec(
    env_id: str, num_envs: int = 1, broker: str | None = None, *, episodes: int = 1, **kwargs: Any
) -> RemoteVectorEnv:
    """``num_envs`` lanes of an env, spread over ``episodes`` that competing env workers take.

    One message carries the lanes of an episode. Arguments, results and errors: see
    ``agent_worker.remote_vector_env.RemoteVectorEnv``; the lanes give what ``gymnasium.vector.SyncVectorEnv`` gives.
    Raises ``ValueError``, before anything is sent, for a ``num_envs`` below 1 or no multiple of ``episodes``.
    """
    return RemoteVectorEnv(env_id, num_envs, broker, episodes=episodes, **kwargs)


def make_parallel(
    env_id: str, broker: str | None = None, *, render_mode: str | None = None, **kwargs: Any
) -> RemoteParallelEnv:
    """A ``pettingzoo.ParallelEnv`` that is hosted by an env worker, ready for ``reset``; you drive all its agents.

    Arguments and errors as for ``make``: ``agent_worker.parallel_env.RemoteParallelEnv``. Raises ``ImportError``
    without the extra ``gymbroker[multi-agent]``, and ``InvalidArgument`` for an env that is no parallel one.
    """
    from gymbroker.multi_envs import RemoteParallelEnv

    return RemoteParallelEnv(env_id, broker, render_mode=render_mode, **kwargs).open()


def make_aec(env_id: str, broker: str | None = None, *, render_mode: str | None = None, **kwargs: Any) -> RemoteAECEnv:
    """A ``pettingzoo.AECEnv``, where agents take turns, hosted by an env worker; you drive all its agents.

    Arguments and errors as for ``make_parallel``: ``agent_worker.aec_env.RemoteAECEnv``.
    """
    from gymbroker.multi_envs import RemoteAECEnv

    return RemoteAECEnv(env_id, broker, render_mode=render_mode, **kwargs).open()


register_all()
