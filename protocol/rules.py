"""The transitions of a dialogue, as a table, and nothing but the table.

Both sides run the same table: what one side does when it sends, the other does when it receives (the idea is h11's).
``TRANSITIONS[state][request][reply]`` is the next state; a pair that is not there is refused and changes nothing.
``make docs`` draws the diagram of ``docs/protocol.md`` from this file.
"""

from __future__ import annotations

import enum

from protocol.messages import (
    Accepted,
    Act,
    Call,
    Close,
    Closed,
    Error,
    Frame,
    Make,
    Percept,
    Probe,
    Render,
    Reply,
    Request,
    Reset,
    Result,
    Resume,
    Status,
    Working,
)


class State(enum.Enum):
    """Where an episode stands."""

    __hash__ = object.__hash__  # of an identity; that of ``Enum`` is a Python function, and this one is hot

    NEW = "new"
    """No env yet; ``make`` is the only thing to say."""
    FRESH = "fresh"
    """There is an env, but no run: ``reset`` comes first."""
    RUNNING = "running"
    """A run is under way, or over and not yet reset: the env decides what an act means after the end."""
    ENDED = "ended"
    """Nothing more is said."""


TRANSITIONS: dict[State, dict[type[Request], dict[type[Reply], State]]] = {
    State.NEW: {
        Make: {Status: State.FRESH, Error: State.ENDED},
        Close: {Closed: State.ENDED, Error: State.ENDED},
    },
    State.FRESH: {
        Reset: {Percept: State.RUNNING, Error: State.FRESH},
        Call: {Result: State.FRESH, Error: State.FRESH},
        Close: {Closed: State.ENDED, Error: State.ENDED},
    },
    State.RUNNING: {
        Reset: {Percept: State.RUNNING, Error: State.FRESH},
        Act: {Percept: State.RUNNING, Error: State.RUNNING},
        Render: {Frame: State.RUNNING, Error: State.RUNNING},
        Call: {Result: State.RUNNING, Error: State.RUNNING},
        Close: {Closed: State.ENDED, Error: State.ENDED},
    },
    State.ENDED: {},
}

OUTCOMES = frozenset({Status, Percept, Frame, Result, Closed})
"""What a request is for."""

PROVISIONAL: tuple[type[Reply], ...] = (Accepted, Working)
"""Replies that only say that the real one will come."""

AGENT_SAYS = frozenset({Make, Reset, Act, Render, Call, Close, Probe, Resume})
ENV_SAYS = frozenset({Accepted, Status, Percept, Frame, Result, Working, Closed, Error, Probe, Resume})
"""Roles are bound to performatives: an agent can never send a percept."""
