from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.bootstrap import Interval, expanded_levels, mean

samples = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-1e3, 1e3))


def ends(interval: Interval) -> np.ndarray:
    return np.stack([interval.low, interval.high])


def test_the_mean_agrees_with_scipys_bca_bootstrap() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=8)
    low, high = expanded_levels(8, 0.95)
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=high - low, n_resamples=50_000, method="BCa", rng=1
    ).confidence_interval
    ours = mean(values, resamples=50_000)
    assert ours.value == pytest.approx(values.mean(), rel=1e-12)
    # The ends of two bootstraps of this size differ by about 1 % of the interval's width.
    assert ends(ours) == pytest.approx([theirs.low, theirs.high], abs=0.03 * (theirs.high - theirs.low))


def test_the_mean_agrees_with_every_resample_there_is() -> None:
    values = np.array([0.0, 1.0, 5.0])
    every = [np.mean(draw) for draw in itertools.product(values, repeat=3)]
    below = np.mean([(draw < 2 - 1e-9) + 0.5 * (abs(draw - 2) < 1e-9) for draw in every])  # half of a tie counts
    gaps = [np.mean(np.delete(values, place)) for place in range(3)]
    influence = np.mean(gaps) - gaps
    acceleration = np.sum(influence**3) / (6 * np.sum(influence**2) ** 1.5)
    levels = []
    for z in stats.norm.ppf(expanded_levels(3, 0.5)):
        moved = stats.norm.ppf(below) + z
        levels.append(stats.norm.cdf(stats.norm.ppf(below) + moved / (1 - acceleration * moved)))
    exact = np.quantile(every, levels, method="inverted_cdf")
    assert ends(mean(values, level=0.5, resamples=200_000)) == pytest.approx(exact, abs=1e-9)


def test_the_expanded_levels_are_hesterbergs() -> None:
    # The American Statistician 69 (2015), table 5: alpha / 2 for a 95 % interval from n values.
    for count, alpha in ((5, 0.0010), (10, 0.0086), (20, 0.0159), (100, 0.0231)):
        assert expanded_levels(count, 0.95) == pytest.approx((alpha, 1 - alpha), abs=1e-4)


@pytest.mark.parametrize("count", [5, 10, 20])
def test_a_95_percent_interval_covers_the_mean_about_that_often(count: int) -> None:
    values = np.random.default_rng(count).normal(3.0, 2.0, size=(2000, count))
    found = mean(values, resamples=1000)
    covered = np.mean((found.low <= 3.0) & (found.high >= 3.0))
    assert 0.91 < covered < 0.97  # five values do not reach further than 0.9375


def test_of_skewed_values_both_ends_miss_more_alike_than_those_of_the_percentile_interval() -> None:
    values = np.random.default_rng(7).exponential(size=(3000, 10))
    found = mean(values, resamples=1000)
    low, high = np.mean(found.low > 1.0), np.mean(found.high < 1.0)
    picks = np.random.default_rng(8).integers(10, size=(1000, 10))
    plain = np.quantile(values[:, picks].mean(axis=2), expanded_levels(10, 0.95), axis=1)
    plain_low, plain_high = np.mean(plain[0] > 1.0), np.mean(plain[1] < 1.0)
    assert plain_low < low < high < plain_high
    assert 0.905 < 1 - low - high < 0.94  # BCa covers the mean of ten exponential values 92 % of the time


def test_values_that_are_all_equal_have_no_width() -> None:
    for value in (0.0, 0.1, -3e7):
        found = mean(np.full((2, 7), value))
        assert ends(found) == pytest.approx(np.full((2, 2), value), rel=1e-12)


@settings(deadline=None)
@given(samples)
def test_an_interval_holds_its_value_and_stays_within_the_values(values: np.ndarray) -> None:
    found = mean(values)
    room = 1e-9 * (1 + np.abs(values).max())
    assert (found.low <= found.value + room).all()
    assert (found.high >= found.value - room).all()
    assert (found.low >= values.min(axis=-1) - room).all()
    assert (found.high <= values.max(axis=-1) + room).all()


@settings(deadline=None)
@given(samples, st.floats(-100, 100), st.floats(0.01, 100))
def test_shifting_and_scaling_the_values_shifts_and_scales_the_interval(
    values: np.ndarray, shift: float, scale: float
) -> None:
    assert ends(mean(shift + scale * values)) == pytest.approx(shift + scale * ends(mean(values)), abs=1e-6)


@settings(deadline=None)
@given(samples, st.data())
def test_missing_replicates_are_left_out(values: np.ndarray, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, values.shape[1]))
    found, full = mean(np.insert(values, place, np.nan, axis=1)), mean(values)
    assert (found.count == values.shape[1]).all()
    assert ends(found) == pytest.approx(ends(full), nan_ok=False)
    assert found.value == pytest.approx(full.value)


def test_rows_may_miss_different_replicates() -> None:
    nan = np.nan
    found = mean(np.array([[1.0, nan, 3.0], [nan, 5.0, nan], [nan, nan, nan]]))
    assert found.count.tolist() == [2, 1, 0]
    assert found.value[:2].tolist() == [2.0, 5.0]
    assert np.isnan(found.value[2])
    assert np.isnan(ends(found)[:, 1:]).all(), "one value shows no spread"
    assert ends(found)[:, 0].tolist() == [1.0, 3.0]


def test_equal_input_gives_equal_intervals() -> None:
    values = np.random.default_rng(3).normal(size=(2, 3, 7))
    assert np.array_equal(ends(mean(values)), ends(mean(values.copy())))
    assert mean(values).value.shape == (2, 3)


def test_no_cells_and_no_seeds() -> None:
    for shape in ((0, 0, 0), (0, 2, 5), (2, 3, 0)):
        assert mean(np.empty(shape)).value.shape == shape[:-1]


def test_what_is_not_finite_is_missing_and_what_overflows_has_no_value() -> None:
    found = mean(np.array([np.inf, 2.0, 4.0]))
    assert (float(found.value), int(found.count)) == (3.0, 2)
    huge = mean(np.array([1e308, 1e308, 1.5e308]))
    assert np.isnan(huge.value)
    assert not np.isinf(ends(huge)).any()
