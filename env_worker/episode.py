"""One episode at the worker: an env and its end of the dialogue. Bytes in, bytes out; no queue, no thread, no clock."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from gymnasium.vector import AutoresetMode

from broker import topology
from env_worker import drawing
from env_worker.catalogue import BadKwargs
from env_worker.compat import modern_metadata
from env_worker.host import BadCall, Refused, RefusedRequest
from env_worker.hosts import host
from env_worker.interrupts import is_ctrl_c
from env_worker.spaces import UnsupportedSpace
from protocol.compression import COMPRESSIONS
from protocol.description import Description
from protocol.env_dialogue import Answer, EnvDialogue
from protocol.errors import DecodeError, EncodeError, ErrorCode, Fault
from protocol.messages import Act, Call, Close, Closed, Frame, Make, Percept, Probe, Render, Reset, Result, Status
from protocol.rules import State
from protocol.version import SPOKEN, choose

if TYPE_CHECKING:
    from env_worker.catalogue import Entry
    from env_worker.host import Host
    from env_worker.settings import WorkerSettings
    from protocol.messages import Request

log = logging.getLogger("gymbroker")


class Episode:
    """An env, hosted for one agent. First ``build()``, then ``handle(body)`` for each message, then ``shut()``."""

    patience_s = 0.0
    """What to say to a probe while a reply is yet to come: it comes within so many seconds."""

    def __init__(self, make: Make, incarnation: str, entry: Entry, settings: WorkerSettings, worker: str) -> None:
        self.dialogue = EnvDialogue(make, incarnation)
        self.public_id = topology.public_id(make.episode)
        self.steps = 0
        self._make, self._entry, self._settings, self._worker = make, entry, settings, worker
        self._host: Host | None = None

    @property
    def env_id(self) -> str:
        """The id it was asked for by."""
        return self._entry.env_id

    @property
    def seat(self) -> str | None:
        """Which seat of a world it is; None for any other."""
        return None

    @property
    def ended(self) -> bool:
        """True when nothing more will be said."""
        return self.dialogue.state is State.ENDED

    def build(self) -> bytes | None:
        """Make the env: bytes of ``status``, or of an ``error`` that ends the episode; None: they come later."""
        retry = False
        try:
            return self.dialogue.reply(Status, content=self._describe())
        except Refused as refusal:
            code, text, fault, retry = refusal.code, str(refusal), refusal.fault, refusal.retry
        except BadKwargs as error:
            code, text, fault = ErrorCode.BAD_KWARGS, str(error), Fault.AGENT
        except (UnsupportedSpace, EncodeError) as error:
            code, text, fault = ErrorCode.ENV_ERROR, f"{self.env_id}: {error}", Fault.ENV
        except BaseException as error:  # a door to foreign code: whatever it raises is its own
            if is_ctrl_c(error):
                self._interrupted()
                raise
            code, text, fault = ErrorCode.ENV_ERROR, f"{self.env_id} cannot be made: {_what(error)}", Fault.ENV
        self.shut()
        return self.dialogue.fail(code, text, fault, retry=retry, ends=True)

    def _describe(self) -> dict[str, Any]:
        make = self._make
        version = choose(make.versions)
        if version is None:
            text = f"the agent speaks protocol versions {make.versions[:8]}, this worker speaks {list(SPOKEN)}"
            raise Refused(ErrorCode.UNSUPPORTED_VERSION, text)
        if make.compression not in (None, *COMPRESSIONS):
            text = f"compression: this worker knows {', '.join(COMPRESSIONS)}, got {make.compression!r:.80}"
            raise Refused(ErrorCode.BAD_KWARGS, text)
        hosted = self._host = self._open()
        env = hosted.env
        content = Description(
            version=version,
            worker=self._worker,
            env_id=self.env_id,
            observation_space=hosted.observation_space,
            action_space=hosted.action_space,
            num_envs=make.num_envs,
            autoreset_mode=None if make.num_envs is None else make.autoreset_mode or "next_step",
            render_mode=make.render_mode,
            metadata=_metadata_of(env),
            spec=_spec_of(env),
            api=hosted.api,
            step_timeout_s=self._settings.step_timeout,
            idle_timeout_s=self._settings.idle_timeout,
            calls=hosted.calls,
            state_space=hosted.state_space,
            world=hosted.world,
        ).to_content()
        try:
            Description.from_content(content)
        except DecodeError as error:
            raise UnsupportedSpace(f"no agent can read what is said of it: {error}") from error
        return content

    def _open(self) -> Host:
        """Make what is hosted. Raises ``Refused``, and what ``build`` knows."""
        make = self._make
        if make.seat is not None:
            raise Refused(ErrorCode.BAD_KWARGS, "seat: a seat is one of a world, and no world is named")
        limit = self._settings.max_num_envs
        if make.num_envs is not None and make.num_envs > limit:
            text = f"num_envs: this worker allows {limit} lanes at most, got {make.num_envs}"
            raise Refused(ErrorCode.BAD_KWARGS, text)
        return host(make, self._entry, self._settings)

    def handle(self, body: bytes) -> bytes | None:
        """What to answer to a message of the agent now, or None. Never raises for what an agent or an env does.

        Over ``memory://`` a Ctrl-C may strike in here, in the thread of the agent: the episode goes on after it.
        """
        try:
            event = self.dialogue.receive(body)
            if event is None:
                return None
            if isinstance(event, Answer):
                return event.body
            if isinstance(event, Probe):
                return self.dialogue.working(self.patience_s if self.dialogue.executing is not None else 0.0)
            return self._execute(event)
        except KeyboardInterrupt:
            self._interrupted()
            raise

    def _interrupted(self) -> bytes | None:
        if self.dialogue.executing is None:
            return None
        text = "interrupted by Ctrl-C at the worker"
        return self.dialogue.fail(ErrorCode.ENV_ERROR, text, Fault.WORKER, retry=True)

    def settle(self, reply: dict[str, Any] | BaseException) -> bytes | None:
        """What to answer to the request that waits, now that its host has the fields of its percept, or what failed.

        None if nothing waits any more: it was answered by the end of the episode.
        """
        request = self.dialogue.executing
        if request is None:
            return None
        if isinstance(reply, BaseException):
            if is_ctrl_c(reply):
                return self._interrupted()
            return self._failed(request, reply)
        try:
            return self.dialogue.reply(Percept, **reply)
        except EncodeError as error:
            return self._failed(request, error)

    def _execute(self, request: Request) -> bytes | None:
        try:
            if type(request) is Act:
                self.steps += 1
                fields = self._hosted.step(request.action)
                return None if fields is None else self.dialogue.reply(Percept, **fields)
            return self._do(request)
        except BaseException as error:  # a door to foreign code: the episode goes on
            if is_ctrl_c(error):
                raise
            return self._failed(request, error)

    def _do(self, request: Request) -> bytes | None:
        """All but the hot one."""
        if type(request) is Reset:
            fields = self._hosted.reset(request)
            return None if fields is None else self.dialogue.reply(Percept, **fields)
        if type(request) is Render:
            return self.dialogue.reply(Frame, frame=self._hosted.env.render())
        if type(request) is Call:
            return self.dialogue.reply(Result, value=self._hosted.call(request))
        if type(request) is Close:
            self.shut()
            return self.dialogue.reply(Closed)
        raise Refused(ErrorCode.ILLEGAL, f"{request.performative} is no request to an env")

    def _failed(self, request: Request, error: BaseException) -> bytes:
        if isinstance(error, DecodeError):
            return self.dialogue.fail(ErrorCode.BAD_ACTION, str(error), Fault.AGENT)
        if isinstance(error, RefusedRequest):
            return self.dialogue.fail(ErrorCode.ILLEGAL, str(error), Fault.AGENT)
        if isinstance(error, BadCall):
            return self.dialogue.fail(ErrorCode.BAD_CALL, str(error), Fault.AGENT)
        if isinstance(error, Refused):
            return self.dialogue.fail(error.code, str(error), error.fault, retry=error.retry)
        if isinstance(error, EncodeError):
            text = f"{self.env_id} gave what cannot be sent: {error}"
            return self.dialogue.fail(ErrorCode.ENV_ERROR, text, Fault.ENV)
        log.debug("episode %s: %s raised", self.public_id, request.performative, exc_info=True)
        method = request.name if isinstance(request, Call) else _METHOD[type(request)]
        text = f"{self.env_id}.{method} raised {_what(error)}"
        return self.dialogue.fail(ErrorCode.ENV_ERROR, text, Fault.ENV)

    @property
    def _hosted(self) -> Host:
        if self._host is None:
            raise Refused(ErrorCode.ILLEGAL, "the env is closed")
        return self._host

    def shut(self) -> None:
        """Close the env; safe to call twice, and quiet about what its ``close`` raises."""
        hosted, self._host = self._host, None
        if hosted is not None:
            with contextlib.suppress(BaseException), drawing.keep_pygame():  # a door to foreign code
                hosted.close()


_METHOD = {Act: "step", Reset: "reset", Render: "render", Close: "close"}


def _what(error: BaseException) -> str:
    """Type and message, and nothing of the worker's files or variables."""
    try:
        text = str(error)[:1000]
    except BaseException as odd:  # it is the exception of a stranger
        if is_ctrl_c(odd):
            raise
        text = "(it has no text)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _metadata_of(env: Any) -> dict[Any, Any]:
    """What can travel of it: the autoreset mode, an enum, goes by its name, and a set of render modes as a list."""
    found = modern_metadata(env)
    if isinstance(found.get("render_modes"), (set, frozenset)):
        found["render_modes"] = sorted(found["render_modes"], key=str)
    if isinstance(found.get("autoreset_mode"), AutoresetMode):
        found["autoreset_mode"] = found["autoreset_mode"].name.lower()
    return found


def _spec_of(env: Any) -> dict[str, Any]:
    spec = getattr(env, "spec", None)
    if spec is None:
        return {}
    names = ("id", "max_episode_steps", "reward_threshold", "nondeterministic")
    found = {name: getattr(spec, name, None) for name in names}
    return {name: value for name, value in found.items() if value is None or isinstance(value, (str, int, float, bool))}
