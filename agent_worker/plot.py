"""Learning curves as a PNG. Needs matplotlib: ``pip install "gymbroker[plot]"``.

require_plotting(path)                      # before hours of training, not after them
save_learning_curves({"bandit": summary}, path)
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_worker.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from agent_worker.summary import Figures

PANEL_INCHES = (6.4, 4.0)


class PlotError(RuntimeError):
    """There can be no picture; the text says what to do about it."""


def require_plotting(path: Path) -> None:
    """Raise ``PlotError`` if no picture could be saved at ``path``: no matplotlib, no such folder, not a PNG."""
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotError('plotting needs matplotlib: pip install "gymbroker[plot]"')
    if path.suffix.lower() != ".png":
        raise PlotError(f"a learning curve is saved as PNG, so its name must end with .png, got {str(path)!r}")
    if not path.absolute().parent.is_dir():
        raise PlotError(f"there is no folder {str(path.absolute().parent)!r} to save {path.name!r} in")


def save_learning_curves(summaries: Mapping[str, Figures], path: Path) -> Path:
    """Draw one panel for each environment, with one curve for each of its summaries, and save it at ``path``.

    Where all runs of an environment have episodes that ended, a curve is the return of each episode, thin, and its
    moving mean; otherwise it is the moving mean of the reward of each step. Labels are the keys of ``summaries``.
    Returns the absolute path. Raises ``PlotError``, and ``OSError`` if ``path`` cannot be written.
    """
    require_plotting(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: dict[str, dict[str, Figures]] = {}
    for label, summary in summaries.items():
        panels.setdefault(summary.env_id, {})[label] = summary
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(panels), height), layout="constrained")  # pyplot would keep global state
    FigureCanvasAgg(figure)
    for position, (env_id, group) in enumerate(panels.items(), start=1):
        _draw_panel(figure.add_subplot(1, len(panels), position), env_id, group)
    figure.savefig(path, dpi=120)
    return path.absolute()


def moving_mean(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Mean of each ``window`` values in a row: of shape ``(n,)`` to shape ``(n - window + 1,)``, float64."""
    sums = np.cumsum(np.concatenate(([0.0], values)))
    means: npt.NDArray[np.float64] = (sums[window:] - sums[:-window]) / window
    return means


def _draw_panel(axes: Any, env_id: str, group: Mapping[str, Figures]) -> None:
    episodic = all(summary.episodes > 0 for summary in group.values())
    for label, summary in group.items():
        values = summary.returns if episodic or not isinstance(summary, Summary) else summary.rewards
        window = _window(len(values))
        numbers = np.arange(1, len(values) + 1)
        means = moving_mean(values, window)
        (curve,) = axes.plot(numbers[window - 1 :], means, label=f"{label} (mean of {window})", zorder=3)
        if episodic:
            axes.plot(numbers, values, color=curve.get_color(), alpha=0.25, linewidth=0.8)
    axes.set_title(env_id)
    axes.set_xlabel("episode" if episodic else "step")
    axes.set_ylabel("return" if episodic else "reward")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _window(length: int) -> int:
    """A twentieth of the curve, so that it is smooth and still moves: 200 of 4,000 steps."""
    return max(1, length // 20)
