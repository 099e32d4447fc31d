"""The corrections of the quantiles where they are large."""

from __future__ import annotations

import numpy as np
import pytest

from bench.stats.bootstrap import bca


@pytest.mark.parametrize("reach", [1.96, 6.0, 18.0, 60.0])
def test_the_ends_never_change_sides(reach: float) -> None:
    """Of (0, 0, 1): the acceleration is 0.068, so that the correction has a pole at 14.7 standard deviations."""
    values = np.array([[0.0, 0.0, 1.0]])
    resampled = values[0, np.random.default_rng(0).integers(0, 3, size=(1, 4000, 3))].mean(axis=2)
    left_out = (values.sum() - values) / 2
    low, high = bca(resampled, values.mean(axis=1), left_out, reach=reach)
    assert 0.0 <= low[0] < 1 / 3 < high[0] <= 1.0
    if reach > 6:
        assert (low[0], high[0]) == (0.0, 1.0)
