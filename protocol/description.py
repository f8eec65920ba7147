"""What ``status`` tells of an env: the content dict, written and read in one place."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from protocol.errors import DecodeError
from protocol.specs import Spec, from_data, to_data


@dataclass(frozen=True)
class Description:
    """An env as the worker describes it."""

    version: int
    """Protocol version chosen by the worker."""
    worker: str
    """Name of the worker, for people."""
    env_id: str
    observation_space: Spec
    """Of one env, also where there are lanes."""
    action_space: Spec
    num_envs: int | None = None
    autoreset_mode: str | None = None
    render_mode: str | None = None
    metadata: dict[Any, Any] = field(default_factory=dict)
    """The env's ``metadata`` (``render_modes``, ``render_fps``, ...)."""
    spec: dict[str, Any] = field(default_factory=dict)
    """Of the env's ``EnvSpec``: ``id``, ``max_episode_steps``, ``reward_threshold``, ``nondeterministic``; or empty."""
    api: str = "gymnasium"
    """Which library the env is of: ``gymnasium`` or ``gym``; of many agents (``protocol.roster``): ``parallel``, where
    all act at once, or ``aec``, where they take turns. Both spaces are a ``Dict`` by agent then."""
    step_timeout_s: float = 0.0
    """The worker ends a request that takes longer."""
    idle_timeout_s: float = 0.0
    """The worker ends an episode that asks nothing for so long; 0: never."""
    calls: tuple[str, ...] = ()
    """Names that ``call`` may use."""
    state_space: Spec | None = None
    """Of the value of the call ``state``, where the env says so."""
    world: dict[str, Any] | None = None
    """Of a seat of a world: ``name`` of the world, ``seat`` (which one this is), ``seats`` (all of them), ``turns``
    (whether they take turns), and what becomes of seats that are missing: ``missing_seat`` and ``seat_timeout_s``."""

    def to_content(self) -> dict[str, Any]:
        """The content of a ``status`` message."""
        more: dict[str, Any] = {} if self.state_space is None else {"state_space": to_data(self.state_space)}
        if self.world is not None:
            more["world"] = self.world
        return {
            "version": self.version,
            "worker": self.worker,
            "env_id": self.env_id,
            "observation_space": to_data(self.observation_space),
            "action_space": to_data(self.action_space),
            "num_envs": self.num_envs,
            "autoreset_mode": self.autoreset_mode,
            "render_mode": self.render_mode,
            "metadata": self.metadata,
            "spec": self.spec,
            "api": self.api,
            "step_timeout_s": self.step_timeout_s,
            "idle_timeout_s": self.idle_timeout_s,
            "calls": list(self.calls),
            **more,
        }

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Description:
        """Read the content of a ``status``. Names that a newer worker adds are passed over. Raises ``DecodeError``."""
        state = _get(content, "state_space", dict, type(None))
        return cls(
            version=_get(content, "version", int),
            worker=_name(content, "worker"),
            env_id=_name(content, "env_id"),
            observation_space=from_data(_get(content, "observation_space", dict)),
            action_space=from_data(_get(content, "action_space", dict)),
            num_envs=_get(content, "num_envs", int, type(None)),
            autoreset_mode=_get(content, "autoreset_mode", str, type(None)),
            render_mode=_get(content, "render_mode", str, type(None)),
            metadata=_get(content, "metadata", dict),
            spec=_get(content, "spec", dict),
            api=_get(content, "api", str),
            step_timeout_s=_seconds(content, "step_timeout_s"),
            idle_timeout_s=_seconds(content, "idle_timeout_s"),
            calls=tuple(name for name in _get(content, "calls", list) if type(name) is str and name.isprintable()),
            state_space=None if state is None else from_data(state),
            world=_get(content, "world", dict, type(None)),
        )


def _name(content: dict[str, Any], name: str) -> str:
    value: str = _get(content, name, str)
    if not value.isprintable():  # people see it in their terminals
        raise DecodeError(f"status content {name!r}: it has control characters")
    return value


def _seconds(content: dict[str, Any], name: str) -> float:
    value = _get(content, name, float, int)
    if not 0 <= value <= sys.float_info.max:
        raise DecodeError(f"status content {name!r}: expected a number of seconds, got {value!r:.40}")
    return float(value)


def _get(content: dict[str, Any], name: str, *kinds: type) -> Any:
    value = content.get(name)
    if type(value) not in kinds:
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise DecodeError(f"status content {name!r}: expected {expected}, got {type(value).__name__}")
    return value
