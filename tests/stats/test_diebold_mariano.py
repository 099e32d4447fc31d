from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.signal import lfilter
from statsmodels.tsa.stattools import acovf

from bench.stats.window_tests import ForecastTest, diebold_mariano, mean_difference

losses = arrays(np.float64, (2, 30), elements=st.floats(0.01, 100))


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_one_step_ahead_it_is_students_t_of_the_differences(alternative: str) -> None:
    loss, other = np.random.default_rng(0).gamma(1.0, size=(2, 3, 50))
    found = diebold_mariano(loss, other, alternative=alternative)
    theirs = stats.ttest_rel(loss, other, axis=-1, alternative=alternative)
    np.testing.assert_allclose(found.statistic, theirs.statistic)
    np.testing.assert_allclose(found.p, theirs.pvalue)


def test_several_steps_ahead_it_is_the_formula_of_the_papers() -> None:
    rng = np.random.default_rng(1)
    gap = lfilter(np.ones(4), 1, rng.normal(size=80)) + 0.3
    covariance = acovf(gap, fft=False)
    n, h = 80, 4
    dm = gap.mean() / np.sqrt((covariance[0] + 2 * covariance[1:h].sum()) / n)
    corrected = np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n) * dm
    found = diebold_mariano(gap, np.zeros(80), horizon=4)
    assert found.statistic == pytest.approx(corrected)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(corrected), n - 1))
    assert not found.replaced


def test_a_variance_that_is_not_positive_is_taken_with_bartletts_weights() -> None:
    gap = np.tile([1.0, -1.0], 10) + 0.1
    covariance = acovf(gap, fft=False)
    assert covariance[0] + 2 * covariance[1] < 0
    found = diebold_mariano(gap, np.zeros(20), horizon=2)
    assert found.replaced
    error = np.sqrt((covariance[0] + covariance[1]) / 20)
    assert found.statistic == pytest.approx(np.sqrt((20 + 1 - 4 + 2 / 20) / 20) * 0.1 / error)
    assert 0 < found.p < 1


# Rectangular lags keep the level at one step, and nearly so further ahead; see the module's references.
@pytest.mark.parametrize(
    ("points", "horizon", "least", "most"),
    [(100, 1, 0.04, 0.06), (400, 1, 0.04, 0.06), (100, 6, 0.04, 0.085), (400, 6, 0.04, 0.07)],
)
def test_equally_good_forecasts_are_told_apart_about_one_time_in_twenty(
    points: int, horizon: int, least: float, most: float
) -> None:
    # Errors of optimal forecasts h steps ahead are a moving average of order h - 1.
    shocks = np.random.default_rng(points + horizon).normal(size=(2, 6000, points + horizon))
    errors = lfilter(np.ones(horizon), 1, shocks, axis=-1)[..., horizon:]
    found = diebold_mariano(errors[0] ** 2, errors[1] ** 2, horizon=horizon)
    assert not np.isnan(found.p).any()
    assert least < np.mean(found.p < 0.05) < most


@settings(deadline=None)
@given(losses, st.integers(1, 8))
def test_the_two_sides_mirror_each_other(pair: np.ndarray, horizon: int) -> None:
    one, other = diebold_mariano(*pair, horizon=horizon), diebold_mariano(*pair[::-1], horizon=horizon)
    np.testing.assert_allclose(one.statistic, -other.statistic)
    less = diebold_mariano(*pair, horizon=horizon, alternative="less").p
    more = diebold_mariano(*pair, horizon=horizon, alternative="greater").p
    np.testing.assert_allclose(np.minimum(1, 2 * np.minimum(less, more)), one.p)


def test_many_series_are_tested_as_one_would_be() -> None:
    loss, other = np.random.default_rng(3).gamma(1.0, size=(2, 4, 60))
    together = diebold_mariano(loss, other, horizon=5)
    alone = [diebold_mariano(*pair, horizon=5) for pair in zip(loss, other, strict=True)]
    np.testing.assert_allclose(together.p, [one.p for one in alone])
    np.testing.assert_allclose(diebold_mariano(loss, other[0], horizon=5).p[0], alone[0].p)


def test_a_gap_too_few_points_and_no_difference() -> None:
    loss = np.random.default_rng(4).gamma(1.0, size=(2, 20))
    loss[1, 7] = np.nan
    found = diebold_mariano(loss, np.ones(20))
    assert np.isnan([found.p[1], found.statistic[1], found.difference[1]]).all()
    assert not np.isnan(found.p[0])
    assert np.isnan(diebold_mariano(loss, np.ones(20), horizon=20).p).all()
    assert diebold_mariano(loss[0], loss[0]).p == 1.0
    assert np.isnan(diebold_mariano(np.full(8, 2.0), np.full(8, 1.0)).p)


@pytest.mark.parametrize("test", [diebold_mariano, mean_difference])
@pytest.mark.parametrize("horizon", [1, 3])
def test_what_varies_by_rounding_alone_is_constant(test: Callable[..., ForecastTest], horizon: int) -> None:
    other = np.random.default_rng(5).gamma(1.0, size=64)
    for loss, reference in [(other + 0.2, other), (np.full(64, 0.3), np.full(64, 0.1))]:
        found = test(loss, reference, horizon=horizon)
        assert found.difference == pytest.approx(0.2)
        assert np.isnan(found.statistic)
        assert np.isnan(found.p)
    assert test(other * (1 + 1e-15), other, horizon=horizon).p == 1.0
