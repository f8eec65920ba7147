"""Lanes of a remote env as a ``VecEnv`` of Stable-Baselines3, which knows no ``gymnasium.vector.VectorEnv``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from agent_worker.errors import InvalidArgument
from agent_worker.lane_infos import by_lane
from agent_worker.remote_vector_env import RemoteVectorEnv
from protocol.wire import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Lanes = int | Iterable[int] | None

KNOWN_HERE = ("render_mode", "metadata", "spec")
"""Attributes that are answered without asking the worker; so are the spaces."""


class VecEnvAdapter(VecEnv):  # type: ignore[misc]  # Stable-Baselines3 is optional, and Any where it is not installed
    """``VecEnvAdapter(gymbroker.make_vec(..., autoreset_mode="same_step"))``, to be given to PPO, A2C, DQN, ...

    The same seeds and actions give what ``DummyVecEnv`` over local envs gives: rewards float32, ``infos`` a list of
    dicts with ``TimeLimit.truncated``, and ``terminal_observation`` where a lane has ended. One message carries the
    actions of all lanes, one their results. Wrap it as any other: ``VecMonitor``, ``VecNormalize``, ...

    Raises ``TypeError`` for what is no ``RemoteVectorEnv``, ``ValueError`` for another autoreset mode; and in all
    methods what the env itself raises.
    """

    def __init__(self, env: RemoteVectorEnv) -> None:
        if not isinstance(env, RemoteVectorEnv):
            raise TypeError(f"env: expected what gymbroker.make_vec() gives, got {type(env).__name__}")
        if env.autoreset_mode is not AutoresetMode.SAME_STEP:
            mode = env.autoreset_mode.name.lower()
            text = f"Stable-Baselines3 resets in the same step: make_vec(..., autoreset_mode='same_step'), got {mode!r}"
            raise ValueError(text)
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = env.metadata

    @property
    def spec(self) -> Any:
        """The ``EnvSpec`` by which ``gymnasium.make_vec`` made the env, or None."""
        return self.env.spec

    def set_options(self, options: list[dict[str, Any]] | dict[str, Any] | None = None) -> None:
        """Of the next reset, for all lanes: a dict, or a list of one for each lane, all the same.

        Raises ``InvalidArgument`` if they differ: ``VectorEnv.reset`` has one dict, and so has our message.
        """
        if isinstance(options, list):
            if len(options) != self.num_envs or len({pack(one) for one in options}) > 1:
                text = f"expected a dict for all lanes, or {self.num_envs} equal ones"
                raise InvalidArgument(f"set_options: {text}; lanes are reset with the same options")
            options = options[0]
        super().set_options(options)

    def reset(self) -> Any:
        """The observations of all lanes; infos in ``reset_infos``. ``seed`` and ``set_options`` count for one reset."""
        options = self._options[0]
        seeds = None if self._seeds[0] is None else list(self._seeds)
        observations, infos = self.env.reset(seed=seeds, options=options or None)
        self.reset_infos = by_lane(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Send the actions of all lanes; next: ``step_wait``. Raises ``InvalidAction`` before anything is sent."""
        self.env.step_async(actions)

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations, rewards float32 (N,), dones bool (N,), and a list of N infos."""
        observations, rewards, terminated, truncated, found = self.env.step_wait()
        finals, final_infos = found.pop("final_obs", None), found.pop("final_info", {})
        found.pop("_final_obs", None)
        found.pop("_final_info", None)
        infos, ended = by_lane(found, self.num_envs), by_lane(final_infos, self.num_envs)
        dones = terminated | truncated
        for lane in np.flatnonzero(dones):
            self.reset_infos[lane], infos[lane] = infos[lane], ended[lane]
            infos[lane]["terminal_observation"] = finals[lane]
        for info, cut in zip(infos, truncated & ~terminated, strict=True):
            info["TimeLimit.truncated"] = bool(cut)
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """End the episode and free the worker's slot. Safe to call twice."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A frame of each lane, (height, width, 3) uint8, where the render mode is ``rgb_array``."""
        if self.render_mode != "rgb_array":
            warnings.warn(f"the render mode is {self.render_mode!r}: only 'rgb_array' gives images", stacklevel=2)
            return [None] * self.num_envs
        return list(self.env.render())

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Lanes = None) -> list[bool]:
        """False for each lane: wrappers at the worker are its own affair, and statistics come from ``VecMonitor``."""
        return [False for _ in self._get_indices(indices)]

    def get_attr(self, attr_name: str, indices: Lanes = None) -> list[Any]:
        """An attribute of the env, for each lane. Raises ``CallRefused``, an ``AttributeError``."""
        lanes = list(self._get_indices(indices))
        if attr_name in ("observation_space", "action_space"):
            return [getattr(self, attr_name) for _ in lanes]
        if attr_name in KNOWN_HERE:
            return [getattr(self.env, attr_name) for _ in lanes]
        return list(self.env.call_lanes(lanes, attr_name))

    def set_attr(self, attr_name: str, value: Any, indices: Lanes = None) -> None:
        """Set an attribute of the env to ``value`` in each lane. Raises ``CallRefused``, an ``AttributeError``."""
        lanes = list(self._get_indices(indices))
        self.env.set_attr(attr_name, [value] * len(lanes), lanes)

    def env_method(self, method_name: str, *method_args: Any, indices: Lanes = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of the env, for each lane. Raises ``CallRefused``, an ``AttributeError``."""
        return list(self.env.call_lanes(self._get_indices(indices), method_name, *method_args, **method_kwargs))
