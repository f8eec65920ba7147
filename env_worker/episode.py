"""One episode at the worker: an env and its end of the dialogue. Bytes in, bytes out; no queue, no thread, no clock."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING, Any

from env_worker.catalogue import BadKwargs
from env_worker.compat import HostedEnv
from env_worker.spaces import UnsupportedSpace, to_spec
from protocol.coders import coder
from protocol.description import Description
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import DecodeError, EncodeError, ErrorCode, Fault
from protocol.messages import Act, Call, Close, Closed, Frame, Make, Percept, Render, Reset, Status
from protocol.rules import State
from protocol.version import choose

if TYPE_CHECKING:
    from env_worker.catalogue import Entry
    from env_worker.settings import WorkerSettings
    from protocol.coders import Coder
    from protocol.messages import Request

log = logging.getLogger("gymbroker")


class Refused(Exception):
    """A request that cannot be executed: why, and whose fault it is."""

    def __init__(self, code: ErrorCode, text: str, fault: Fault = Fault.AGENT) -> None:
        super().__init__(text)
        self.code, self.fault = code, fault


def public_id(episode: str) -> str:
    """Name of an episode in logs and presence: the id itself is a capability and is never shown."""
    return hashlib.sha256(episode.encode()).hexdigest()[:8]


class Episode:
    """An env, hosted for one agent. First ``build()``, then ``handle(body)`` for each message, then ``shut()``."""

    def __init__(self, make: Make, incarnation: str, entry: Entry, settings: WorkerSettings, worker: str) -> None:
        self.dialogue = EnvDialogue(make, incarnation)
        self.public_id = public_id(make.episode)
        self.steps = 0
        self._make, self._entry, self._settings, self._worker = make, entry, settings, worker
        self._env: HostedEnv | None = None
        self._observations: Coder | None = None
        self._actions: Coder | None = None

    @property
    def env_id(self) -> str:
        """The id it was asked for by."""
        return self._entry.env_id

    @property
    def ended(self) -> bool:
        """True when nothing more will be said."""
        return self.dialogue.state is State.ENDED

    def build(self) -> bytes:
        """Make the env: bytes of ``status``, or of an ``error`` that ends the episode."""
        try:
            return self.dialogue.reply(Status, content=self._describe())
        except Refused as refusal:
            code, text, fault = refusal.code, str(refusal), refusal.fault
        except BadKwargs as error:
            code, text, fault = ErrorCode.BAD_KWARGS, str(error), Fault.AGENT
        except (UnsupportedSpace, EncodeError) as error:
            code, text, fault = ErrorCode.ENV_ERROR, f"{self.env_id}: {error}", Fault.ENV
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a door to foreign code: whatever it raises is its own
            code, text, fault = ErrorCode.ENV_ERROR, f"{self.env_id} cannot be made: {_what(error)}", Fault.ENV
        self.shut()
        return self.dialogue.fail(code, text, fault, ends=True)

    def _describe(self) -> dict[str, Any]:
        make = self._make
        version = choose(make.versions)
        if version is None:
            text = f"the agent speaks protocol versions {make.versions[:8]}, this worker speaks version 1"
            raise Refused(ErrorCode.UNSUPPORTED_VERSION, text)
        if make.num_envs is not None or make.world is not None or make.seat is not None:
            raise Refused(ErrorCode.BAD_KWARGS, "this worker hosts single envs only: no num_envs, world or seat")
        env = self._entry.make(make.kwargs, make.render_mode)
        self._env = HostedEnv(env)
        observation_space, action_space = to_spec(env.observation_space), to_spec(env.action_space)
        self._observations = coder(observation_space, bounds=False, name="observation")
        self._actions = coder(action_space, bounds=True, graph=self._env.graph, name="action")
        return Description(
            version=version,
            worker=self._worker,
            env_id=self.env_id,
            observation_space=observation_space,
            action_space=action_space,
            render_mode=make.render_mode,
            metadata=dict(getattr(env, "metadata", None) or {}),
            spec=_spec_of(env),
            api=self._env.api,
            step_timeout_s=self._settings.step_timeout,
            idle_timeout_s=self._settings.idle_timeout,
        ).to_content()

    def handle(self, body: bytes) -> bytes | None:
        """What to answer to a message of the agent, or None. Never raises for what an agent or an env does."""
        event = self.dialogue.receive(body)
        if event is None:
            return None
        if isinstance(event, Answer):
            return event.body
        if isinstance(event, (Reset, Act, Render, Call, Close)):
            return self._execute(event)
        return self.dialogue.working(0.0)  # a probe, and with one stepping thread nothing is being executed now

    def _execute(self, request: Request) -> bytes:
        try:
            if type(request) is Act:
                return self._act(request)
            if type(request) is Reset:
                return self._reset(request)
            if type(request) is Render:
                return self.dialogue.reply(Frame, frame=self._hosted.env.render())
            if type(request) is Close:
                self.shut()
                return self.dialogue.reply(Closed)
            raise Refused(ErrorCode.BAD_CALL, f"{request.performative}: this worker allows no calls")
        except Refused as refusal:
            return self.dialogue.fail(refusal.code, str(refusal), refusal.fault)
        except EncodeError as error:
            text = f"{self.env_id} gave what cannot be sent: {error}"
            return self.dialogue.fail(ErrorCode.ENV_ERROR, text, Fault.ENV)
        except (Exception, SystemExit) as error:  # a door to foreign code: the episode goes on
            log.debug("episode %s: %s raised", self.public_id, request.performative, exc_info=True)
            text = f"{self.env_id}.{_METHOD[type(request)]} raised {_what(error)}"
            return self.dialogue.fail(ErrorCode.ENV_ERROR, text, Fault.ENV)

    def _act(self, request: Act) -> bytes:
        assert self._actions is not None
        assert self._observations is not None
        try:
            action = self._actions.decode(request.action)
        except DecodeError as error:
            raise Refused(ErrorCode.BAD_ACTION, f"action: {error}") from error
        observation, reward, terminated, truncated, info = self._hosted.step(action)
        self.steps += 1
        return self.dialogue.reply(
            Percept,
            reward=float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
            info=info,
            observation=self._observations.encode(observation),
        )

    def _reset(self, request: Reset) -> bytes:
        assert self._observations is not None
        if isinstance(request.seed, list) or request.mask is not None:
            raise Refused(ErrorCode.ILLEGAL, "a list of seeds or a mask is for a vector env, this is a single env")
        observation, info = self._hosted.reset(request.seed, request.options)
        return self.dialogue.reply(
            Percept,
            reward=0.0,
            terminated=False,
            truncated=False,
            info=info,
            observation=self._observations.encode(observation),
        )

    @property
    def _hosted(self) -> HostedEnv:
        if self._env is None:
            raise Refused(ErrorCode.ILLEGAL, "the env is closed")
        return self._env

    def shut(self) -> None:
        """Close the env; safe to call twice, and quiet about what its ``close`` raises."""
        env, self._env = self._env, None
        if env is not None:
            with contextlib.suppress(Exception):
                env.env.close()


_METHOD = {Act: "step", Reset: "reset", Render: "render", Call: "call", Close: "close"}


def _what(error: BaseException) -> str:
    """Type and message, and nothing of the worker's files or variables."""
    text = str(error)
    return f"{type(error).__name__}: {text[:1000]}" if text else type(error).__name__


def _spec_of(env: Any) -> dict[str, Any]:
    spec = getattr(env, "spec", None)
    if spec is None:
        return {}
    names = ("id", "max_episode_steps", "reward_threshold", "nondeterministic")
    found = {name: getattr(spec, name, None) for name in names}
    return {name: value for name, value in found.items() if value is None or isinstance(value, (str, int, float, bool))}
