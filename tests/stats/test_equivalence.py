from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from bench.stats.equivalence import equivalence

errors = arrays(np.float64, (3, 6), elements=st.floats(1, 2))


def test_against_a_constant_it_is_the_paired_test_of_statsmodels() -> None:
    new = np.random.default_rng(0).normal(2.02, 0.05, size=10)
    old = np.full(10, 2.0)
    assert equivalence(new, old, within=0.05).p == pytest.approx(ttost_paired(new, old, -0.1, 0.1)[0])


def test_it_is_two_one_sided_t_tests() -> None:
    rng = np.random.default_rng(1)
    old = rng.gamma(20.0, size=(4, 9))
    new = old * rng.normal(1.03, 0.05, size=(4, 9))
    found = equivalence(new, old, within=0.1)
    above = stats.ttest_rel(new, 1.1 * old, axis=-1, alternative="less").pvalue
    below = stats.ttest_rel(new, 0.9 * old, axis=-1, alternative="greater").pvalue
    np.testing.assert_allclose(found.p, np.maximum(above, below))


@settings(deadline=None)
@given(errors, errors)
def test_the_interval_lies_within_the_threshold_where_p_is_small(new: np.ndarray, old: np.ndarray) -> None:
    found = equivalence(new, old, within=0.2)
    tested = ~np.isnan(found.p) & ~np.isnan(found.low) & (np.abs(found.p - 0.05) > 1e-6)
    within = (found.low > 0.8) & (found.high < 1.2)
    assert np.array_equal(within[tested], (found.p < 0.05)[tested])


@pytest.mark.parametrize("ratio", [0.95, 1.05])
def test_errors_at_the_threshold_are_called_equivalent_one_time_in_twenty(ratio: float) -> None:
    rng = np.random.default_rng(2)
    old = rng.normal(10, 1, size=(10_000, 10))
    new = ratio * old + rng.normal(scale=0.1, size=old.shape)
    assert 0.0434 < np.mean(equivalence(new, old, within=0.05).p < 0.05) < 0.0566


def test_missing_pairs_are_left_out_and_copies_are_not_tested() -> None:
    new, old = np.array([1.0, 1.1, np.nan, 1.05]), np.array([1.0, 1.0, 1.0, 1.1])
    kept = [0, 1, 3]
    assert equivalence(new, old, within=0.3).p == equivalence(new[kept], old[kept], within=0.3).p
    assert np.isnan(equivalence(np.ones(5), np.ones(5), within=0.1).p)
