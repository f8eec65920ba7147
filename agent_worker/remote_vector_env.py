"""N lanes of an env in another process, as a ``gymnasium.vector.VectorEnv``: one message carries all lanes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.spaces import GraphInstance
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from agent_worker import caretaker
from agent_worker.errors import InvalidAction, InvalidArgument, ProtocolFailure
from agent_worker.opening import Wish
from agent_worker.remote import CLOSE_TIMEOUT_S, broker_url
from agent_worker.remote_calls import LaneCalls
from agent_worker.session import Session
from protocol.coders import coder
from protocol.errors import DecodeError, EncodeError
from protocol.messages import Act, Frame, Percept, Render, Reset
from protocol.spaces import to_space
from protocol.specs import SequenceSpec

if TYPE_CHECKING:
    from protocol.description import Description
    from protocol.messages import Message

Five = tuple[Any, Any, Any, Any, dict[str, Any]]


class RemoteVectorEnv(LaneCalls, VectorEnv[Any, Any, Any]):
    """``num_envs`` lanes of ``env_id`` in one episode of one env worker; to be used like a local vector env.

    Same seeds and actions give what ``gymnasium.vector.SyncVectorEnv`` gives, in all three autoreset modes.

    Args:
        env_id: exactly as the worker was told to serve it.
        num_envs: how many lanes.
        broker, make_timeout, step_timeout, resume_window, connect_timeout, reconnect_timeout: as for ``RemoteEnv``.
        autoreset_mode: when a lane that has ended is reset; an ``AutoresetMode`` or its name.
        render_mode: as for ``RemoteEnv``.
        kwargs: keyword arguments of the env.

    Raises (here and in all methods) ``agent_worker.errors.RemoteEnvError`` and ``broker.errors.BrokerError``.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int = 1,
        broker: str | None = None,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        make_timeout: float = 30.0,
        step_timeout: float = 300.0,
        resume_window: float = 2.0,
        connect_timeout: float = 30.0,
        reconnect_timeout: float = 60.0,
        **kwargs: Any,
    ) -> None:
        if type(num_envs) is not int or num_envs < 1:
            raise ValueError(f"num_envs: expected a positive int, got {num_envs!r}")
        self.num_envs = num_envs
        self.autoreset_mode = _mode(autoreset_mode)
        self.render_mode = render_mode
        self.step_timeout = step_timeout
        """Seconds to wait for each reply."""
        kwargs.pop("max_episode_steps", None)  # make_vec passes the registered one; the worker's env has its own
        wish = Wish(
            broker=broker_url(broker),
            env_id=env_id,
            kwargs=kwargs,
            render_mode=render_mode,
            num_envs=num_envs,
            autoreset_mode=self.autoreset_mode.name.lower(),
            make_timeout=make_timeout,
            resume_window=resume_window,
            connect_timeout=connect_timeout,
            reconnect_timeout=reconnect_timeout,
        )
        self._wish = wish
        self._session = session = self._open()
        try:
            self._learn(session.description)
        except BaseException:
            session.close(CLOSE_TIMEOUT_S, "its spaces cannot be built")
            raise
        self._finalizer = weakref.finalize(self, caretaker.drop, session)
        self._finalizer.atexit = False  # the caretaker closes what is open at exit

    def _open(self) -> Session:
        return Session.open(self._wish)

    def _learn(self, description: Description) -> None:
        self.single_observation_space = to_space(description.observation_space, gymnasium.spaces)
        self.single_action_space = to_space(description.action_space, gymnasium.spaces)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        modes = [mode for mode in description.metadata.get("render_modes") or () if mode != "human"]
        self.metadata = {**description.metadata, "render_modes": modes, "autoreset_mode": self.autoreset_mode}
        lanes = {"graph": GraphInstance}
        self._observations = coder(
            SequenceSpec(description.observation_space, stack=True), bounds=False, name="observations", **lanes
        )
        self._actions = coder(SequenceSpec(description.action_space, stack=True), bounds=True, name="actions", **lanes)

    @property
    def description(self) -> Description:
        """What the worker says about the env."""
        return self._session.description

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As ``SyncVectorEnv.reset``; ``options["reset_mask"]`` chooses lanes in the mode ``DISABLED``."""
        mask = None
        if options is not None and "reset_mask" in options:
            options = dict(options)
            mask = self._mask(options.pop("reset_mask"))
        seeds = list(seed) if isinstance(seed, (list, tuple, np.ndarray)) else seed
        if isinstance(seeds, list) and len(seeds) != self.num_envs:
            raise ValueError(f"seed: expected {self.num_envs} seeds, one for each lane, got {len(seeds)}")
        try:
            reply = self._session.request(Reset, self.step_timeout, seed=_plain(seeds), options=options, mask=mask)
        except EncodeError as error:
            raise InvalidArgument(f"{self._wish.env_id}: what reset() was given cannot be sent: {error}") from error
        observations, _, _, _, infos = self._five(reply)
        return observations, infos

    def step(self, actions: Any) -> Five:
        """As ``SyncVectorEnv.step``: observations, rewards float64 (N,), terminated and truncated bool (N,), infos.

        Raises ``InvalidAction``, before anything is sent, if there are not N actions or one is not in its space.
        """
        return self._five(self._session.request(Act, self.step_timeout, action=self._encode(actions)))

    def step_async(self, actions: Any) -> None:
        """Send the actions and come back at once; next: ``step_wait``."""
        self._session.send(Act, self.step_timeout, action=self._encode(actions))

    def step_wait(self, timeout: float | None = None) -> Five:
        """The result of ``step_async``, or of a ``step`` that timed out; may be called again after ``StepTimeout``."""
        return self._five(self._session.wait(self.step_timeout if timeout is None else timeout))

    def render(self) -> Any:
        """A tuple of frames, one for each lane; None without a render mode."""
        if self.render_mode is None:
            return None
        frame = self._session.request(Render, self.step_timeout)
        assert isinstance(frame, Frame)
        return frame.frame

    def close_extras(self, **kwargs: Any) -> None:
        """End the episode and free the worker's slot."""
        self._finalizer.detach()
        self._session.close(CLOSE_TIMEOUT_S)

    def _encode(self, actions: Any) -> Any:
        try:
            wire = self._actions.encode(actions)
        except EncodeError as error:
            raise InvalidAction(f"{self._wish.env_id}: {error}") from error
        if wire[0] != self.num_envs:
            text = f"expected {self.num_envs} actions, one for each lane, got {wire[0]}"
            raise InvalidAction(f"{self._wish.env_id}: {text}")
        return wire

    def _mask(self, mask: Any) -> bytes:
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset_mask: expected a bool array of shape ({self.num_envs},) with a True in it, got {mask!r:.80}"
            )
        return bytes(mask.tobytes())

    def _five(self, percept: Message) -> Five:
        assert isinstance(percept, Percept)
        rewards, *flags = (_lanes(part) for part in (percept.reward, percept.terminated, percept.truncated))
        if [len(rewards), *map(len, flags)] != [8 * self.num_envs, self.num_envs, self.num_envs]:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's percept is not of {self.num_envs} lanes")
        try:
            observations = self._observations.decode(percept.observation)
        except DecodeError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's observations cannot be read: {error}") from error
        terminated, truncated = (np.frombuffer(flag, np.uint8) != 0 for flag in flags)
        return observations, np.frombuffer(bytearray(rewards), "<f8"), terminated, truncated, percept.info


def _lanes(part: float | bytes) -> bytes:
    return part if isinstance(part, bytes) else b""


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    try:
        return AutoresetMode[str(mode).upper()]
    except KeyError:
        names = ", ".join(one.name.lower() for one in AutoresetMode)
        raise ValueError(f"autoreset_mode: expected one of {names}, got {mode!r}") from None


def _plain(seed: Any) -> Any:
    """Python ints for numpy's."""
    if isinstance(seed, list):
        return [None if one is None else int(one) for one in seed]
    return None if seed is None else int(seed)
