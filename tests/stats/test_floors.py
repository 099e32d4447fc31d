from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats.aggregates import learnable_fraction, skill
from bench.stats.ratios import over_seeds


def test_skill_is_one_less_the_ratio_of_the_errors() -> None:
    mse = np.random.default_rng(0).gamma(20.0, size=(3, 10)) / 40
    found, ratio = skill(mse, np.full(10, 2.0)), over_seeds(mse, np.full(10, 2.0))
    np.testing.assert_allclose(found.value, (1 - mse / 2).mean(axis=-1))
    np.testing.assert_allclose([found.low, found.high], [1 - ratio.high, 1 - ratio.low])


def test_the_learnable_fraction_on_one_series_is_a_t_interval() -> None:
    mse = np.random.default_rng(1).normal(0.4, 0.05, size=10)
    found = learnable_fraction(mse, np.full(10, 1.0), np.full(10, 0.2))
    ends = stats.ttest_1samp((1 - mse) / 0.8, 0).confidence_interval()
    assert found.value == pytest.approx((1 - mse.mean()) / 0.8)
    assert (found.low, found.high) == (pytest.approx(ends.low), pytest.approx(ends.high))


def test_over_regenerated_series_the_ratio_is_covered_as_often_as_stated() -> None:
    rng = np.random.default_rng(2)
    shape = (5000, 10)
    persistence, floor = 2 + 0.2 * rng.normal(size=shape), 1 + 0.1 * rng.normal(size=shape)
    mse = floor + 0.25 * (1 + 0.2 * rng.normal(size=shape))
    found = learnable_fraction(mse, persistence, floor)
    assert 0.935 < np.mean((found.low <= 0.75) & (found.high >= 0.75)) < 0.965


def test_it_is_empty_where_there_is_nothing_to_learn() -> None:
    rng = np.random.default_rng(3)
    mse = rng.normal(1.0, 0.1, size=10)
    noisy = 1 + 0.1 * rng.normal(size=10)
    for persistence, floor in ((np.ones(10), np.ones(10)), (np.ones(10), np.full(10, 1.1)), (noisy, np.ones(10))):
        found = learnable_fraction(mse, persistence, floor)
        assert np.isnan([found.value, found.low, found.high]).all()


def test_missing_replicates_are_left_out_and_one_alone_has_no_interval() -> None:
    mse = np.array([[0.5, np.nan, 0.6], [0.5, np.nan, np.nan]])
    found = learnable_fraction(mse, np.full(3, 1.0), np.full(3, 0.2))
    assert found.count.tolist() == [2, 1]
    assert found.value.tolist() == pytest.approx([0.45 / 0.8, 0.5 / 0.8])
    assert np.isnan(found.low).tolist() == [False, True]
    assert np.isnan(skill(mse, np.zeros(3)).value).all()
