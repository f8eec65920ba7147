"""Remote ``call``: what agents may call, read and set. The operator says so, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from env_worker.host import BadCall
from protocol.calls import GET, SET, split, why_not
from protocol.errors import EncodeError
from protocol.sendable import opaque_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from protocol.messages import Call

T = TypeVar("T")


@dataclass(frozen=True)
class Allowed:
    """What agents may use of the envs of a worker, by name. Raises ``ValueError`` for what nobody may ever use."""

    call: tuple[str, ...] = ()
    """Methods to be called."""
    get: tuple[str, ...] = ()
    """Attributes to be read."""
    set: tuple[str, ...] = ()
    """Attributes to be set."""

    def __post_init__(self) -> None:
        for kind in ("call", "get", "set"):
            for name in getattr(self, kind):
                reason = why_not(name)
                if reason is not None:
                    raise ValueError(f"--allow-{kind}: {reason}")

    def __bool__(self) -> bool:
        return bool(self.call or self.get or self.set)

    def __str__(self) -> str:
        parts = {"call": self.call, "read": self.get, "set": self.set}
        return "; ".join(f"{what} {', '.join(names)}" for what, names in parts.items() if names) or "call nothing"

    def of(self, env: Any) -> tuple[str, ...]:
        """``Description.calls`` for ``env``: the methods that it has, and all attributes: these may appear later."""
        methods = [name for name in self.call if callable(_found(env, name, None))]
        return (*methods, *(GET + name for name in self.get), *(SET + name for name in self.set))

    def check(self, entry: str) -> tuple[str, str]:
        """The kind and the name of what a ``call`` asks for. Raises ``BadCall`` unless it is allowed."""
        kind, name = split(entry)
        reason = why_not(name)
        if reason is not None:
            raise BadCall(reason)
        if name not in {"": self.call, GET: self.get, SET: self.set}[kind]:
            raise BadCall(f"{entry!r} is not allowed; agents may {self}")
        return kind, name


def answer(allowed: Allowed, env: Any, request: Call) -> Any:
    """The value of the result of ``request``. Raises ``BadCall``, ``EncodeError``, and what the env raises."""
    kind, name = allowed.check(request.name)
    return _sendable(request, _perform(env, kind, name, request.args, request.kwargs))


def answer_lanes(allowed: Allowed, envs: Sequence[Any], request: Call) -> list[Any]:
    """The same for lanes: an entry for each lane that was asked for, in the order in which it was asked."""
    kind, name = allowed.check(request.name)
    chosen = [envs[lane] for lane in _lanes(request, len(envs))]
    args, kwargs = request.args[1:], request.kwargs
    if kind != SET:
        return _sendable(request, [_perform(env, kind, name, args, kwargs) for env in chosen])
    if len(args) != 1 or type(args[0]) is not list or len(args[0]) != len(chosen):
        raise BadCall(f"{request.name}: expected a list of {len(chosen)} values, one for each lane")
    for env in chosen:
        _holder(env, name)  # all of them, or none
    return [_perform(env, kind, name, [value], kwargs) for env, value in zip(chosen, args[0], strict=True)]


def _perform(env: Any, kind: str, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if kind == "":
        method = _found(env, name)
        if not callable(method):
            raise BadCall(f"{name!r} is no method of the env")
        return method(*args, **kwargs)
    if kwargs or len(args) != (kind == SET):
        expected = "one value" if kind == SET else "no arguments"
        raise BadCall(f"{kind}{name}: expected {expected}, got {len(args) + len(kwargs)}")
    if kind == GET:
        return _found(env, name)
    setattr(_holder(env, name), name, args[0])
    return None


def _sendable(request: Call, value: T) -> T:
    odd = opaque_in(value)
    if odd is not None:
        raise EncodeError(f"result of {request.name}: {odd}")
    return value


def _lanes(request: Call, count: int) -> Sequence[int]:
    lanes = request.args[0] if request.args else 0
    if lanes is None:
        return range(count)
    if type(lanes) is not list or any(type(lane) is not int or not 0 <= lane < count for lane in lanes):
        raise BadCall(f"{request.name}: expected the lanes first, None or a list of numbers from 0 to {count - 1}")
    return lanes


def _layers(env: Any) -> Iterator[Any]:
    """The env and what is within it, from the outermost wrapper on, as ``get_wrapper_attr`` goes."""
    while env is not None:
        yield env
        env = getattr(env, "__dict__", {}).get("env")


_MISSING = object()


def _found(env: Any, name: str, default: Any = _MISSING) -> Any:
    """The attribute of the outermost layer that has it. Raises ``BadCall``, unless there is a ``default``."""
    for layer in _layers(env):
        value = getattr(layer, name, _MISSING)
        if value is not _MISSING:
            return value
    if default is _MISSING:
        raise BadCall(f"the env has no attribute {name!r}")
    return default


def _holder(env: Any, name: str) -> Any:
    """The outermost layer that has the attribute itself, not by looking further in. Raises ``BadCall``."""
    for layer in _layers(env):
        if name in getattr(layer, "__dict__", {}) or hasattr(type(layer), name):
            return layer
    raise BadCall(f"the env has no attribute {name!r} to be set")
