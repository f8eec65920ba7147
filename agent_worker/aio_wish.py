"""What the doors of ``agent_worker.aio`` are given, as a wish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent_worker.remote import broker_url
from agent_worker.wish import Wish

Prepare = Callable[[Wish], None]
"""Called in a thread before an episode is asked for; what it raises ends the opening."""

OWN = (
    "world", "seat", "make_timeout", "resume_window", "connect_timeout", "reconnect_timeout", "compression",
    "on_worker_loss", "replay_limit",
)  # fmt: skip
"""Keyword arguments that are not the env's."""


def nothing(wish: Wish) -> None:
    """No preparation."""


def wish_of(env_id: str, broker: str | None, kwargs: dict[str, Any], **fields: Any) -> Wish:
    """The wish for an env, of what a door was given by name: ``OWN``, and what is for the env."""
    own = {name: value for name, value in kwargs.items() if name in OWN}
    rest = {name: value for name, value in kwargs.items() if name not in OWN}
    return Wish(broker=broker_url(broker), env_id=env_id, kwargs=rest, **own, **fields)
