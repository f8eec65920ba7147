"""A PyTorch module as a policy: observations in as one batch of tensors, one tensor out, actions of the space.

What comes in, first dimension the lanes: Box and MultiBinary as float32, Discrete and MultiDiscrete as int64, Dict as
a dict and Tuple as a tuple of these. What must come out: for Discrete ``(lanes, n)`` logits or values, or ``(lanes,)``
ints; for MultiDiscrete the logits of all parts one after the other; for MultiBinary a logit for each; for Box the mean.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array

from agent_worker.acting import PolicyError, generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def is_module(found: Any) -> bool:
    """Whether ``found`` is a PyTorch module; it is none if nobody has imported PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(found, torch.nn.Module)


class TorchPolicy:
    """Acts by a PyTorch module: the best action and the mean, or with ``stochastic`` one drawn by the logits.

    Raises ``PolicyError`` when it is made if the module does not take such observations or give such actions: it is
    tried once with ``lanes`` observations of zeros.
    """

    learns = False

    def __init__(
        self,
        name: str,
        module: Any,
        observation_space: Any,
        action_space: Any,
        *,
        seed: int | None = None,
        lanes: int = 1,
        stochastic: bool = False,
    ) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._name, self._module, self._seed = name, module, seed
        self._observation_space, self._action_space = observation_space, action_space
        self._stochastic = stochastic
        self._generators = {lane: generator(seed, lane) for lane in range(lanes)}
        _check_spaces(name, observation_space, action_space, stochastic=stochastic)
        with contextlib.suppress(NotImplementedError):  # an exported program has no other mode
            module.eval()
        self._try(lanes)

    def begin(self, lane: int, number: int) -> None:
        """Draw anew for episode ``number``."""
        self._generators[lane] = generator(self._seed, number)

    def act(self, observation: Any, info: dict[str, Any]) -> Any:
        """The action for one observation."""
        tensors = self._tensors(self._observation_space, observation, single=True)
        actions = self._choose(tensors, 1)[0]
        return int(actions) if isinstance(self._action_space, spaces.Discrete) else actions

    def act_batch(self, observations: Any, infos: Sequence[dict[str, Any]]) -> Any:
        """The actions of all lanes, at one pass of the module."""
        return self._choose(self._tensors(self._observation_space, observations), len(infos))

    def learn(self, *step: Any) -> None:
        """It has learnt already."""

    def _try(self, lanes: int) -> None:
        zeros = create_empty_array(self._observation_space, lanes, fn=np.zeros)
        try:
            self._choose(self._tensors(self._observation_space, zeros), lanes)
        except PolicyError:
            raise
        except Exception as error:  # a stranger's module may raise anything
            first = str(error).strip().partition("\n")[0]
            raise PolicyError(
                f"policy {self._name!r} cannot take {lanes} observations of {self._observation_space}: "
                f"{type(error).__name__}: {first}"
            ) from error

    def _tensors(self, space: Any, values: Any, *, single: bool = False) -> Any:
        if isinstance(space, spaces.Dict):
            return {key: self._tensors(part, values[key], single=single) for key, part in space.spaces.items()}
        if isinstance(space, spaces.Tuple):
            parts = zip(space.spaces, values, strict=True)
            return tuple(self._tensors(part, value, single=single) for part, value in parts)
        whole = isinstance(space, (spaces.Discrete, spaces.MultiDiscrete))
        array = np.asarray(values, np.int64 if whole else np.float32)
        return self._torch.from_numpy(np.array(array[None] if single else array))  # a copy: writable and contiguous

    def _choose(self, tensors: Any, lanes: int) -> npt.NDArray[Any]:
        with self._torch.no_grad():
            out = self._module(tensors)
        if not isinstance(out, self._torch.Tensor):
            raise PolicyError(f"policy {self._name!r} must give one tensor, it gave a {type(out).__name__}")
        found = out.detach().cpu().numpy()
        space = self._action_space
        if isinstance(space, spaces.Discrete):
            if found.shape == (lanes,) and np.issubdtype(found.dtype, np.integer):
                return np.asarray(found, np.int64)
            return np.asarray(self._pick(self._shaped(found, lanes, int(space.n))) + space.start, np.int64)
        if isinstance(space, spaces.MultiDiscrete):
            nvec = np.asarray(space.nvec).ravel()
            parts = np.split(self._shaped(found, lanes, int(nvec.sum())), np.cumsum(nvec)[:-1], axis=1)
            actions = np.stack([self._pick(part) for part in parts], axis=1).reshape(lanes, *space.shape)
            return np.asarray(actions + space.start, space.dtype)
        flat = self._shaped(found, lanes, int(np.prod(space.shape)))
        if isinstance(space, spaces.MultiBinary):
            noise = self._noise(flat.shape, np.random.Generator.logistic)
            return np.asarray((flat + noise > 0).reshape(lanes, *space.shape), space.dtype)
        means = flat.reshape(lanes, *space.shape)
        if np.issubdtype(space.dtype, np.integer):
            means = np.rint(means)
        return np.asarray(np.clip(means, space.low, space.high), space.dtype)

    def _shaped(self, found: npt.NDArray[Any], lanes: int, width: int) -> npt.NDArray[np.float64]:
        if found.shape[:1] != (lanes,) or found.size != lanes * width:
            raise PolicyError(
                f"policy {self._name!r} must give a tensor of shape {(lanes, width)} for {lanes} observations and "
                f"actions of {self._action_space}, it gave {found.shape}"
            )
        return np.asarray(found.reshape(lanes, width), np.float64)

    def _pick(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The best of each row; with noise of Gumbel added to it that is a draw by these logits."""
        noisy = logits + self._noise(logits.shape, np.random.Generator.gumbel)
        return np.asarray(noisy.argmax(axis=1), np.int64)

    def _noise(self, shape: tuple[int, ...], draw: Any) -> npt.NDArray[np.float64]:
        """For each lane from its own generator, so that no lane's actions depend on what the others do."""
        if not self._stochastic:
            return np.zeros(shape)
        lanes, width = shape
        return np.stack([draw(self._generators[lane], size=width) for lane in range(lanes)])


def _check_spaces(name: str, observation_space: Any, action_space: Any, *, stochastic: bool) -> None:
    leaves, known = [observation_space], (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    while leaves:
        space = leaves.pop()
        if isinstance(space, (spaces.Dict, spaces.Tuple)):
            leaves += space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        elif not isinstance(space, known):
            raise PolicyError(f"policy {name!r}: no tensor can be made of observations of {space}")
    if not isinstance(action_space, known):
        kinds = ", ".join(kind.__name__ for kind in known)
        raise PolicyError(f"policy {name!r}: a PyTorch module gives actions of {kinds}; the env has {action_space}")
    if stochastic and isinstance(action_space, spaces.Box):
        text = "gives the mean of a Box, and nothing says what to draw around it (--stochastic)"
        raise PolicyError(f"policy {name!r} {text}")
