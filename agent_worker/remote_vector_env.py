"""Lanes of an env in other processes, as a ``gymnasium.vector.VectorEnv``: one message carries those of an episode."""

from __future__ import annotations

import weakref
from operator import index
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from agent_worker import caretaker
from agent_worker.batches import Batches
from agent_worker.errors import InvalidArgument, ProtocolFailure
from agent_worker.gathering import Gathering
from agent_worker.parts import split_seeds
from agent_worker.remote import CLOSE_TIMEOUT_S, broker_url
from agent_worker.remote_calls import LaneCalls
from agent_worker.spread import Spread
from agent_worker.together import open_sessions
from agent_worker.wish import Wish, check_seconds
from protocol.messages import Act
from protocol.sendable import opaque_in
from protocol.spaces import to_space

if TYPE_CHECKING:
    from agent_worker.batches import Five
    from agent_worker.session import Session
    from protocol.description import Description


class RemoteVectorEnv(LaneCalls, VectorEnv[Any, Any, Any]):
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
        render_mode: as for ``RemoteEnv``.
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
        **kwargs: Any,
    ) -> None:
        _check_numbers(num_envs, episodes)
        self.num_envs = num_envs
        self.episodes = episodes
        self.autoreset_mode = _mode(autoreset_mode)
        self.render_mode = render_mode
        check_seconds(env_id, "step_timeout", step_timeout)
        self.step_timeout = step_timeout
        """Seconds to wait for each reply."""
        kwargs.pop("max_episode_steps", None)  # make_vec passes the registered one; the worker's env has its own
        self._wish = Wish(
            broker=broker_url(broker),
            env_id=env_id,
            kwargs=kwargs,
            render_mode=render_mode,
            num_envs=num_envs // episodes,
            autoreset_mode=self.autoreset_mode.name.lower(),
            make_timeout=make_timeout,
            resume_window=resume_window,
            connect_timeout=connect_timeout,
            reconnect_timeout=reconnect_timeout,
        )
        self._gathering = Gathering(self._open())
        self._session = self._gathering.sessions[0] if episodes == 1 else None
        """Of a single episode: ``step`` takes no detour then."""
        try:
            self._learn(self.descriptions)
        except BaseException:
            self._gathering.close(CLOSE_TIMEOUT_S, "its spaces cannot be built")
            raise
        self._finalizer = weakref.finalize(self, caretaker.drop, self._gathering)
        self._finalizer.atexit = False  # the caretaker closes what is open at exit

    def _open(self) -> list[Session]:
        return open_sessions([self._wish] * self.episodes)

    def _learn(self, descriptions: tuple[Description, ...]) -> None:
        first = descriptions[0]
        for other in descriptions[1:]:
            for name in ("observation_space", "action_space"):
                if getattr(other, name) != getattr(first, name):
                    raise ProtocolFailure(
                        f"{self._wish.env_id}: workers {first.worker} and {other.worker} do not serve the same env: "
                        f"it has another {name}"
                    )
        self.single_observation_space = to_space(first.observation_space, gymnasium.spaces)
        self.single_action_space = to_space(first.action_space, gymnasium.spaces)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        modes = [mode for mode in first.metadata.get("render_modes") or () if mode != "human"]
        self.metadata = {**first.metadata, "render_modes": modes, "autoreset_mode": self.autoreset_mode}
        self._batches = Batches(first, self._wish.env_id)
        lanes = self.num_envs // self.episodes
        self._spread = Spread(self._gathering, self._batches, self._wish.env_id, lanes)

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
        five = self._spread.reset(self._resets(seed, options), self.step_timeout)
        return five[0], five[4]

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
        self._spread.act(self._batches.encode(actions, self.num_envs), self.step_timeout)

    def step_wait(self, timeout: float | None = None) -> Five:
        """The result of ``step_async``, or of a ``step`` that timed out; may be called again after ``StepTimeout``."""
        return self._spread.wait(self.step_timeout if timeout is None else timeout)

    def async_reset(self, seed: int | list[int | None] | None = None, *, env_id: Any = None) -> None:
        """Ask all episodes for a reset, and come back at once; next: ``recv``, once for each episode.

        ``env_id``: reset the lanes of one episode only, as ``recv`` named them. ``seed`` is that of all lanes anyway:
        of an int ``s`` lane ``i`` gets ``s + i``. A reset makes void what the episode was asked before.
        """
        requests = self._resets(seed, None)
        if env_id is not None:
            number = self._spread.number(env_id)
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
        return self._spread.recv(self.step_timeout if timeout is None else timeout)

    def render(self) -> Any:
        """A tuple of frames, one for each lane; None without a render mode."""
        if self.render_mode is None:
            return None
        return self._spread.frames(self.step_timeout)

    def close_extras(self, **kwargs: Any) -> None:
        """End the episodes and free the workers' slots."""
        self._finalizer.detach()
        self._gathering.close(CLOSE_TIMEOUT_S)

    def _resets(self, seed: Any, options: dict[str, Any] | None) -> dict[int, dict[str, Any]]:
        """What each episode is asked for; those without a lane in the mask are left out."""
        masks: list[bytes | None] = [None] * self.episodes
        if options is not None and "reset_mask" in options:
            options = dict(options)
            mask = self._mask(options.pop("reset_mask")).reshape(self.episodes, -1)
            masks = [bytes(part.tobytes()) for part in mask]
        odd = opaque_in(options) if options else None
        if odd is not None:
            raise InvalidArgument(f"{self._wish.env_id}: options: {odd} cannot be sent to a worker")
        seeds = _plain(list(seed) if isinstance(seed, (list, tuple, np.ndarray)) else seed)
        if isinstance(seeds, list) and len(seeds) != self.num_envs:
            raise ValueError(f"seed: expected {self.num_envs} seeds, one for each lane, got {len(seeds)}")
        fields = zip(split_seeds(seeds, self.episodes, self.num_envs // self.episodes), masks, strict=True)
        found = {number: {"seed": one, "options": options, "mask": mask} for number, (one, mask) in enumerate(fields)}
        return {number: one for number, one in found.items() if one["mask"] is None or any(one["mask"])}

    def _mask(self, given: Any) -> np.ndarray[Any, Any]:
        mask: np.ndarray[Any, Any] = np.asarray(given)
        if mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset_mask: expected a bool array of shape ({self.num_envs},) with a True in it, got {mask!r:.80}"
            )
        return mask


def _check_numbers(num_envs: Any, episodes: Any) -> None:
    for name, value in (("num_envs", num_envs), ("episodes", episodes)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{name}: expected a positive int, got {value!r}")
    if num_envs % episodes:
        raise ValueError(f"num_envs: expected as many lanes in each of {episodes} episodes, got {num_envs} lanes")


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    for one in AutoresetMode:
        if str(mode).lower() in (one.name.lower(), one.value.lower()):
            return one
    names = ", ".join(one.name.lower() for one in AutoresetMode)
    raise ValueError(f"autoreset_mode: expected one of {names}, got {mode!r}")


def _plain(seed: Any) -> Any:
    """Python ints for numpy's."""
    if isinstance(seed, list):
        return [None if one is None else index(one) for one in seed]
    return None if seed is None else index(seed)
