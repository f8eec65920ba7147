"""docs/faults.json: what each row came to when it was last run. The page is made from it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.faults.page import page
from tests.support.commands import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.faults.rows import Result

JSON, PAGE = ROOT / "docs/faults.json", ROOT / "docs/faults.md"


def write(results: Sequence[Result], order: Sequence[str], elsewhere: Mapping[str, str]) -> None:
    """Put ``results`` in the place of what these rows came to before, and make the page anew.

    All other rows stay as they are, and each says when it was run, and at which commit. So does a row that could not
    run here, if it has once run.
    """
    former = json.loads(JSON.read_text())["rows"] if JSON.exists() else []
    rows: dict[str, Any] = {one["name"]: one for one in former}
    seen = {name for name, one in rows.items() if not one["cannot"]}
    rows.update({one.name: _rounded(asdict(one)) for one in results if not (one.cannot and one.name in seen)})
    kept = [rows[name] for name in order if name in rows]
    record = {"machine": machine(), "rows": kept}
    JSON.write_text(json.dumps(record, indent=1) + "\n")
    PAGE.write_text(page(record, elsewhere))


def machine() -> str:
    """Where the last run was, for the page."""
    return (
        f"The last on {os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}; "
        f"load average at its end {os.getloadavg()[0]:.1f}."
    )


def commit() -> str:
    """What is run. Ask before the page is written: that makes it dirty."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() or "unknown"


def now() -> str:
    """Day and time."""
    return time.strftime("%m-%d %H:%M", time.gmtime())


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [round(one, 4) for one in value] if name in ("detect_s", "recover_s") else value
        for name, value in row.items()
    } | {"figures": {name: [round(one, 4) for one in found] for name, found in row["figures"].items()}}
