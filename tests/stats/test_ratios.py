"""The ratio of two mean errors over seeds: interval, p-value and calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.ratios import Interval, mean_error, mean_value, over_seeds

SEEDS = st.integers(2, 8)
errors = arrays(np.float64, st.tuples(st.just(2), SEEDS), elements=st.floats(1e-6, 1e6))


def ends(interval: Interval) -> np.ndarray:
    return np.stack([interval.low, interval.high])


def by_hand(x: np.ndarray, alpha: float) -> tuple[float, float]:
    """The interval of the mean of positive values next to 1, from the formulas of the papers."""
    logs, n = np.log(x), len(x)
    middle, variance = logs.mean(), logs.var(ddof=1)
    margin = stats.t.ppf(1 - alpha / 2, n - 1) * np.sqrt(variance / n)
    few, many = (variance * (n - 1) / stats.chi2.ppf(q, n - 1) / 2 for q in (1 - alpha / 2, alpha / 2))
    mean = middle + variance / 2
    low = mean - np.hypot(margin, variance / 2 - few)
    high = mean + np.hypot(margin, many - variance / 2)
    middles = (np.log(x.mean()), middle - margin, middle + margin)
    return float(np.exp(min(low, *middles))), float(np.exp(max(high, *middles)))


@pytest.mark.parametrize("spread", [0.05, 0.5, 1.5])
def test_the_interval_is_that_of_the_typical_and_of_the_mean_error(spread: float) -> None:
    x = np.exp(spread * np.random.default_rng(0).normal(size=7))
    test = over_seeds(x, np.ones(7))
    assert (test.low, test.high) == pytest.approx(by_hand(x, 0.05))
    assert test.ratio == pytest.approx(x.mean())
    assert test.effect == pytest.approx(np.log(x).mean() / np.log(x).std(ddof=1))


@pytest.mark.parametrize("ratio", [0.2, 0.8, 1.7, 30.0])
def test_p_is_the_level_at_which_the_interval_ends_at_one(ratio: float) -> None:
    x = ratio * np.exp(0.3 * np.random.default_rng(1).normal(size=5))
    p = float(over_seeds(x, np.ones(5)).p)
    nearer = by_hand(x, p)[0 if ratio > 1 else 1]
    assert nearer == pytest.approx(1.0, rel=1e-6)


@settings(deadline=None)
@given(errors)
def test_the_interval_excludes_one_exactly_where_p_is_significant(pair: np.ndarray) -> None:
    test = over_seeds(*pair)
    if not np.isnan(test.p) and abs(test.p - 0.05) > 1e-9:
        assert (test.low > 1 or test.high < 1) == (test.p < 0.05)
        assert test.low <= test.ratio * (1 + 1e-12)
        assert test.ratio <= test.high * (1 + 1e-12)


@settings(deadline=None)
@given(errors, st.floats(1e-3, 1e3))
def test_it_turns_over_with_the_roles_and_scale_does_not_matter(pair: np.ndarray, scale: float) -> None:
    one, other, scaled = over_seeds(*pair), over_seeds(*pair[::-1]), over_seeds(*(scale * pair))
    with np.errstate(divide="ignore"):  # of two seeds an end may be 0 or infinite
        for name, theirs in (("low", "high"), ("high", "low"), ("ratio", "ratio")):
            logs, turned = np.log(getattr(one, name)), -np.log(getattr(other, theirs))
            if np.isfinite(logs + turned):  # beyond the range of floats, small ends keep more digits than large ones
                np.testing.assert_allclose(logs, turned, rtol=1e-6, atol=1e-9)
                np.testing.assert_allclose(logs, np.log(getattr(scaled, name)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.p, other.p, rtol=1e-6)


def test_far_worse_on_three_to_five_skewed_seeds_is_significant() -> None:
    """RMSE 24 to 64 against 1.70, on which a t-test of the squared errors decides nothing."""
    rmse = np.array([63.804350, 49.918118, 44.763915, 24.173346, 34.485489])
    test = over_seeds(rmse**2, np.full(5, 1.697055**2))
    typical = stats.ttest_1samp(np.log(rmse**2 / 1.697055**2), 0).pvalue
    assert test.p == pytest.approx(typical)
    assert test.p < 1e-4
    assert test.low > 200


# False "better" and false "worse", 2.5 % each; reports/calibration.md has more counts and spreads.
@pytest.mark.parametrize("count", [3, 5, 30])
@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("equal", ["means", "medians"])
def test_of_equal_errors_either_direction_is_claimed_at_most_as_often_as_stated(
    count: int, spread: float, equal: str
) -> None:
    rng = np.random.default_rng(count)
    x = np.exp(spread * rng.normal(size=(4000, count)) - (spread**2 / 2 if equal == "means" else 0))
    test = over_seeds(x, np.ones(count))
    for side in (test.ratio < 1, test.ratio > 1):
        assert np.mean((test.p < 0.05) & side) <= 0.025 + 0.01 + 0.003


def test_five_times_the_error_is_worse_on_five_seeds() -> None:
    for spread in (0.1, 0.3, 0.5):
        x = 5 * np.exp(spread * np.random.default_rng(5).normal(size=(2000, 5)) - spread**2 / 2)
        assert np.mean(over_seeds(x, np.ones(5)).p < 0.05) >= 0.9


@pytest.mark.parametrize("count", [3, 5, 10])
def test_the_interval_of_a_mean_covers_it(count: int) -> None:
    rng = np.random.default_rng(count)
    for values in (
        rng.normal(1, 0.1, size=(4000, count)),
        rng.exponential(size=(4000, count)),
        np.exp(rng.normal(size=(4000, count)) - 0.5),
    ):
        interval = mean_error(values)
        assert np.mean((interval.low <= 1) & (interval.high >= 1)) >= 0.93


def test_an_error_and_its_ratio_to_a_constant_have_the_same_interval() -> None:
    x = np.random.default_rng(3).gamma(2.0, size=(4, 6))
    test, interval = over_seeds(x, np.full(6, 4.0)), mean_error(x)
    np.testing.assert_allclose(ends(interval), 4 * np.stack([test.low, test.high]))


def test_equal_errors_are_compared_exactly() -> None:
    x = np.random.default_rng(4).gamma(2.0, size=5)
    test = over_seeds(x * (1 + 1e-15), x)
    assert (test.p, test.ratio, test.low, test.high) == (1.0, 1.0, 1.0, 1.0)
    assert over_seeds(np.zeros(3), np.zeros(3)).p == 1.0


def test_copies_and_zeros_and_single_seeds_have_no_test() -> None:
    copies, zero = over_seeds(np.full(5, 2.0), np.ones(5)), over_seeds(np.array([0.0, 1.0, 2.0]), np.ones(3))
    one = over_seeds(np.array([2.0]), np.array([1.0]))
    for test in (copies, zero, one):
        assert np.isnan([test.p, test.low, test.high]).all()
    assert (copies.constant, copies.ratio, one.ratio) == (True, 2.0, 2.0)
    assert np.isinf(over_seeds(np.ones(3), np.zeros(3)).ratio)


def test_a_pair_with_a_missing_side_is_left_out() -> None:
    nan, inf = np.nan, np.inf
    new, old = np.array([1.0, 2.0, nan, 4.0, 9.0, inf]), np.array([1.5, 2.2, 3.0, 4.9, nan, 1.0])
    test, alone = over_seeds(new, old), over_seeds(new[[0, 1, 3]], old[[0, 1, 3]])
    assert test.count == 3
    np.testing.assert_allclose([test.p, test.low, test.ratio], [alone.p, alone.low, alone.ratio])
    assert over_seeds(np.empty((2, 0)), np.empty((2, 0))).count.tolist() == [0, 0]


def test_values_of_either_sign_have_students_interval() -> None:
    values = np.random.default_rng(6).normal(size=8)
    theirs = stats.t.interval(0.95, 7, loc=values.mean(), scale=stats.sem(values))
    assert ends(mean_value(values)) == pytest.approx(theirs)
    with_zero = np.array([0.0, 1.0, 2.0])
    assert ends(mean_error(with_zero)) == pytest.approx(ends(mean_value(with_zero)))


def test_rows_may_miss_different_replicates_and_what_overflows_has_no_value() -> None:
    nan = np.nan
    for mean in (mean_error, mean_value):
        interval = mean(np.array([[1.0, nan, 3.0], [nan, 5.0, nan], [nan, nan, nan]]))
        assert interval.count.tolist() == [2, 1, 0]
        assert interval.value[:2].tolist() == [2.0, 5.0]
        assert np.isnan(interval.value[2])
        assert np.isnan(ends(interval)[:, 1:]).all(), "one value shows no spread"
        assert np.isnan(mean(np.array([1e308, 1e308, 1.5e308])).value)
        assert ends(mean(np.full((2, 7), 0.1))) == pytest.approx(np.full((2, 2), 0.1))
        for shape in ((0, 0, 0), (0, 2, 5), (2, 3, 0)):
            assert mean(np.empty(shape)).value.shape == shape[:-1]
