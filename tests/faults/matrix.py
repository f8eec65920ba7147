"""All rows: importing this registers them."""

from __future__ import annotations

from tests.faults import (
    rows_agent,
    rows_broker,
    rows_bytes,
    rows_isolation,
    rows_limits,
    rows_link,
    rows_machine,
    rows_many,
    rows_slow,
    rows_worker,
)
from tests.faults.rows import ROWS

MODULES = (
    rows_agent, rows_broker, rows_bytes, rows_isolation, rows_limits, rows_link, rows_machine, rows_many, rows_slow,
    rows_worker,
)  # fmt: skip

__all__ = ["MODULES", "ROWS"]
