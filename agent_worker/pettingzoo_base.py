"""The classes of PettingZoo, which is an extra: nothing else of ours imports it."""

from __future__ import annotations

try:
    from pettingzoo import AECEnv, ParallelEnv
except ImportError as error:
    text = f"envs of many agents need PettingZoo: pip install 'gymbroker[multi-agent]' ({error})"
    raise ImportError(text, name="pettingzoo") from error

__all__ = ["AECEnv", "ParallelEnv"]
