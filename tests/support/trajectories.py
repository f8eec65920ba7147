"""A remote env beside a local one: stepped in lockstep with the same seeds and actions, compared to the last bit."""

from __future__ import annotations

import copy
import enum
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from tests.support.equal import identical

if TYPE_CHECKING:
    import gymnasium

SEED = 20_261
STEPS = 200
RESULTS = ("observation", "reward", "terminated", "truncated", "info")


def compare(far: Any, local: Any, steps: int = STEPS, seed: int = SEED) -> int:
    """Step both with the same random actions and fail at the first difference in anything that they say.

    Both are reset with the seed at the beginning, with another one half way, and without one where a run ends.
    Gives how many runs ended.
    """
    pair, ends = _Pair(far, local), 0
    for name in ("observation_space", "action_space"):
        ours, theirs = getattr(far, name), getattr(local, name)
        assert same_space(ours, theirs), f"{name}: {ours} is not {theirs}"
        ours.seed(seed)
        theirs.seed(seed)
    pair.reset(seed)
    for number in range(steps):
        ended = pair.step(f"step {number}")
        ends += ended
        if number == steps // 2:
            pair.reset(seed + 1)
        elif ended:
            pair.reset(None)
    return ends


class _Pair:
    def __init__(self, far: Any, local: Any) -> None:
        self.far, self.local = far, local
        self._held: Any = None

    def reset(self, seed: int | None) -> None:
        ours, theirs = self.far.reset(seed=seed), self.local.reset(seed=seed)
        self._compare(f"reset(seed={seed})", ours, theirs)

    def step(self, where: str) -> bool:
        ours, theirs = self.far.action_space.sample(), self.local.action_space.sample()
        # A Discrete of gym samples an int, the one of gymnasium that stands for it an int64.
        equal = ours == theirs if type(theirs) is int else identical(ours, theirs)
        assert equal, f"{where}: the action spaces sample {ours!r} and {theirs!r}"
        seen, *flags, info = self.far.step(ours)
        wanted, reward, terminated, truncated, wanted_info = self.local.step(theirs)
        expected = [float(reward), bool(terminated), bool(truncated)]
        assert identical(flags, expected), f"{where}: reward, terminated, truncated {flags}, locally {expected}"
        self._compare(where, (seen, info), (wanted, wanted_info))
        return bool(terminated or truncated)

    def _compare(self, where: str, ours: tuple[Any, Any], theirs: tuple[Any, Any]) -> None:
        space = self.local.observation_space
        wanted = as_its_space_says(space, theirs[0])
        assert identical(ours[0], wanted), f"{where}: observation {ours[0]!r}, locally {theirs[0]!r}"
        assert identical(ours[1], as_it_travels(theirs[1])), f"{where}: info {ours[1]!r}, locally {theirs[1]!r}"
        inside = (self.far.observation_space.contains(ours[0]), space.contains(wanted))
        assert inside[0] == inside[1], f"{where}: the remote space says {inside[0]}, the local one {inside[1]}"
        if self._held is not None:
            held, copied = self._held
            assert identical(held, copied), f"{where} changed what was observed before"
            spoil(held)  # what a user does to what was observed must not come back either
        self._held = (ours, copy.deepcopy(ours))


def compare_lanes(far: Any, local: Any, steps: int = 100, seed: int = SEED) -> int:
    """The same for two vector envs: everything must be of the same types, too. Gives how many runs ended."""
    assert identical(far.reset(seed=seed), _told(local.reset(seed=seed)))
    local.action_space.seed(seed)
    ends = 0
    for number in range(steps):
        actions = local.action_space.sample()
        ours, theirs = far.step(actions), _told(local.step(actions))
        for name, one, other in zip(RESULTS, ours, theirs, strict=True):
            assert identical(one, other), f"step {number}: {name} {one!r}, locally {other!r}"
        spoil(ours)
        ended = theirs[2] | theirs[3]
        ends += int(ended.sum())
        if local.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ended.any():
            mask = {"reset_mask": ended}
            assert identical(far.reset(options=dict(mask)), _told(local.reset(options=dict(mask))))
    return ends


def _told(results: tuple[Any, ...]) -> tuple[Any, ...]:
    return *results[:-1], as_it_travels(results[-1])


