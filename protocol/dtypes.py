"""The numpy dtypes that travel, and their one-byte codes. Nothing from the wire ever reaches ``np.dtype``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

DType: TypeAlias = "np.dtype[Any]"

NAMES: tuple[str, ...] = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""Position is the code on the wire: it never changes, new ones come behind."""

TEXT_CODE = 32
"""Arrays of strings (numpy's ``U``): UCS-4, as many code points for each item as the header says."""

DTYPES: tuple[DType, ...] = tuple(np.dtype(name).newbyteorder("<") for name in NAMES)
"""By code; little-endian, which is the native form on all hosts but a few mainframes."""

CODES: dict[DType, int] = {dtype: code for code, dtype in enumerate(DTYPES)}

SPACE_DTYPES: dict[str, DType] = {name: dtype for name, dtype in zip(NAMES, DTYPES, strict=True) if dtype.kind != "c"}
"""What the elements of a space can be, by name."""


def code_of(dtype: DType) -> int | None:
    """The code of a dtype of any byte order, or None if it does not travel."""
    code = CODES.get(dtype)
    if code is None and dtype.kind in "biufc":
        code = CODES.get(dtype.newbyteorder("<"))
    return code


def are_bools(data: bytes) -> bool:
    """Whether all bytes are 0 or 1. numpy would take any other for a bool that is neither true nor false."""
    if len(data) < 4096:
        return not bytes(data).translate(None, b"\0\1")
    return bool(np.frombuffer(data, np.uint8).max() <= 1)
