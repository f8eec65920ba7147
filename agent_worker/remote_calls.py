"""What an env has besides ``reset``, ``step``, ``render`` and ``close``: as far as its worker's operator allows it.

``env.get_wrapper_attr``, ``env.unwrapped.name`` and the like ask the worker for the names of ``description.calls``.
Names with a leading underscore never do, so that ``copy``, ``pickle`` and a look around open no episode; other names
that this object has not do open it, as only the worker can tell what is allowed.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_worker.errors import CallRefused, InvalidArgument, ProtocolFailure
from protocol.calls import GET, SET, split
from protocol.errors import EncodeError
from protocol.messages import Call, Render, Result
from protocol.sendable import opaque_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent_worker.lasting import AnySession
    from agent_worker.spread import Spread
    from agent_worker.wish import Wish
    from protocol.description import Description


def entry_for(description: Description, name: str, *, bare: bool) -> str:
    """What to ask the worker for: the method ``name``, or, if ``bare`` of arguments, the attribute.

    Raises ``CallRefused`` for what is not allowed.
    """
    if name in description.calls:
        return name
    if bare and GET + name in description.calls:
        return GET + name
    raise refusal(description, name)


def refusal(description: Description, name: str) -> CallRefused:
    """The error for what ``description`` does not list; it says what is listed."""
    names: dict[str, list[str]] = {"": [], GET: [], SET: []}
    for entry in description.calls:
        kind, listed = split(entry)
        names[kind].append(listed)
    verbs = {"": "call", GET: "read", SET: "set"}
    allowed = "; ".join(f"{verbs[kind]} {', '.join(listed)}" for kind, listed in names.items() if listed)
    text = f"{name!r} is no attribute that worker {description.worker} lets agents use"
    return CallRefused(f"{description.env_id}: {text}; they may {allowed or 'call, read and set nothing'}")


@contextmanager
def sendable(wish: Wish, entry: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[None]:
    """Around a call: raises ``InvalidArgument``, before anything is sent, for what cannot arrive as it is."""
    odd = opaque_in([list(args), kwargs])
    if odd is not None:
        raise InvalidArgument(f"{wish.env_id}: {entry}: {odd} cannot be sent to a worker")
    try:
        yield
    except EncodeError as error:
        raise InvalidArgument(f"{wish.env_id}: {entry}: what it was given cannot be sent: {error}") from error


class RemoteCalls:
    """The doors of a single env, whichever library's ``Env`` it is presented as."""

    if TYPE_CHECKING:
        _wish: Wish
        _closed: bool
        _used: bool
        step_timeout: float

        def _open(self) -> AnySession: ...
        def _know(self) -> Description: ...

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the env's method ``name`` and give what it returns; without arguments also: read the attribute.

        Raises ``CallRefused``, before anything is sent, for what ``description.calls`` does not list;
        ``InvalidArgument`` for arguments that cannot be sent; ``EnvError`` if it raises, or gives what cannot be sent.
        """
        return self._ask(entry_for(self._know(), name, bare=not args and not kwargs), args, kwargs)

    def _ask(self, entry: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        session = self._open()
        self._used = True  # whatever it was: the env may not be as it was made
        with sendable(self._wish, entry, args, kwargs):
            result = session.request(Call, self.step_timeout, name=entry, args=list(args), kwargs=kwargs)
        assert isinstance(result, Result)
        return result.value

    if not TYPE_CHECKING:  # it would make a type checker believe in any attribute

        def __getattr__(self, name: str) -> Any:
            """Of names that are not its own: a method of the remote env to be called, or the value of an attribute."""
            return self._found(name)

    def _found(self, name: str) -> Any:
        ours = hasattr(type(self), name)  # a property that raised an AttributeError
        description = None if ours else self._may_know(name)
        if description is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in description.calls:
            return functools.partial(self.call, name)
        return self._ask(entry_for(description, name, bare=True), (), {})

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets the remote attribute where the worker allows it and this object has none of that name."""
        if self._settable(name):
            self._ask(SET + name, (value,), {})
        else:
            super().__setattr__(name, value)

    def _settable(self, name: str) -> bool:
        if name.startswith("_") or name in self.__dict__ or hasattr(type(self), name):
            return False
        description = self._may_know(name)
        return description is not None and SET + name in description.calls

    def _may_know(self, name: str) -> Description | None:
        """The description, if ``name`` may be one of the env's. It opens the episode, unless we are half made."""
        if name.startswith("_") or "_closed" not in self.__dict__:
            return None
        if self._closed and self.__dict__.get("_description") is None:
            return None
        return self._know()

    def set_wrapper_attr(self, name: str, value: Any, *, force: bool = True) -> bool:
        """As Gymnasium's. Raises ``CallRefused`` for what neither this object has nor the worker lets be set.

        ``force`` changes nothing: an attribute that nobody has would be set where the env does not see it.
        """
        own = name in self.__dict__ or hasattr(type(self), name)
        if not own and SET + name not in self._know().calls:
            raise refusal(self._know(), name)
        setattr(self, name, value)
        return True


