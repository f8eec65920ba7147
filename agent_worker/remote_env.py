"""An env in another process, as a ``gymnasium.Env``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import GraphInstance

from agent_worker.remote import RemoteMethods, broker_url
from agent_worker.remote_calls import RemoteCalls

if TYPE_CHECKING:
    from types import ModuleType


class RemoteEnv(RemoteCalls, RemoteMethods, gymnasium.Env[Any, Any]):  # type: ignore[override]  # its spaces are read only
    """``env_id``, hosted by an env worker at ``broker``; to be used like the env itself.

    The episode is opened when it is first needed (spaces, metadata, ``reset``), so that the env can be pickled before.
    Observations are writable arrays of the space's dtype; rewards are Python floats, the two flags Python bools.

    Args:
        env_id: exactly as the worker was told to serve it.
        broker: URL; else the environment's ``GYMBROKER_URL``, else RabbitMQ on this machine. ``memory://`` works in
            one process.
        render_mode: ``rgb_array`` or another mode of the env that gives frames; ``human`` would draw at the worker.
        world: name of a world to join, where ``env_id`` is an env of many agents: each agent has a seat, and may be of
            another process and party. All who name the same world meet in it. ``reset`` and ``step`` wait for others:
            one thread plays one seat (``gymbroker.make_aec`` and ``make_parallel`` play all of them).
        seat: which agent to be (``player_0``); None takes the next free one. ``description.world`` says which.
        make_timeout: seconds to wait for a worker that serves the env and has a free slot. It has as
            long to make the env as it says (its own ``--step-timeout``), an hour or ``make_timeout`` at the most.
        step_timeout: seconds to wait for each reply. Whether the worker lives is found out much sooner.
        resume_window: seconds that a worker that cannot be reached has to come back; 0 raises at once.
        connect_timeout: seconds to try to reach the broker.
        reconnect_timeout: seconds to try to reach it again when the connection breaks in the middle of an episode.
        compression: ``"deflate"``: the worker deflates long replies, where that makes them shorter. It pays over slow
            links and for what repeats itself (docs/performance.md); None, the default, never does.
        on_worker_loss: what becomes of a run whose worker is lost: it cannot be reached any more, or ended the episode
            and says that another one may go on (drained, another env of its process hung, idle for too long).
            ``raise``: ``WorkerLost`` (or ``EpisodeEnded``), and the env is over. ``truncate``: the step is the last of
            its run, with the last observation, a reward of 0, ``truncated`` and ``info["worker_lost"]``; the next
            ``reset`` opens the env at another worker, and sets the attributes again that had been set. ``replay``:
            another worker is asked all that was asked since the last reset with a seed, what it says is compared, and
            the run goes on. Not with ``world``.
        replay_limit: how many requests since that reset are kept; each takes some 150 bytes beside its action.
            Beyond it, or if no reset had a seed, ``WorkerLost`` is raised, and says so.
        kwargs: keyword arguments of the env.

    Raises (here and in all methods) ``agent_worker.errors.RemoteEnvError`` and ``broker.errors.BrokerError``.
    """

    _spaces: ClassVar[ModuleType] = gymnasium.spaces
    _graph: ClassVar[Any] = GraphInstance
    _spec: EnvSpec | None = None
    _seeded = False

    @property
    def spec(self) -> EnvSpec | None:
        """How to make this env again, with the env's own limits; or the one of ``gymnasium.make``, if that made it."""
        if self._spec is None:
            wish, own = self._wish, self.description.spec
            # What the environment says is left to the environment, with the password in it.
            given = {
                "broker": wish.broker, "world": wish.world, "seat": wish.seat, "on_worker_loss": wish.on_worker_loss,
            }  # fmt: skip
            named = {name: value for name, value in given.items() if value not in (None, broker_url(None), "raise")}
            self._spec = EnvSpec(
                "remote/Env-v0",
                entry_point=f"{type(self).__module__}:{type(self).__qualname__}",
                reward_threshold=own.get("reward_threshold"),
                nondeterministic=bool(own.get("nondeterministic", False)),
                max_episode_steps=own.get("max_episode_steps"),
                order_enforce=False,
                disable_env_checker=True,
                kwargs={"env_id": wish.env_id, **named, **wish.kwargs},
            )
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec

    @property
    def np_random_seed(self) -> int:
        """The seed of the last ``reset`` that had one; -1, Gymnasium's for unknown: none had, the env drew its own."""
        return self._np_random_seed if self._seeded and self._np_random_seed is not None else -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the env's own ``reset``: the same seed gives the same run as a local env."""
        gymnasium.Env.reset(self, seed=seed)
        self._seeded = self._seeded or seed is not None
        return self._reset(seed, options)
