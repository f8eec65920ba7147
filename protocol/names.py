"""The names that the worker has left behind: incarnations of connections that broke."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.messages import Resume

MOST = 64
"""So many former names are remembered. A connection that breaks as often between two words is beyond help."""


class FormerNames:
    """What decides whether a ``resume`` is of the worker that an agent is bound to.

    It is, if the agent knows the worker by ``previous``: by its name of now, or by a former one. While an agent is busy
    elsewhere and says nothing, the worker cannot know which ``resume`` it has heard. A name that was left behind never
    comes back: that word was late.
    """

    def __init__(self) -> None:
        self._names: deque[str] = deque(maxlen=MOST)

    def admit(self, resume: Resume, now: str) -> bool:
        """Whether who is called ``now`` says ``resume``; if so, its new name replaces that."""
        if resume.incarnation == now:
            return True
        if resume.incarnation in self._names or (resume.previous != now and resume.previous not in self._names):
            return False
        self._names.append(now)
        return True
