"""Tables: for the terminal with rich, for the page in Markdown; both from the same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from bench.figures import figures, paired, short, spread

if TYPE_CHECKING:
    from bench.figures import Spread
    from bench.rounds import Outcome
    from bench.rows import Group
    from bench.targets import Verdict

Cells = list[list[str]]
ROLES = ("agent", "server", "broker")


def cells(group: Group, outcomes: dict[str, Outcome]) -> Cells:
    """A heading and a line for each row: figure, spread, ratio, p99, rate and CPU."""
    per_step = group.figure == "p50_us"
    figure, other = (f"p50 {group.unit}", "steps/s") if per_step else (group.unit, "p50 us")
    lines = [["row", figure, "lowest - highest", f"x {group.reference}", "lowest - highest", "p99 us", other]]
    lines[0] += [f"CPU us, {role}" for role in ROLES]
    crowded = any(len(turn.rates) > 1 for outcome in outcomes.values() for turn in outcome.turns if turn is not None)
    lines[0] += ["fastest : slowest agent"] * crowded
    for name, outcome in outcomes.items():
        found = figures(outcome)
        if not found:
            lines.append([name, "failed", *[""] * (len(lines[0]) - 2)])
            continue
        line = [name, short(spread(found).median), _range(spread(found))]
        reference = outcomes.get(group.against(name))
        ratio = paired(outcome, reference) if reference is not None else None
        line += [f"{ratio.median:.2f}", f"{ratio.low:.2f} - {ratio.high:.2f}"] if ratio is not None else ["", ""]
        line.append(short(spread(figures(outcome, "p99_us")).median))
        line.append(short(spread(figures(outcome, "rate" if per_step else "p50_us")).median))
        turns = [turn for turn in outcome.turns if turn is not None]
        line += [f"{spread([turn.cpu_us[role] for turn in turns]).median:.0f}" for role in ROLES]
        lines.append([*line, *[f"{spread(figures(outcome, 'unfairness')).median:.2f}"] * crowded])
    return lines


def verdict_cells(verdicts: list[Verdict]) -> Cells:
    """A heading and a line for each target."""
    lines = [["point", "target", "found", "lowest - highest", "bound", ""]]
    for one in verdicts:
        target, found = one.target, one.found
        bound = f"{target.sense} {target.bound:.3g}"
        met = "met" if one.met else "MISSED"
        who = target.row if target.against is None else f"{target.row} : {target.against}"
        ratio = [f"{found.median:.2f}", f"{found.low:.2f} - {found.high:.2f}"]
        lines.append([target.point, f"{target.text} ({who})", *ratio, bound, met])
    return lines


def terminal(title: str, lines: Cells) -> Table:
    """For rich. Numbers stand to the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for number, name in enumerate(lines[0]):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold", no_wrap=number == 0)
    for line in lines[1:]:
        colour = {"met": "green", "MISSED": "red"}.get(line[-1])
        table.add_row(*line, style=colour)
    return table


def markdown(lines: Cells) -> str:
    """The same for a page."""
    rows = [f"| {' | '.join(line)} |" for line in lines]
    rows.insert(1, "|---" + "|--:" * (len(lines[0]) - 1) + "|")
    return "\n".join([*rows, ""])


def _range(found: Spread) -> str:
    return f"{short(found.low)} - {short(found.high)}"
