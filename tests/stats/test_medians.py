from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from bench.stats.aggregates import median

samples = st.lists(st.floats(0.1, 10), min_size=1, max_size=40, unique=True)


@given(samples)
def test_the_interval_is_that_of_the_quantile_test_of_scipy(values: list[float]) -> None:
    found = median(np.array(values))
    assert found.value == np.median(values)
    assert found.count == len(values)
    theirs = stats.quantile_test(values).confidence_interval(confidence_level=0.95)
    if found.bounds is None:
        assert len(values) < 6
    else:
        ordered = sorted(values)
        low, high = found.bounds
        assert ordered.index(low) == len(values) - 1 - ordered.index(high)  # as many values below as above
        assert (low, high) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("n", [6, 9, 15])
def test_the_interval_covers_the_median_of_a_skewed_distribution(n: int) -> None:
    draws = np.random.default_rng(0).lognormal(size=(4000, n))
    bounds = [median(row).bounds for row in draws]
    covered = np.mean([pair is not None and pair[0] <= 1.0 <= pair[1] for pair in bounds])
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 4000)