class Asked(NamedTuple):
    """Lanes of one episode."""

    places: Sequence[int]
    """Where they stand among all that are asked."""
    own: list[int] | None
    """Their numbers in the episode; None: all, in order."""


class LaneCalls:
    """The doors of a vector env: what ``SyncVectorEnv`` has, and the same for some of the lanes."""

    if TYPE_CHECKING:
        _wish: Wish
        _spread: Spread
        _used: bool
        num_envs: int
        episodes: int
        step_timeout: float
        render_mode: str | None

        @property
        def descriptions(self) -> tuple[Description, ...]: ...

        def render(self) -> Any: ...
        def _patience(self, timeout: float | None) -> float: ...

    _under_way: tuple[str, dict[int, Asked]] = ("", {})
    """What was called last, and of whom."""

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call the method ``name`` of each lane, or read the attribute; gives an entry for each. Raises as a single
        env's ``call``. ``call("render")`` gives the frames, whatever is allowed, as ``render`` does."""
        if name == "render" and not args and not kwargs:
            frames = self.render()
            return (None,) * self.num_envs if frames is None else tuple(frames)
        return self.call_lanes(None, name, *args, **kwargs)

    def call_lanes(self, lanes: Iterable[int] | None, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The same for the ``lanes`` of these numbers, in their order; None: all of them."""
        self._ask_lanes(lanes, name, args, kwargs)
        return self.call_wait()

    def call_async(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Ask for what ``call`` does and come back at once, as ``AsyncVectorEnv`` does; next: ``call_wait``."""
        if name == "render" and not args and not kwargs and self.render_mode is not None:
            self._used = True
            self._spread.ask_frames(self.step_timeout)
        else:
            self._ask_lanes(None, name, args, kwargs)

    def call_wait(self, timeout: float | None = None) -> tuple[Any, ...]:
        """The result of ``call_async``, or of a ``call`` that timed out. Raises ``NothingPending`` without one, and
        ``StepTimeout`` if nothing came within ``timeout`` seconds (None: ``step_timeout``); call it again then.
        """
        patience = self._patience(timeout)
        if self._spread.awaited is Render:
            return self._spread.frames(patience)
        found = self._spread.called(patience)
        name, asked = self._under_way
        values: dict[int, Any] = {}
        for number, one in asked.items():
            given = found[number]
            if not isinstance(given, list) or len(given) != len(one.places):
                raise ProtocolFailure(f"{self._wish.env_id}: {name}: the worker did not answer for each lane")
            values.update(zip(one.places, given, strict=True))
        return tuple(values[place] for place in sorted(values))

    def _ask_lanes(
        self, lanes: Iterable[int] | None, name: str, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        bare = not args and not kwargs
        entries = [entry_for(description, name, bare=bare) for description in self.descriptions]
        asked = self._asked(lanes)
        requests = {
            number: {"name": entries[number], "args": [one.own, *args], "kwargs": kwargs}
            for number, one in asked.items()
        }
        self._ask(name, requests, args, kwargs)
        self._under_way = name, asked

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The attribute ``name`` of each lane."""
        return self.call(name)

    def set_attr(self, name: str, values: Any, lanes: Iterable[int] | None = None) -> None:
        """Set the attribute ``name``: to one of ``values`` in each lane, if it is a list or tuple, else to ``values``.

        Of the ``lanes`` of these numbers; None: of all. Raises ``CallRefused``, ``ValueError`` for a wrong number.
        """
        for description in self.descriptions:
            if SET + name not in description.calls:
                raise refusal(description, name)
        asked = self._asked(lanes)
        count = sum(len(one.places) for one in asked.values())
        each = list(values) if isinstance(values, (list, tuple)) else [values] * count
        if len(each) != count:
            raise ValueError(f"set_attr: expected {count} values, one for each lane, got {len(each)}")
        requests = {
            number: {"name": SET + name, "args": [one.own, [each[place] for place in one.places]], "kwargs": {}}
            for number, one in asked.items()
        }
        self._ask(SET + name, requests, each, {})
        self._under_way = SET + name, {}
        self._spread.called(self.step_timeout)

    def _ask(
        self, entry: str, requests: dict[int, dict[str, Any]], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> None:
        self._used = True  # as above
        with sendable(self._wish, entry, args, kwargs):
            self._spread.ask_call(requests, self.step_timeout)

    def _asked(self, lanes: Iterable[int] | None) -> dict[int, Asked]:
        """Who of each episode is asked. Raises ``ValueError`` for numbers of no lane."""
        size = self.num_envs // self.episodes
        if lanes is None:
            return {number: Asked(range(size * number, size * (number + 1)), None) for number in range(self.episodes)}
        numbers = [int(lane) for lane in lanes]
        if any(not 0 <= number < self.num_envs for number in numbers):
            raise ValueError(f"lanes: expected numbers from 0 to {self.num_envs - 1}, got {numbers}")
        places: dict[int, list[int]] = {}
        for place, lane in enumerate(numbers):
            places.setdefault(lane // size, []).append(place)
        return {number: Asked(found, [numbers[place] % size for place in found]) for number, found in places.items()}
