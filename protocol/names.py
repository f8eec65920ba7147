"""The names that the worker has left behind: incarnations of connections that broke."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.messages import Resume

MOST = 64
"""So many former names are remembered."""


class FormerNames:
    """What decides whether a ``resume`` is of the worker that an agent is bound to.

    It is, if the agent knows the worker by ``previous``: by its name of now, or by a former one. While an agent is busy
    elsewhere and says nothing, the worker cannot know which ``resume`` it has heard: it goes on to call itself by the
    name that the agent last spoke to, however often its connection breaks meanwhile. A name that was left behind never
    comes back: that word was late.
    """

    def __init__(self) -> None:
        self._names: deque[str] = deque(maxlen=MOST)
        self._previous: str | None = None
        """What the worker last said that we know it by."""
        self._early: dict[str, str] = {}
        """What those who might become our worker said that we know them by, by their names of then."""

    def hear_early(self, resume: Resume) -> None:
        """Somebody comes back before the agent is bound to anybody."""
        if len(self._early) < MOST:
            self._early[resume.incarnation] = resume.previous

    def bind(self, name: str) -> None:
        """The agent is bound to a worker by this ``name``; which may go on to call itself by the one before."""
        self._previous = self._early.get(name)
        self._early.clear()

    def admit(self, resume: Resume, now: str) -> bool:
        """Whether who is called ``now`` says ``resume``; if so, its new name replaces that."""
        if resume.incarnation == now:
            return True
        known = resume.previous in (now, self._previous) or resume.previous in self._names
        if resume.incarnation in self._names or not known:
            return False
        self._names.append(now)
        self._previous = resume.previous
        return True
