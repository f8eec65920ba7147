"""What an episode hosts: one env, N lanes of it, or one of many agents."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from env_worker.calls import answer, answer_lanes
from env_worker.compat import HostedEnv, flag
from env_worker.host import BadCall, Host, RefusedRequest, close_quietly
from env_worker.multi import kind_of
from env_worker.multi_hosts import many_host
from env_worker.spaces import to_spec
from env_worker.vectors import make_lanes
from protocol.coders import coder
from protocol.coders_misfit import describe
from protocol.errors import EncodeError
from protocol.specs import SequenceSpec

if TYPE_CHECKING:
    from env_worker.calls import Allowed
    from env_worker.catalogue import Entry
    from env_worker.settings import WorkerSettings
    from env_worker.vectors import Lanes
    from protocol.messages import Call, Make, Reset
    from protocol.specs import Spec

_REWARDS, _FLAGS = np.dtype("<f8"), np.dtype(np.bool_)


class SingleHost(Host):
    """One plain env."""

    def __init__(self, env: Any, allowed: Allowed) -> None:
        self.env = env
        self.calls = allowed.of(env)
        self._allowed = allowed
        self._hosted = HostedEnv(env)
        self.api = self._hosted.api
        self.observation_space: Spec = to_spec(env.observation_space)
        self.action_space: Spec = to_spec(env.action_space)
        self._observations = coder(self.observation_space, bounds=False, name="observation", lend=True)
        self._actions = coder(self.action_space, bounds=True, graph=self._hosted.graph, name="action")

    def reset(self, request: Reset) -> dict[str, Any]:
        """Fields of the percept. Raises ``RefusedRequest``, ``OutsideSpace``, and what the env raises."""
        if isinstance(request.seed, list) or request.mask is not None:
            raise RefusedRequest("a list of seeds or a mask is for a vector env, this is a single env")
        observation, info = self._hosted.reset(request.seed, request.options)
        return {
            "reward": 0.0,
            "terminated": False,
            "truncated": False,
            "info": info,
            "observation": self._observations.encode(observation),
        }

    def step(self, wire: Any) -> dict[str, Any]:
        """Fields of the percept. Raises ``DecodeError`` for the action, ``OutsideSpace``, and what the env raises."""
        action = self._actions.decode(wire)
        observation, reward, terminated, truncated, info = self._hosted.step(action)
        return {
            "reward": reward,
            "terminated": terminated if type(terminated) is bool else flag("terminated", terminated),
            "truncated": truncated if type(truncated) is bool else flag("truncated", truncated),
            "info": info,
            "observation": self._observations.encode(observation),
        }

    def call(self, request: Call) -> Any:
        """As ``Host.call``: what the operator allows."""
        return answer(self._allowed, self.env, request)


class LaneHost(Host):
    """N lanes behind one ``gymnasium.vector.VectorEnv``: values are stacked, as in a stacked ``Sequence`` of N."""

    def __init__(self, lanes: Lanes, allowed: Allowed) -> None:
        self.env = env = lanes.env
        self._envs: list[Any] = getattr(env, "envs", [])
        """The env of each lane, where the vector back-end has these."""
        self.calls = allowed.of(self._envs[0]) if self._envs else ()
        self._allowed = allowed
        self.api = lanes.api
        self.observation_space: Spec = to_spec(env.single_observation_space)
        self.action_space: Spec = to_spec(env.single_action_space)
        observations, actions = (
            SequenceSpec(space, stack=True) for space in (self.observation_space, self.action_space)
        )
        self._observations = coder(observations, bounds=False, name="observation", lend=True)
        self._actions = coder(actions, bounds=True, graph=lanes.graph, name="actions")

    def reset(self, request: Reset) -> dict[str, Any]:
        """Fields of the percept; of the lanes in ``mask``, or of all. Raises as ``SingleHost.reset``."""
        lanes = self.env.num_envs
        if isinstance(request.seed, list) and len(request.seed) != lanes:
            raise RefusedRequest(f"expected {lanes} seeds, one for each lane, got {len(request.seed)}")
        options = request.options
        if request.mask is not None:
            if len(request.mask) != lanes or set(request.mask) - {0, 1}:
                raise RefusedRequest(f"mask: expected {lanes} bytes of 0 or 1, got {len(request.mask)}")
            mask = np.frombuffer(request.mask, np.bool_).copy()
            options = {**(options or {}), "reset_mask": mask}
        observations, infos = self.env.reset(seed=request.seed, options=options)
        none = np.zeros(lanes, np.bool_)
        return self._fields(observations, np.zeros(lanes, np.float64), none, none, infos)

    def step(self, wire: Any) -> dict[str, Any]:
        """Fields of the percept of all lanes. Raises as ``SingleHost.step``."""
        actions = self._actions.decode(wire)
        if wire[0] != self.env.num_envs:
            raise RefusedRequest(f"expected {self.env.num_envs} actions, one for each lane, got {wire[0]}")
        return self._fields(*self.env.step(actions))

    def call(self, request: Call) -> Any:
        """As ``Host.call``: a list with an entry for each lane."""
        if not self._envs:
            raise BadCall(f"{request.name!r}: this vector back-end has no env of each lane to be asked")
        return answer_lanes(self._allowed, self._envs, request)

    def _fields(self, observations: Any, rewards: Any, terminated: Any, truncated: Any, info: Any) -> dict[str, Any]:
        return {
            "reward": self._of_each("rewards", np.asarray(rewards, _REWARDS)),
            "terminated": self._of_each("terminated", np.asarray(terminated, _FLAGS)),
            "truncated": self._of_each("truncated", np.asarray(truncated, _FLAGS)),
            "info": info,
            "observation": self._observations.encode(observations),
        }

    def _of_each(self, name: str, values: np.ndarray[Any, Any]) -> bytes:
        if values.size != self.env.num_envs:
            raise EncodeError(f"{name}: expected one for each of {self.env.num_envs} lanes, got {describe(values)}")
        return values.tobytes()


def host(make: Make, entry: Entry, settings: WorkerSettings) -> Host:
    """What ``make`` asks for. Raises ``BadKwargs``, ``UnsupportedSpace``, and what the env raises.

    Nothing is left open then.
    """
    with contextlib.ExitStack() as made:
        if make.num_envs is None:
            env = entry.make(make.kwargs, make.render_mode)
            made.callback(close_quietly, env)
            kind = kind_of(env)
            hosted: Host = (
                SingleHost(env, settings.allowed) if kind is None else many_host(kind, env, settings.allowed)
            )
        else:
            mode = make.autoreset_mode or "next_step"
            lanes = make_lanes(entry, make.kwargs, make.render_mode, make.num_envs, mode, settings.vector)
            made.callback(close_quietly, lanes.env)
            hosted = LaneHost(lanes, settings.allowed)
        made.pop_all()
        return hosted
