"""What is held: every object that can be reached from some roots, and from the modules of ours."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

PACKAGES = ("protocol", "broker", "env_worker", "agent_worker", "gymbroker")

NOT_OURS = (ModuleType, type, FunctionType, BuiltinFunctionType, CodeType, FrameType)
"""Not looked into: they lead to all there is in the interpreter."""


def held(*roots: object) -> Counter[str]:
    """How many objects of each type can be reached, also strings, bytes and numbers."""
    modules = [vars(module) for name, module in list(sys.modules.items()) if name.partition(".")[0] in PACKAGES]
    left: list[Any] = [*roots, *modules]
    seen = {id(one): one for one in left}
    while left:
        for one in gc.get_referents(left.pop()):
            if id(one) not in seen and not isinstance(one, NOT_OURS):
                seen[id(one)] = one
                left.append(one)
    return Counter(type(one).__qualname__ for one in seen.values())
