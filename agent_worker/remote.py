"""What a remote env is, whichever library's ``Env`` it is presented as: an episode that is opened when it is needed."""

from __future__ import annotations

import os
import pickle
import weakref
from operator import index
from typing import TYPE_CHECKING, Any, ClassVar

from gymnasium.vector import AutoresetMode

from agent_worker import caretaker
from agent_worker.errors import EnvClosed, InvalidAction, InvalidArgument, ProtocolFailure
from agent_worker.lasting import AnySession, open_session
from agent_worker.spaces import space_of
from agent_worker.wish import Wish
from broker.url import DEFAULT_BROKER
from protocol.coders import coder
from protocol.errors import DecodeError, EncodeError
from protocol.messages import Act, Frame, Percept, Render, Reset, Result
from protocol.sendable import opaque_in

if TYPE_CHECKING:
    from types import ModuleType

    from typing_extensions import Self

    from protocol.description import Description
    from protocol.messages import Message

MAKERS = {"parallel": "make_parallel", "aec": "make_aec"}
"""What opens an env of many agents, by ``Description.api``; ``make`` opens all others."""

CLOSE_TIMEOUT_S = 5.0
"""How long ``close`` waits for the worker to say that the env is closed."""


def broker_url(broker: str | None) -> str:
    """``broker``, or the environment's ``GYMBROKER_URL``, or RabbitMQ on this machine."""
    if not isinstance(broker, str | None):  # whatever it is, a password may be in it
        raise InvalidArgument(f"broker: expected a URL, a str, got {type(broker).__name__}")
    return broker or os.environ.get("GYMBROKER_URL") or DEFAULT_BROKER


def refuse_human(render_mode: str | None) -> None:
    """Raise ``ValueError`` for the render mode that would draw at the worker."""
    if render_mode == "human":
        raise ValueError("render_mode: a remote env sends frames: 'rgb_array'; 'human' would draw at the worker")


def metadata_of(description: Description) -> dict[str, Any]:
    """The env's own, without the render mode ``human``: that would draw at the worker."""
    found = dict(description.metadata)
    modes = found.get("render_modes")
    # A set arrives as Opaque, and a stranger's may be anything.
    found["render_modes"] = [mode for mode in modes if mode != "human"] if isinstance(modes, (list, tuple)) else []
    mode = str(found.get("autoreset_mode")).upper()
    if mode in AutoresetMode.__members__:  # of an env that resets itself; it went by its name
        found["autoreset_mode"] = AutoresetMode[mode]
    return found


def reward_and_flags(env_id: str, percept: Percept) -> tuple[float, bool, bool]:
    """Of a percept of one env. Raises ``ProtocolFailure`` for one of lanes."""
    reward, terminated, truncated = percept.reward, percept.terminated, percept.truncated
    if type(reward) is bytes or type(terminated) is bytes or type(truncated) is bytes:
        raise ProtocolFailure(f"{env_id}: the worker's percept is one of lanes, and this is one env")
    return float(reward), terminated, truncated  # type: ignore[return-value]  # mypy narrows by isinstance only


def expect_kind(env_id: str, api: str, wanted: str | None) -> None:
    """Raise ``InvalidArgument`` for an env that is served as ``api``, where ``wanted`` is (None: one agent)."""
    maker = MAKERS.get(api, "make")
    if maker != MAKERS.get(wanted or "", "make"):
        hint = ", or name a world to be one of its agents" if api in MAKERS else ""
        raise InvalidArgument(f"{env_id} is served as {api}: open it by gymbroker.{maker}(){hint}")


class _Metadata:
    """On the class: what ``make`` of either library wants to see. On an env: the remote env's own."""

    _of_class: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array", "ansi", "depth_array", "rgbd_tuple"]}

    def __get__(self, env: RemoteMethods | None, owner: type) -> dict[str, Any]:
        if env is None:
            return dict(self._of_class)
        return metadata_of(env.description)


