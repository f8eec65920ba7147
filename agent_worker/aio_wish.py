"""What the doors of ``agent_worker.aio`` are given, as a wish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent_worker.opening import Wish
from agent_worker.remote import broker_url

Prepare = Callable[[Wish], None]
"""Called in a thread before an episode is asked for; what it raises ends the opening."""

TIMES = ("make_timeout", "resume_window", "connect_timeout", "reconnect_timeout")


def nothing(wish: Wish) -> None:
    """No preparation."""


def wish_of(env_id: str, broker: str | None, kwargs: dict[str, Any], **fields: Any) -> Wish:
    """The wish for an env. Of ``kwargs`` the time-outs are the wish's own, the others are for the env."""
    times = {name: kwargs[name] for name in TIMES if name in kwargs}
    own = {name: value for name, value in kwargs.items() if name not in TIMES}
    return Wish(broker=broker_url(broker), env_id=env_id, kwargs=own, **times, **fields)
