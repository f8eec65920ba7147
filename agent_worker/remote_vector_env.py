"""Lanes of an env in other processes, as a ``gymnasium.vector.VectorEnv``: one message carries those of an episode."""

from __future__ import annotations

import pickle
import weakref
from typing import TYPE_CHECKING, Any

from gymnasium.vector import AutoresetMode, VectorEnv

from agent_worker import caretaker
from agent_worker.errors import EnvClosed
from agent_worker.gathering import Gathering
from agent_worker.known_lanes import KnownLanes
from agent_worker.layout import Layout
from agent_worker.remote import CLOSE_TIMEOUT_S, broker_url
from agent_worker.remote_calls import LaneCalls
from agent_worker.spread import Spread
from agent_worker.together import open_sessions
from agent_worker.wish import Wish
from protocol.messages import Act, Reset

if TYPE_CHECKING:
    from agent_worker.batches import Five
    from agent_worker.lasting import AnySession
    from protocol.description import Description


class RemoteVectorEnv(LaneCalls, KnownLanes, VectorEnv[Any, Any, Any]):
    """``num_envs`` lanes of ``env_id``, hosted by env workers; to be used like a local vector env.

    Same seeds and actions give what ``gymnasium.vector.SyncVectorEnv`` gives, in all three autoreset modes, and over
    however many ``episodes`` the lanes are spread.

    Args:
        env_id: exactly as the worker was told to serve it.
        num_envs: how many lanes.
        broker, make_timeout, step_timeout, resume_window, connect_timeout, reconnect_timeout: as for ``RemoteEnv``.
        episodes: over how many episodes the lanes are spread, equally many each; competing workers take them. One
            message carries the lanes of one episode.
        autoreset_mode: when a lane that has ended is reset; an ``AutoresetMode`` or its name.
        render_mode, compression: as for ``RemoteEnv``.
        on_worker_loss, replay_limit: as for ``RemoteEnv``, of the lanes of the lost episode only. ``truncate`` ends
            their runs as Gymnasium would in the ``autoreset_mode``: in ``SAME_STEP`` with ``final_obs``, and the
            observations of new runs; in ``NEXT_STEP`` new runs begin with the next step, in ``DISABLED`` when all of
            these lanes are reset.
        kwargs: keyword arguments of the env.

    Besides ``step`` there is EnvPool's way, where who is ready first is served first, and the workers step while the
    policy thinks: ``async_reset()``, then in a loop ``recv()`` and ``send(actions, infos["env_id"])``.

    Raises (here and in all methods) ``agent_worker.errors.RemoteEnvError`` and ``broker.errors.BrokerError``. Of an
    error that concerns some lanes only, ``error.env_id`` has their numbers.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int = 1,
        broker: str | None = None,
        *,
        episodes: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        make_timeout: float = 30.0,
        step_timeout: float = 300.0,
        resume_window: float = 2.0,
        connect_timeout: float = 30.0,
        reconnect_timeout: float = 60.0,
        compression: str | None = None,
        on_worker_loss: str = "raise",
        replay_limit: int = 100_000,
        **kwargs: Any,
    ) -> None:
        self._ask_for(num_envs, episodes, autoreset_mode, render_mode)
        kwargs.pop("max_episode_steps", None)  # make_vec passes the registered one; the worker's env has its own
        self._wish = Wish(
            broker=broker_url(broker), env_id=env_id, kwargs=kwargs, render_mode=render_mode,
            num_envs=num_envs // episodes, autoreset_mode=self.autoreset_mode.name.lower(),
            make_timeout=make_timeout, step_timeout=step_timeout, resume_window=resume_window,
            connect_timeout=connect_timeout, reconnect_timeout=reconnect_timeout, compression=compression,
            on_worker_loss=on_worker_loss, replay_limit=replay_limit,
        )  # fmt: skip
        self.step_timeout = self._wish.step_timeout
        """Seconds to wait for each reply."""
        self._used = False
        self._gathering = Gathering(self._open())
        self._session = self._gathering.sessions[0] if episodes == 1 else None
        """Of a single episode: ``step`` takes no detour then."""
        try:
            self._learn(self.descriptions)
            self._layout = Layout(self.description, env_id, num_envs, episodes)
        except BaseException:
            self._gathering.close(CLOSE_TIMEOUT_S, "its spaces cannot be built")
            raise
        self._spread, self._batches = Spread(self._gathering, self._layout, env_id), self._layout.batches
        self._finalizer = weakref.finalize(self, caretaker.drop, self._gathering)
        self._finalizer.atexit = False  # the caretaker closes what is open at exit

    def _open(self) -> list[AnySession]:
        return open_sessions([self._wish] * self.episodes)

    @property
    def description(self) -> Description:
        """What the worker of the first episode says about the env."""
        return self.descriptions[0]

    @property
    def descriptions(self) -> tuple[Description, ...]:
        """What the worker of each episode says; ``description.worker`` is its name."""
        return tuple(session.description for session in self._gathering.sessions)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As ``SyncVectorEnv.reset``; ``options["reset_mask"]`` chooses lanes in the mode ``DISABLED``."""
        self._used = True
        five = self._spread.reset(self._layout.resets(seed, options), self.step_timeout)
        return five[0], five[4]

    def reset_async(
        self, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """Ask for what ``reset`` does and come back at once, as ``AsyncVectorEnv`` does; next: ``reset_wait``.

        A reset makes void what was asked before.
        """
        self._used = True
        self._spread.begin_reset(self._layout.resets(seed, options), self.step_timeout)

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, dict[str, Any]]:
        """The result of ``reset_async``, or of a ``reset`` that timed out. Raises ``NothingPending`` without one."""
        five = self._spread.wait(self._patience(timeout), Reset)
        return five[0], five[4]

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]  # as SyncVectorEnv has it
        """The seed that each lane was reset with last; -1 for one that never was, which only its worker could tell."""
        return self._layout.seeds

    def step(self, actions: Any) -> Five:
        """As ``SyncVectorEnv.step``: observations, rewards float64 (N,), terminated and truncated bool (N,), infos.

        Raises ``InvalidAction``, before anything is sent, if there are not N actions or one is not in its space, and
        ``AlreadyPending`` while something that was sent by ``send`` or ``step_async`` has not been received.
        """
        if self._session is not None:
            wire = self._batches.encode(actions, self.num_envs)
            reply = self._session.request(Act, self.step_timeout, action=wire)
            return self._batches.five(reply, self.num_envs)  # type: ignore[arg-type]  # nothing else answers an act
        self.step_async(actions)
        return self.step_wait()

    def step_async(self, actions: Any) -> None:
        """Send the actions and come back at once; next: ``step_wait``."""
        self._spread.act(actions, self.step_timeout)

    def step_wait(self, timeout: float | None = None) -> Five:
        """The result of ``step_async``, or of a ``step`` that timed out; may be called again after ``StepTimeout``."""
        return self._spread.wait(self._patience(timeout))

    def async_reset(self, seed: int | list[int | None] | None = None, *, env_id: Any = None) -> None:
        """Ask all episodes for a reset, and come back at once; next: ``recv``, once for each episode.

        ``env_id``: reset the lanes of one episode only, as ``recv`` named them. ``seed`` is that of all lanes anyway:
        of an int ``s`` lane ``i`` gets ``s + i``. A reset makes void what the episode was asked before.
        """
        self._used = True
        requests = self._layout.resets(seed, None)
        if env_id is not None:
            number = self._layout.number(env_id)
            requests = {number: requests[number]}
        self._spread.ask_reset(requests, self.step_timeout)

    def send(self, actions: Any, env_id: Any = None) -> None:
        """Send the actions of the lanes that ``recv`` gave, and come back at once; next: ``recv``.

        ``env_id``: as ``recv`` gave it in its infos; None: those of the last ``recv``. Raises, before anything is
        sent, ``InvalidArgument`` for other lanes, ``InvalidAction`` if there are not as many actions as lanes or one
        is not in its space, and ``AlreadyPending`` if these lanes have their actions and wait for ``recv``.
        """
        self._spread.send(actions, env_id, self.step_timeout)

    def recv(self, timeout: float | None = None) -> Five:
        """What ``step`` returns, of the lanes of the episode that is ready first; ``infos["env_id"]`` names them.

        The reply to ``send``, or to ``async_reset`` (rewards 0, flags False). ``env_id`` is an int32 array of the
        numbers of the lanes, in order. An error of one episode is raised when its turn comes, with ``error.env_id``;
        the others go on, and are received by the next call. Raises ``NothingPending`` if nothing has been sent, and
        ``StepTimeout`` if nothing came within ``timeout`` seconds (None: ``step_timeout``); call it again then.
        """
        return self._spread.recv(self._patience(timeout))

    def _patience(self, timeout: float | None) -> float:
        """Seconds to wait for what was asked. Raises ``EnvClosed``: nothing comes any more."""
        if self.closed:
            raise EnvClosed(f"{self._wish.env_id}: used after close(); make a new env")
        return self.step_timeout if timeout is None else timeout

    def render(self) -> Any:
        """A tuple of frames, one for each lane; None without a render mode."""
        if self.render_mode is None:
            return None
        self._spread.ask_frames(self.step_timeout)
        return self._spread.frames(self.step_timeout)

    def close_extras(self, **kwargs: Any) -> None:
        """End the episodes and free the workers' slots."""
        self._gathering.close(CLOSE_TIMEOUT_S)
        self._finalizer.detach()  # last: should a Ctrl-C strike, who drops the env closes it

    def __getstate__(self) -> dict[str, Any]:
        """Only what makes equal lanes elsewhere, as of a single env: episodes that run cannot be in two places."""
        if self._used:
            text = "remote lanes can be pickled before their first reset only"
            raise pickle.PicklingError(f"{self._wish.env_id}: {text}")
        known = {"num_envs": self.num_envs, "episodes": self.episodes, "autoreset_mode": self.autoreset_mode}
        return {"spec": self.spec, "arguments": {**self._wish.arguments(), **known, "step_timeout": self.step_timeout}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["arguments"])  # type: ignore[misc]  # made anew, as __getstate__ says
        self.spec = state["spec"]

    def __del__(self) -> None:
        """Nothing: the finalizer has it closed by the caretaker. Before 1.3 Gymnasium closes here, and waits."""
