"""The picture: a panel for each group, a bar for each row, a line from its lowest to its highest round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.figures import figures, short, spread

if TYPE_CHECKING:
    from pathlib import Path

    from bench.record import Played
    from bench.rounds import Outcome
    from bench.rows import Group

OURS, OTHERS = "#1f77b4", "#b0b7bf"


def draw(path: Path, played: Played, note: str) -> None:
    """Write the picture of what was played to ``path``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    heights = [1 + 0.32 * len(outcomes) for _, outcomes in played]
    picture, panels = pyplot.subplots(
        len(played), figsize=(9, sum(heights) + 0.5), squeeze=False, height_ratios=heights, layout="constrained"
    )
    for panel, (group, outcomes) in zip(panels[:, 0], played, strict=True):
        _bars(panel, group, outcomes)
    picture.supxlabel(note, fontsize=6, wrap=True)
    picture.savefig(path, dpi=120)
    pyplot.close(picture)


def _bars(panel: Any, group: Group, outcomes: dict[str, Outcome]) -> None:
    found = {name: spread(figures(outcome)) for name, outcome in outcomes.items() if figures(outcome)}
    names = list(found)[::-1]
    middles = [found[name].median for name in names]
    below = [found[name].median - found[name].low for name in names]
    above = [found[name].high - found[name].median for name in names]
    colours = [OURS if name.startswith("ours") else OTHERS for name in names]
    panel.barh(names, middles, xerr=[below, above], color=colours, error_kw={"linewidth": 1, "ecolor": "#444444"})
    for place, (name, middle) in enumerate(zip(names, middles, strict=True)):
        panel.text(found[name].high, place, f"  {short(middle)}", va="center", fontsize=8)
    panel.margins(x=0.12)
    panel.set_title(group.title, loc="left", fontsize=10)
    text = "microseconds a step: shorter is better" if group.figure == "p50_us" else f"{group.unit}: longer is better"
    panel.set_xlabel(text)
    panel.spines[["top", "right"]].set_visible(False)
