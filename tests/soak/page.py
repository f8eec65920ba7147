"""docs/soak.md and docs/soak.json: what a soak found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.soak.sampling import FILLING_S
from tests.soak.slope import fit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.soak.run import Soak

WARM_UP = 1 / 3
"""Memory counts after this part of the run: until then caches fill, and the broker is killed once."""

LIMITS = {"agents": 5.0, "supervisors": 5.0, "steppers": 5.0, "broker": 20.0}
"""Growth that has to be ruled out, in MB an hour of one process."""

NAMES = {
    "agents": "agents that live all along",
    "supervisors": "supervisors that live all along",
    "steppers": "steppers that live all along",
    "broker": "the broker",
}

CRITERION = (
    "A memory is *flat* if the 95 % interval of its slope ends below the limit, and begins below a fifth of it. "
    "The slope is that of a straight line through the means of each minute, of the anonymous resident memory (of the "
    "broker: what it has in use), averaged over the processes of the group; the interval is widened by what successive "
    "residuals have in common. "
    f"Not counted: the first third of the run, and of the broker the {FILLING_S:g} s after each restart, in which it "
    "fills."
)


def record(soak: Soak, about: dict[str, Any]) -> dict[str, Any]:
    """All that was found, for soak.json."""
    seconds = soak.samples.seconds
    first = next(at for at, second in enumerate(seconds) if second >= WARM_UP * seconds[-1])
    memory = {}
    for name, limit in LIMITS.items():
        slope = fit(seconds[first:], soak.samples.bytes[name][first:])
        files = soak.samples.files[name]
        memory[name] = {
            **slope.to_json(), "limit": limit, "flat": slope.flat(limit), "processes": len(soak.samples.pids[name]),
            "files_first": min(files[first : first + 24]), "files_last": min(files[-24:]),
        }  # fmt: skip
    totals = soak.totals()
    return {
        **about, **totals, "violations": soak.violations, "holds": soak.holds, "memory": memory,
        "flat": all(found["flat"] for found in memory.values()), "samples": soak.samples.to_json(),
    }  # fmt: skip


def write(found: dict[str, Any], folder: Path) -> None:
    """Both files into ``folder``."""
    (folder / "soak.json").write_text(json.dumps(found) + "\n")
    (folder / "soak.md").write_text(page(found))


def page(found: dict[str, Any]) -> str:
    """The page, made of what stands in soak.json."""
    faults = ", ".join(f"{count} times {what}" for what, count in sorted(found["faults"].items()))
    errors = ", ".join(f"{count} {name}" for name, count in sorted(found["errors"].items())) or "none"
    violations = found["violations"]
    memory = [_memory_row(name, one) for name, one in found["memory"].items()]
    holds = [
        f"| {one['second']} s | {one['episodes']} | {one['queues']} | {one['took_s']} s |" for one in found["holds"]
    ]
    return "\n".join(
        [
            "# A long run under faults",
            "Written by `make soak`; do not edit. The samples are in [soak.json](soak.json).",
            "",
            f"{found['minutes']:g} minutes on {found['date']}, commit {found['commit']}, {found['machine']}: "
            f"{found['agents']} agents and {found['workers']} workers "
            "open, step and close envs over a RabbitMQ of their own, and random faults strike them. Each observation "
            "says how often, in which order and with which actions the env was executed, and each agent checks it.",
            "",
            f"* **{found['episodes']:,} episodes** to their end, {found['requests']:,} requests",
            f"* **{sum(found['faults'].values())} faults**: {faults}",
            f"* errors that agents got, all named ones: {errors}",
            f"* **{len(violations)} violations**" + "".join(f"\n  * {text}" for text in violations[:20]),
            f"* memory: **{'flat' if found['flat'] else 'not flat'}**",
            "",
            "## Memory",
            CRITERION,
            "",
            "| of each of | processes | MB an hour | 95 % interval | limit | MB, from-to | open files, from-to | |",
            "|---|---:|---:|---:|---:|---:|---:|---|",
            *memory,
            "",
            "## Queues",
            "Now and then all agents hold what they have open, no fault strikes, and soon two queues are there for "
            "each open episode, and no other. At the end all are closed.",
            "",
            "| at | open episodes | queues of episodes | reached after |",
            "|---:|---:|---:|---:|",
            *holds,
            "",
        ]
    )


def _memory_row(name: str, one: dict[str, Any]) -> str:
    verdict = "flat" if one["flat"] else "**not flat**"
    return (
        f"| {NAMES[name]} | {one['processes']} | {one['mb_an_hour']:.2f} | {one['low']:.2f} to {one['high']:.2f} | "
        f"{one['limit']:g} | {one['first_mb']:.1f} to {one['last_mb']:.1f} | "
        f"{one['files_first']:.0f} to {one['files_last']:.0f} | {verdict} |"
    )
