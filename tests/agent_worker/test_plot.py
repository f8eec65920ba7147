"""Learning curves become pictures, without global state; what is missing is said before hours of training."""

from __future__ import annotations

import sys

import matplotlib.image
import numpy as np
import pytest

from agent_worker.plot import PlotError, moving_mean, require_plotting, save_learning_curves
from agent_worker.rollout import Summary

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)
"""Colours of the first and of the second curve."""


def a_summary(env_id: str, *, returns=(), rewards=()) -> Summary:
    lengths = np.ones(len(returns), dtype=np.int64)
    rtt_ns = np.ones(len(rewards), dtype=np.int64)
    return Summary(env_id, np.array(returns), lengths, 1.0, np.array(rewards), rtt_ns)


def rows_of(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Which rows of pixels a curve of that colour goes through."""
    return np.flatnonzero((np.rint(picture[..., :3] * 255) == colour).all(axis=2).any(axis=1))


def test_each_run_is_a_curve_of_its_own_colour(tmp_path):
    low, high = np.linspace(0, 0.3, 400), np.linspace(0.5, 1, 400)
    curves = {"faithful": a_summary("Price-v0", rewards=low), "improved": a_summary("Price-v0", rewards=high)}
    path = save_learning_curves(curves, tmp_path / "curve.png")

    picture = matplotlib.image.imread(path)
    assert len(rows_of(picture, BLUE)) > 50
    assert len(rows_of(picture, ORANGE)) > 50
    assert rows_of(picture, ORANGE).min() < rows_of(picture, BLUE).min()  # the better curve is above
    assert picture.shape == (480, 768, 4)


def test_each_env_is_a_panel(tmp_path):
    curves = {
        "bandit": a_summary("Price-v0", rewards=np.linspace(0, 1, 400)),
        "random": a_summary("CartPole-v1", returns=np.linspace(10, 30, 40), rewards=np.ones(800)),
    }
    path = save_learning_curves(curves, tmp_path / "curves.png")
    assert matplotlib.image.imread(path).shape == (480, 2 * 768, 4)


def test_a_rollout_of_nothing_is_an_empty_picture(tmp_path):
    path = save_learning_curves({"none": a_summary("Price-v0")}, tmp_path / "empty.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_path_that_comes_back_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = (tmp_path / "curve.png").relative_to(tmp_path)
    assert save_learning_curves({"a": a_summary("A-v0", rewards=[1.0])}, relative) == tmp_path / "curve.png"


def test_pyplot_and_its_global_state_are_not_touched(tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    save_learning_curves({"a": a_summary("A-v0", rewards=[1.0])}, tmp_path / "curve.png")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_a_moving_mean_is_the_mean_of_each_window():
    values = np.random.default_rng(0).normal(size=100)
    expected = [values[start : start + 7].mean() for start in range(94)]
    assert moving_mean(values, 7) == pytest.approx(expected)
    assert moving_mean(values, 1) == pytest.approx(values)


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PlotError, match=r'pip install "gymbroker\[plot\]"'):
        save_learning_curves({}, tmp_path / "curve.png")


@pytest.mark.parametrize(
    ("name", "named"), [("curve.jpg", "must end with .png, got .*curve.jpg"), ("none/curve.png", "no folder .*none")]
)
def test_a_path_that_cannot_be_is_refused_before_the_training(tmp_path, name, named):
    with pytest.raises(PlotError, match=named):
        require_plotting(tmp_path / name)
