"""docs/faults.md, from docs/faults.json: what was done to the system, how often, and what came of it. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEAD = """# Faults

Made by `make test-faults`; do not edit. Each row is a fault that was injected into real processes around a private
RabbitMQ, so many times. Both sides write a journal; after each trial a checker reads both: no request executed twice;
what the agent saw is what one env did, in order; each open ends in an end or an error; no wait beyond its bound;
nothing left behind at the broker or on the machine. A trial in which any of that, or what the row expects, does not
hold is *violated*.
`tests/faults` is the rig; `FAULTS_ARGS="--only F9 --trials 20"` runs single rows.

*At most*: the upper bound of the share of violations with 95 % confidence (3 / trials where there were none). *Detect*:
from the fault until somebody is told, or begins to connect again. *Recover*: from its
end until steps go on, or the slot is free.
*Run*: when (UTC) and at which commit: a run of some rows leaves the others as they are.
*Known limit*: the row shows what the product does not do; it is counted among no promises.
*Cannot run here*: the machine does not allow what the row needs (root, mostly), and nothing was seen of it.
Other figures are medians, with the greatest in brackets. The bounds are scaled down (lease 1 s, window 1 s, heartbeats
as each row says), and a machine that does something else meanwhile makes all of it slower.
"""

ELSEWHERE = """
## Rows of the matrix that are not here

| row | why |
|---|---|
"""


def at_most(violated: int, trials: int) -> float:
    """Upper bound, with 95 % confidence, of the share of trials that are violated: the rule of three, or Wilson's."""
    if not trials:
        return 1.0
    if not violated:
        return min(1.0, 3.0 / trials)
    z, share = 1.645, violated / trials
    middle = share + z * z / (2 * trials)
    spread = z * (share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5
    return min(1.0, (middle + spread) / (1 + z * z / trials))


def page(record: Mapping[str, Any], elsewhere: Mapping[str, str]) -> str:
    """The whole page. ``elsewhere``: rows that are not run here, and why."""
    rows = record["rows"]
    lines = [
        HEAD,
        f"{summary(rows)} {record['machine']}",
        "",
        "| row | fault | expected | trials | violated | at most | detect p50 (max) | recover p50 (max) | else | run |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_line(one) for one in rows),
    ]
    wrong = [f"* {one['name']}: {text}" for one in rows for text in one["violations"]]
    if wrong:
        lines += ["", "## Violations", "", *wrong]
    text = "\n".join(lines) + "\n" + ELSEWHERE
    return text + "".join(f"| {name} | {why} |\n" for name, why in elsewhere.items())


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """What all rows came to, in a line."""
    promises = [one for one in rows if not one["known_limit"] and not one["cannot"]]
    limits = [one["name"] for one in rows if one["known_limit"]]
    cannot = sum(bool(one["cannot"]) for one in rows)
    trials, violated = sum(one["trials"] for one in promises), sum(one["violated"] for one in rows)
    took, by_hand = (sum(one["took_s"] for one in rows if one["by_hand"] is by) / 60 for by in (False, True))
    return (
        f"{len(promises)} rows of promises, {trials} trials; violated: {violated}. "
        + (f"Known limits: {len(limits)} ({', '.join(limits)}). " if limits else "")
        + f"{cannot} rows could not run here. {took:.0f} minutes"
        + (f", and {by_hand:.0f} for what is run by hand." if by_hand else ".")
    )


def _line(one: Mapping[str, Any]) -> str:
    bound = "" if one["cannot"] else f"{100 * at_most(one['violated'], one['trials']):.3g} %"
    bound = "known limit" if one["known_limit"] else bound
    times = f"{_times(one['detect_s'])} | {_times(one['recover_s'])}"
    figures = "; ".join(
        f"{name} {statistics.median(found):.3g} ({max(found):.3g})" for name, found in one["figures"].items()
    )
    figures = f"cannot run here: {one['cannot']}" if one["cannot"] else figures
    what = f"| {one['name']} | {one['fault']} | {one['expected']} "
    return f"{what}| {one['trials']} | {one['violated']} | {bound} | {times} | {figures} | {one['ran']} |"


def _times(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f"{_shown(statistics.median(seconds))} ({_shown(max(seconds))})"


def _shown(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
