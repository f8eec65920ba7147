"""How the lanes of a vector env lie in its episodes: what each episode is asked, and what all of them say together.

Nothing in here asks or waits: ``spread`` does so in a thread, ``aio_vector`` in an event loop.
"""

from __future__ import annotations

from dataclasses import replace
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_worker.batches import Batches
from agent_worker.errors import InvalidArgument, NothingPending, RemoteEnvError
from agent_worker.parts import split_seeds
from protocol.messages import Frame, Percept
from protocol.sendable import opaque_in
from protocol.tail import owned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_worker.batches import Five
    from protocol.description import Description
    from protocol.messages import Message

Requests = dict[int, dict[str, Any]]
"""The fields of a request, by the number of the episode that is asked."""


class Layout:
    """``num_envs`` lanes, numbered through ``episodes`` episodes that have equally many each."""

    def __init__(self, description: Description, env_id: str, num_envs: int, episodes: int) -> None:
        self.lanes = num_envs // episodes
        """Of each episode."""
        self.episodes = range(episodes)
        self._env_id, self._num_envs = env_id, num_envs
        self.batches = Batches(description, env_id)
        self._ids = np.arange(num_envs, dtype=np.int32).reshape(episodes, self.lanes)
        self._last: list[Percept | None] = [None] * episodes
        """What each episode said last: of lanes that a reset leaves out, it still holds."""
        self._seeds = np.full(num_envs, -1, dtype=object).reshape(self._ids.shape)

    def resets(self, seed: Any, options: dict[str, Any] | None) -> Requests:
        """What each episode is asked for a reset; without those that have no lane in ``options["reset_mask"]``.

        Raises ``ValueError`` for seeds and a mask of other lanes, ``InvalidArgument`` for what cannot be sent.
        """
        masks: list[bytes | None] = [None] * len(self.episodes)
        if options is not None and "reset_mask" in options:
            options = dict(options)
            masks = [bytes(part.tobytes()) for part in self._mask(options.pop("reset_mask"))]
        odd = opaque_in(options) if options else None
        if odd is not None:
            raise InvalidArgument(f"{self._env_id}: options: {odd} cannot be sent to a worker")
        seeds = _plain(list(seed) if isinstance(seed, (list, tuple, np.ndarray)) else seed)
        if isinstance(seeds, list) and len(seeds) != self._num_envs:
            raise ValueError(f"seed: expected {self._num_envs} seeds, one for each lane, got {len(seeds)}")
        parts = zip(split_seeds(seeds, len(self.episodes), self.lanes), masks, strict=True)
        found = {number: {"seed": one, "options": options, "mask": mask} for number, (one, mask) in enumerate(parts)}
        return {number: fields for number, fields in found.items() if fields["mask"] is None or any(fields["mask"])}

    def seeded(self, requests: Requests) -> None:
        """Take note of the seeds in what episodes are asked for a reset."""
        for number, fields in requests.items():
            seed = fields["seed"]
            seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.lanes)]
            for lane, one in enumerate(seeds):
                if one is not None and (fields["mask"] is None or fields["mask"][lane]):
                    self._seeds[number, lane] = one

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed that each lane was reset with last; -1: none yet."""
        return tuple(self._seeds.ravel().tolist())

    def _mask(self, given: Any) -> np.ndarray[Any, Any]:
        mask: np.ndarray[Any, Any] = np.asarray(given)
        if mask.dtype != np.bool_ or mask.shape != (self._num_envs,) or not mask.any():
            expected = f"a bool array of shape ({self._num_envs},) with a True in it"
            raise ValueError(f"reset_mask: expected {expected}, got {given!r:.80}")
        return mask.reshape(self._ids.shape)

    def acts(self, actions: Any) -> Requests:
        """What each episode is asked for a step of all lanes. Raises ``InvalidAction``."""
        wire = self.batches.encode(actions, self._num_envs)
        if len(self.episodes) == 1:
            return {0: {"action": wire}}
        return {number: {"action": part} for number, part in enumerate(self.batches.split(wire, len(self.episodes)))}

    def act(self, number: int, actions: Any) -> Requests:
        """What one episode is asked for a step of its lanes. Raises ``InvalidAction``."""
        return {number: {"action": self.batches.encode(actions, self.lanes)}}

    def number(self, env_id: Any) -> int:
        """The episode whose lanes ``env_id`` names, all of them and in order. Raises ``InvalidArgument``."""
        ids = np.asarray(env_id)
        if ids.shape == (self.lanes,) and ids.dtype.kind in "iu":
            number = int(ids[0]) // self.lanes
            if number in self.episodes and np.array_equal(ids, self._ids[number]):
                return number
        expected = f"the {self.lanes} lanes of one episode, as recv() gave them in infos['env_id']"
        raise InvalidArgument(f"{self._env_id}: env_id: expected {expected}; got {env_id!r:.80}")

    def heard(self, number: int, reply: Message) -> None:
        """Take note of what an episode says."""
        if isinstance(reply, Percept):
            self._last[number] = reply

    def whole(self, replies: Mapping[int, Message]) -> Five:
        """What all lanes perceive. Episodes that were not asked perceive what they did, at a reward of 0.

        Raises ``ProtocolFailure``, ``EnvError``; ``NothingPending`` if these are replies to something else.
        """
        percepts = [
            self._percept(replies[number]) if number in replies else self._unchanged(number) for number in self.episodes
        ]
        if len(percepts) == 1:
            return self.batches.five(percepts[0], self.lanes)
        return self.batches.join(percepts, self.lanes)

    def part(self, number: int, reply: Message) -> Five:
        """What the lanes of one episode perceive, with their numbers in the infos. Raises as ``whole``."""
        percept = self._percept(reply)
        if len(self.episodes) > 1:  # what the user gets he may change, and it may be asked for again: see ``heard``
            percept.observation = owned(percept.observation)
        five = self.batches.five(percept, self.lanes)
        five[4]["env_id"] = self._ids[number].copy()
        return five

    def frames(self, replies: Mapping[int, Message]) -> tuple[Any, ...]:
        """A frame of each lane."""
        return tuple(frame for number in self.episodes for frame in _frames(replies[number], self.lanes))

    def concerning(self, errors: Mapping[int, RemoteEnvError]) -> RemoteEnvError:
        """The first of the errors by episode, with the lanes of all of them in its text and its ``env_id``."""
        first = next(iter(errors.values()))
        if len(self.episodes) > 1:
            places = ", ".join(f"{self._ids[number][0]} to {self._ids[number][-1]}" for number in errors)
            first.args = (f"lanes {places}: {first}",)
            first.env_id = np.concatenate([self._ids[number] for number in errors])
        return first

    def _unchanged(self, number: int) -> Percept:
        last = self._last[number]
        assert last is not None
        none = bytes(self.lanes)
        return replace(last, reward=bytes(8 * self.lanes), terminated=none, truncated=none, info={})

    def _percept(self, reply: Message) -> Percept:
        if isinstance(reply, Percept):
            return reply
        text = f"the {reply.performative} that was overdue has come, and is dropped: nothing was stepped"
        raise NothingPending(f"{self._env_id}: {text}")


def _frames(reply: Message, lanes: int) -> list[Any]:
    assert isinstance(reply, Frame)
    if isinstance(reply.frame, (list, tuple)) and len(reply.frame) == lanes:
        return list(reply.frame)
    return [reply.frame] * lanes  # a vector env of its own kind that draws all of its lanes in one


def _plain(seed: Any) -> Any:
    """Python ints for numpy's."""
    if isinstance(seed, list):
        return [None if one is None else index(one) for one in seed]
    return None if seed is None else index(seed)