def compare_frames(far: Any, local: Any, steps: int = 3, seed: int = SEED) -> Any:
    """Frames after a reset and after each step; gives the last one."""
    far.reset(seed=seed)
    local.reset(seed=seed)
    local.action_space.seed(seed)
    for _ in range(steps):
        action = local.action_space.sample()
        far.step(action)
        local.step(action)
        ours, theirs = far.render(), local.render()
        assert theirs is not None
        assert identical(ours, theirs), f"a frame differs: {type(ours).__name__}, {type(theirs).__name__}"
    return ours


def compare_descriptions(far: Any, local: Any) -> None:
    """What is known of an env beside its spaces. Not its id and kwargs: a remote spec says how to make it again."""
    known = {**local.metadata, "render_modes": [mode for mode in local.metadata["render_modes"] if mode != "human"]}
    assert far.metadata == known
    for name in ("max_episode_steps", "reward_threshold", "nondeterministic"):
        assert getattr(far.spec, name) == getattr(local.spec, name)
        assert far.description.spec[name] == getattr(local.spec, name)
    assert far.description.spec["id"] == local.spec.id


def checked(env: gymnasium.Env[Any, Any]) -> tuple[str, Counter[str]]:
    """What Gymnasium's ``check_env`` says: the first line of its objection (or nothing), and its warnings."""
    objection = ""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            check_env(env, skip_render_check=True)
        except AssertionError as error:
            objection = str(error).partition("\n")[0]
    return objection, Counter(str(one.message) for one in said)


def spoil(value: Any) -> None:
    """Overwrite all arrays in ``value``: each must be writable."""
    if isinstance(value, np.ndarray):
        assert value.flags.writeable, "an array is read-only"
        if value.dtype == object:
            spoil(list(value.flat))
        else:
            value[...] = value.dtype.type(1)
    elif isinstance(value, dict):
        spoil(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            spoil(part)


def as_it_travels(value: Any) -> Any:
    """``value`` of an info, but an ``IntEnum`` (of dm_env's) is its number: its class is not known elsewhere."""
    if isinstance(value, dict):
        return {key: as_it_travels(part) for key, part in value.items()}
    if isinstance(value, np.ndarray) and value.dtype == object:
        array = np.empty(value.shape, object)
        for index, part in np.ndenumerate(value):
            array[index] = as_it_travels(part)
        return array
    return int(value) if isinstance(value, enum.IntEnum) else value


def as_its_space_says(space: Any, value: Any) -> Any:
    """``value`` with the types of its space, as remote envs give it.

    An env may say it in its own words, without loss: an int for an int64, an array of jax for one of numpy, the keys of
    a dict in another order.
    """
    kind = type(space).__name__
    if kind == "Discrete":
        dtype = np.int64 if space.dtype is None else space.dtype.type
        assert isinstance(value, (int, np.integer))
        assert int(value) == int(dtype(value))
        return dtype(value)
    if kind == "Box" and not isinstance(value, np.ndarray):
        array = np.asarray(value)
        assert array.dtype == space.dtype
        return array
    if kind == "Dict":
        assert set(value) == set(space.spaces)
        return {key: as_its_space_says(part, value[key]) for key, part in space.spaces.items()}
    if kind == "Tuple":
        return tuple(as_its_space_says(part, item) for part, item in zip(space.spaces, value, strict=True))
    return value


def same_space(ours: Any, theirs: Any) -> bool:
    """Whether they are equal. A space of gym may come as the same one of gymnasium.

    A space of strings of a kind of its own (MiniGrid's missions) comes as Text, alone or in a Dict.
    """
    if type(theirs).__name__ == "Dict":
        kinds = (type(ours).__name__, list(ours.spaces)) == ("Dict", list(theirs.spaces))
        return kinds and all(same_space(ours[key], part) for key, part in theirs.spaces.items())
    if type(theirs).__name__ != "Text" and theirs.dtype == np.dtype(str):
        return type(ours).__name__ == "Text"
    if type(ours).__module__.partition(".")[0] == type(theirs).__module__.partition(".")[0]:
        return bool(ours == theirs) and (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    return (type(ours).__name__, str(ours), ours.dtype) == (type(theirs).__name__, str(theirs), theirs.dtype)