class RemoteMethods:
    """The methods of a remote env that are the same for gymnasium and gym. See ``RemoteEnv`` for the arguments."""

    metadata: Any = _Metadata()
    """The env's own, without the render mode ``human``."""

    _spaces: ClassVar[ModuleType]
    _graph: ClassVar[Any]
    _api: ClassVar[str | None] = None
    """``Description.api`` of envs of many agents; None where there is one agent, whichever library it is of."""

    def __init__(
        self,
        env_id: str,
        broker: str | None = None,
        *,
        render_mode: str | None = None,
        world: str | None = None,
        seat: str | None = None,
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
        refuse_human(render_mode)
        self._wish = Wish(
            broker=broker_url(broker), env_id=env_id, kwargs=kwargs, render_mode=render_mode, world=world, seat=seat,
            make_timeout=make_timeout, step_timeout=step_timeout, resume_window=resume_window,
            connect_timeout=connect_timeout, reconnect_timeout=reconnect_timeout, compression=compression,
            on_worker_loss=on_worker_loss, replay_limit=replay_limit,
        )  # fmt: skip
        if on_worker_loss == "truncate" and self._api is not None:
            text = "an env of many agents can be replayed, not truncated: say 'replay', or 'raise'"
            raise InvalidArgument(f"{env_id}: on_worker_loss: {text}")
        self.render_mode = render_mode
        self.step_timeout = self._wish.step_timeout
        """Seconds to wait for each reply."""
        self._session: AnySession | None = None
        self._description: Description | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._used = self._closed = False

    def open(self) -> Self:
        """Open the episode now instead of when it is first needed; returns the env itself."""
        self._open()
        return self

    def _open(self) -> AnySession:
        if self._session is not None:
            return self._session
        if self._closed:
            raise EnvClosed(f"{self._wish.env_id}: used after close(); make a new env")
        session = open_session(self._wish)
        try:
            self._learn(session.description)
        except BaseException:
            session.close(CLOSE_TIMEOUT_S, "its spaces cannot be built")
            raise
        self._finalizer = weakref.finalize(self, caretaker.drop, session)
        self._finalizer.atexit = False  # the caretaker closes what is open at exit
        self._session = session
        return session

    def _expect(self, api: str) -> None:
        """Raise ``InvalidArgument`` for an env that is of another kind than this class presents."""
        expect_kind(self._wish.env_id, api, self._api)

    def _learn(self, description: Description) -> None:
        self._expect(description.api)
        self._observation_space = space_of(description.observation_space, self._spaces, self._wish.env_id)
        self._action_space = space_of(description.action_space, self._spaces, self._wish.env_id)
        self._description = description
        self._observations = coder(description.observation_space, bounds=False, graph=self._graph, name="observation")
        self._actions = coder(description.action_space, bounds=True, graph=self._graph, name="action")

    def _know(self) -> Description:
        """What is known of the env stays known after ``close``."""
        if self._description is None or not self._closed:
            self._description = self._open().description
        assert self._description is not None
        return self._description

    @property
    def description(self) -> Description:
        """What the worker says about the env: its own spec, spaces and limits, and the worker's name."""
        return self._know()

    @property
    def observation_space(self) -> Any:
        """The env's own, rebuilt from the wire; always the same object."""
        self._know()
        return self._observation_space

    @property
    def action_space(self) -> Any:
        """The env's own, rebuilt from the wire; always the same object."""
        self._know()
        return self._action_space

    def _reset(self, seed: int | None, options: dict[Any, Any] | None) -> tuple[Any, dict[Any, Any]]:
        percept = self._restart(seed, options)
        return self._observe(percept), percept.info

    def _restart(self, seed: int | None, options: dict[Any, Any] | None) -> Percept:
        session = self._open()
        self._used = True
        odd = opaque_in(options) if options else None
        if odd is not None:
            raise InvalidArgument(f"{self._wish.env_id}: options: {odd} cannot be sent to a worker")
        try:
            seed = None if seed is None else index(seed)
            percept = session.request(Reset, self.step_timeout, seed=seed, options=options)
        except EncodeError as error:
            raise InvalidArgument(f"{self._wish.env_id}: what reset() was given cannot be sent: {error}") from error
        assert isinstance(percept, Percept)
        return percept

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[Any, Any]]:
        """As the env's own: observation, reward, terminated, truncated, info.

        Raises ``InvalidAction``, before anything is sent, if ``action`` is not in the action space. An action of
        another width of the same kind (float64 for float32) is cast.
        """
        session = self._session or self._open()
        try:
            wire = self._actions.encode(action)
        except EncodeError as error:
            raise InvalidAction(f"{self._wish.env_id}: {error}") from error
        return self._five(session.request(Act, self.step_timeout, action=wire))

    def wait(self, timeout: float) -> Any:
        """After a ``StepTimeout``: wait ``timeout`` seconds more for what ``step``, ``render`` or ``call`` gives."""
        reply = self._open().wait(timeout)
        if isinstance(reply, Result):
            return reply.value
        return reply.frame if isinstance(reply, Frame) else self._five(reply)

    def _five(self, percept: Message) -> tuple[Any, float, bool, bool, dict[Any, Any]]:
        assert isinstance(percept, Percept)
        return self._observe(percept), *reward_and_flags(self._wish.env_id, percept), percept.info

    def _observe(self, percept: Percept) -> Any:
        try:
            return self._observations.decode(percept.observation)
        except DecodeError as error:
            raise ProtocolFailure(f"{self._wish.env_id}: the worker's observation cannot be read: {error}") from error

    def render(self) -> Any:
        """A frame, (height, width, 3) uint8 for ``rgb_array``; None without a render mode."""
        if self.render_mode is None:
            return None
        frame = self._open().request(Render, self.step_timeout)
        assert isinstance(frame, Frame)
        return frame.frame

    def close(self) -> None:
        """End the episode and free the worker's slot. Safe to call twice, and quiet if the worker is gone.

        Where a Ctrl-C strikes, call it again; or drop the env, which closes it, too.
        """
        self._closed = True
        if self._session is not None:
            self._session.close(CLOSE_TIMEOUT_S)
            self._session = None
        if self._finalizer is not None:
            self._finalizer.detach()

    def __getstate__(self) -> dict[str, Any]:
        """Only what makes an equal env elsewhere: an episode that runs cannot be in two places."""
        if self._used:
            raise pickle.PicklingError(f"{self._wish.env_id}: a remote env can be pickled before its first reset only")
        wish = self._wish
        return {**wish.arguments(), "world": wish.world, "seat": wish.seat, "step_timeout": self.step_timeout}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # made anew, as __getstate__ says

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._wish.env_id}>"

    __str__ = __repr__
