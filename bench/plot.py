"""The pictures: a bar for each row with a line from its lowest to its highest round; and growth over episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.figures import figures, paired, short, spread
from bench.growth import ROLES, TITLE, Growth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.figures import Spread
    from bench.rounds import Outcome
    from bench.rows import Group
    from bench.sections import Section

OURS, OTHERS = "#1f77b4", "#b0b7bf"

FAR = 200
"""Where the figures of a group are so many times apart, they stand on a logarithmic scale."""
LATENCIES = "us a step"

PANELS: dict[str, dict[str, str]] = {
    LATENCIES: {
        "one steps, p50": "one_p50_us", "one steps, p99": "one_p99_us", "in turn, p50": "turn_p50_us",
        "in turn, p99": "turn_p99_us",
    },
    "steps/s, all in flight": {"": "flight_per_s"},
    "% of a core, all in flight": {role: f"{role}_busy_percent" for role in ROLES},
    "CPU us a step": {role: f"{role}_cpu_us" for role in ROLES},
    "memory, MB": {role: f"{role}_mb" for role in ROLES},
    "opened a second": {"one by one": "opened_per_s", "all at once": "opened_at_once_per_s"},
}  # fmt: skip
"""Of growth: by title, its lines by legend, and where they are in a point."""


def draw_all(path: Path, sections: Sequence[Section], note: str) -> None:
    """Write the groups among ``sections`` to ``path``, and growth beside it as ``growth.png``."""
    groups = [section.found for section in sections if isinstance(section.found, tuple)]
    if groups:
        draw_groups(path, groups, note)
    for section in sections:
        if isinstance(section.found, Growth) and section.found.sizes:
            draw_growth(growth_picture(path), section.found, note)


def growth_picture(path: Path) -> Path:
    """Where the picture of growth is, beside that of all rows."""
    return path.with_name("growth.png")


def draw_groups(path: Path, played: Sequence[tuple[Group, dict[str, Outcome]]], note: str) -> None:
    """A panel for each group."""
    heights = [1 + 0.32 * len(outcomes) for _, outcomes in played]
    picture, panels = _pyplot().subplots(
        len(played), figsize=(9, sum(heights) + 0.5), squeeze=False, height_ratios=heights, layout="constrained"
    )
    for panel, (group, outcomes) in zip(panels[:, 0], played, strict=True):
        _bars(panel, group, outcomes)
    _save(path, picture, note)


def draw_growth(path: Path, growth: Growth, note: str) -> None:
    """A panel for each question, over the number of open episodes."""
    picture, panels = _pyplot().subplots(2, 3, figsize=(12, 6.5), layout="constrained")
    for panel, (title, lines) in zip(panels.flat, PANELS.items(), strict=True):
        _lines(panel, growth, title, lines)
    picture.suptitle(TITLE, fontsize=11)
    _save(path, picture, note)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(path: Path, picture: Any, note: str) -> None:
    picture.supxlabel(note, fontsize=6, wrap=True)
    picture.savefig(path, dpi=120)
    _pyplot().close(picture)


def _figures(outcomes: dict[str, Outcome]) -> dict[str, Spread]:
    return {name: spread(figures(outcome)) for name, outcome in outcomes.items() if figures(outcome)}


def _ratios(group: Group, outcomes: dict[str, Outcome]) -> dict[str, Spread]:
    """Of rows that have different references, and are no further alike."""
    pairs = {name: (outcome, outcomes.get(group.against(name))) for name, outcome in outcomes.items()}
    found = {name: paired(one, other) for name, (one, other) in pairs.items() if other is not None}
    return {name: ratio for name, ratio in found.items() if ratio is not None}


def _bars(panel: Any, group: Group, outcomes: dict[str, Outcome]) -> None:
    ratios = any(row.reference for row in group.rows)
    found = _ratios(group, outcomes) if ratios else _figures(outcomes)
    if not found:
        panel.set_title(f"{group.title}: nothing was measured", loc="left", fontsize=10)
        return
    names = list(found)[::-1]
    middles = [found[name].median for name in names]
    below = [found[name].median - found[name].low for name in names]
    above = [found[name].high - found[name].median for name in names]
    colours = [OURS if name.startswith("ours") else OTHERS for name in names]
    panel.barh(names, middles, xerr=[below, above], color=colours, error_kw={"linewidth": 1, "ecolor": "#444444"})
    for place, (name, middle) in enumerate(zip(names, middles, strict=True)):
        panel.text(found[name].high, place, f"  {short(middle)}", va="center", fontsize=8)
    panel.margins(x=0.12)
    if max(middles) > FAR * min(middles):
        panel.set_xscale("log")
        panel.set_xlim(left=min(middles) / 2, right=5 * max(middles))
    panel.set_title(group.title, loc="left", fontsize=10)
    what = f"times {group.reference}" if ratios else "microseconds a step" if group.figure == "p50_us" else group.unit
    panel.set_xlabel(f"{what}: {'shorter' if group.figure == 'p50_us' else 'longer'} is better")
    panel.spines[["top", "right"]].set_visible(False)


def _lines(panel: Any, growth: Growth, title: str, lines: dict[str, str]) -> None:
    for label, name in lines.items():
        found = [(size, growth.median(size, name)) for size in growth.sizes]
        sizes, values = [size for size, value in found if value], [value for _, value in found if value]
        panel.plot(sizes, values, marker="o", markersize=4, label=label or None)
    panel.set_xscale("log")
    panel.set_xticks(growth.sizes, [f"{size:,}" for size in growth.sizes])
    panel.minorticks_off()
    if title == LATENCIES:
        panel.set_yscale("log")
    else:
        panel.set_ylim(bottom=0)
    panel.set_title(title, loc="left", fontsize=10)
    panel.set_xlabel("open episodes", fontsize=8)
    panel.grid(alpha=0.3)
    if len(lines) > 1:
        panel.legend(fontsize=8, frameon=False)
