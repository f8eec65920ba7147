"""Equality to the last bit and to the type, for whatever an env can say."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


def identical(left: Any, right: Any) -> bool:
    """Same types, dtypes, shapes and bits, through all containers; NaN is identical to the same NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        if left.dtype != right.dtype or left.shape != right.shape:
            return False
        if left.dtype == object:
            return all(identical(a, b) for a, b in zip(left.flat, right.flat, strict=True))
        return left.tobytes() == right.tobytes()
    if isinstance(left, np.generic):
        return left.dtype == right.dtype and left.tobytes() == right.tobytes()
    if isinstance(left, dict):
        return list(left) == list(right) and all(identical(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(identical(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, float):
        return struct.pack("d", left) == struct.pack("d", right)
    return bool(left == right)
