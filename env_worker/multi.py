"""The one place that tells multi-agent envs from others, and their two kinds apart. It does not import PettingZoo."""

from __future__ import annotations

from typing import Any, Literal


def kind_of(env: Any) -> Literal["parallel", "aec"] | None:
    """``parallel``: all agents act at once. ``aec``: they take turns. None: an env of one agent.

    It goes by what an env can do, as an env may descend from no class of PettingZoo's: where there are many agents,
    ``observation_space`` and ``action_space`` are methods; where they take turns, one asks whose it is (``last``).
    Nothing that is there only after a reset is looked at.
    """
    if not _can(env, "observation_space", "action_space"):
        return None
    return "aec" if _can(env, "observe", "last") else "parallel"


def _can(env: Any, *methods: str) -> bool:
    return all(callable(getattr(env, method, None)) for method in methods)
