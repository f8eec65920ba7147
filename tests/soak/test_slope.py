"""The verdict of a soak: a memory that grows is not called flat, and one that only wavers is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.soak.slope import fit

SECONDS = np.arange(0.0, 1200.0, 5.0)


def memory(mb_an_hour: float, noise_mb: float) -> np.ndarray:
    """Bytes at ``SECONDS`` of a process that grows, and wavers."""
    return 3e7 + SECONDS / 3600 * mb_an_hour * 1e6 + np.random.default_rng(1).normal(0.0, noise_mb * 1e6, len(SECONDS))


def test_a_slope_is_found_in_noise():
    found = fit(list(SECONDS), list(memory(13.9, 0.2)))
    assert found.low < 13.9 < found.high
    assert found.high - found.low < 3.0
    assert not found.flat(5.0)


def test_what_only_wavers_is_flat_and_what_nobody_can_tell_is_not():
    assert fit(list(SECONDS), list(memory(0.0, 0.2))).flat(5.0)
    assert not fit(list(SECONDS), list(memory(0.0, 20.0))).flat(5.0)


def test_steps_that_last_widen_the_interval():
    steps = memory(0.0, 0.05) + 1e6 * (np.sin(SECONDS / 150.0) > 0)
    shuffled = np.random.default_rng(2).permutation(steps)
    wide, narrow = fit(list(SECONDS), list(steps)), fit(list(SECONDS), list(shuffled))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_too_short_a_run_says_so():
    with pytest.raises(ValueError, match="5 minutes at least"):
        fit([0.0, 5.0], [1.0, 1.0])
