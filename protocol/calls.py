"""What may stand in ``Description.calls``, and so in the ``name`` of a ``call``: one of these three.

* ``NAME``: a method; ``args`` and ``kwargs`` are its own.
* ``get:NAME``: an attribute to be read; no arguments.
* ``set:NAME``: an attribute to be set; its value is the only argument.

In an episode of lanes ``args`` begins with the lanes: None for all of them, or a list of their numbers. ``set:`` is
followed by a list of as many values, and the result is a list with an entry for each lane.
"""

from __future__ import annotations

GET = "get:"
SET = "set:"

_MESSAGES = frozenset({"reset", "step", "render", "close"})

_DOORS = frozenset({"get_wrapper_attr", "set_wrapper_attr", "has_wrapper_attr"})
"""Methods of every Gymnasium env that take a name: who may call one of them may use them all."""


def why_not(name: str) -> str | None:
    """Why ``name`` can never be called, read or set from afar, whatever is allowed; or None."""
    if "." in name:
        return f"{name!r} is a path, and only an attribute of the env itself can be reached"
    if name.startswith("_"):
        return f"{name!r} is private, as it begins with an underscore"
    if not name.isidentifier():
        return f"{name!r} is no name of a method or an attribute"
    if name in _MESSAGES:
        return f"{name!r} has a message of its own"
    if name in _DOORS:
        return f"{name!r} takes the name of any attribute; name those that are meant"
    return None


def split(entry: str) -> tuple[str, str]:
    """``("get:", "NAME")`` for ``get:NAME``; for a method the first is empty."""
    for prefix in (GET, SET):
        if entry.startswith(prefix):
            return prefix, entry[len(prefix) :]
    return "", entry
