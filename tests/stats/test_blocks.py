from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.signal import lfilter

from bench.seeds import generator
from bench.stats.bootstrap import RESAMPLES, expanded_levels
from bench.stats.window_tests import MINIMUM_BLOCKS, block_length, diebold_mariano, loss_ratio, mean_difference

losses = arrays(np.float64, 40, elements=st.floats(0.01, 100))


def test_the_interval_agrees_with_a_plain_loop_over_the_same_blocks() -> None:
    rng = np.random.default_rng(0)
    loss, reference = rng.gamma(1.0, size=60), rng.gamma(1.0, size=60)
    length = block_length(60, 1)
    draws = math.ceil(60 / length)
    starts = generator(0, "blocks", 60, length).integers(60, size=(RESAMPLES, draws))
    ratios = []
    for chosen in starts:
        places = [(start + step) % 60 for start in chosen for step in range(length)]
        ratios.append(loss[places].sum() / reference[places].sum())
    assert loss_ratio(loss, reference) == pytest.approx(np.quantile(ratios, expanded_levels(draws, 0.95)))


def autocorrelated(rng: np.random.Generator, points: int, share: float) -> np.ndarray:
    return lfilter([1], [1, -share], rng.normal(size=points + 100))[100:]


@pytest.mark.parametrize(("points", "share"), [(100, 0.0), (100, 0.5), (400, 0.5)])
def test_equally_good_forecasts_are_told_apart_about_one_time_in_twenty(points: int, share: float) -> None:
    rng = np.random.default_rng(points)
    missed = 0
    for _ in range(400):
        low, high = loss_ratio(*(autocorrelated(rng, points, share) ** 2 for _ in range(2)), resamples=500)
        missed += not low <= 1 <= high
    assert 0.01 < missed / 400 < 0.11


@settings(deadline=None)
@given(losses, losses, st.floats(0.01, 100))
def test_the_ratio_scales_with_the_loss(loss: np.ndarray, reference: np.ndarray, scale: float) -> None:
    low, high = loss_ratio(loss, reference)
    assert 0 < low <= high
    assert loss_ratio(scale * loss, reference) == pytest.approx((scale * low, scale * high), rel=1e-6)


def test_the_ratio_turns_over_with_the_roles() -> None:
    rng = np.random.default_rng(4)
    loss, reference = rng.gamma(1.0, size=(2, 200))
    low, high = loss_ratio(loss, reference)
    # Quantiles between two resamples are interpolated, which turning over does not keep exactly.
    assert loss_ratio(reference, loss) == pytest.approx((1 / high, 1 / low), rel=0.01)


@settings(deadline=None)
@given(losses)
def test_a_forecast_against_itself_has_the_ratio_one(loss: np.ndarray) -> None:
    assert loss_ratio(loss, loss) == pytest.approx((1.0, 1.0))


def test_few_targets_and_a_reference_without_error_have_no_interval() -> None:
    short = MINIMUM_BLOCKS * block_length(10, 1) - 1
    assert np.isnan(loss_ratio(np.ones(short), np.ones(short))).all()
    assert np.isnan(loss_ratio(np.ones(100), np.zeros(100))).all()
    assert np.isnan(loss_ratio(np.ones(100), np.ones(100), horizon=11)).all()
    assert not np.isnan(loss_ratio(np.ones(100), np.ones(100), horizon=10)).any()


def test_blocks_grow_with_the_cube_root_and_span_the_horizon() -> None:
    assert [block_length(points, 1) for points in (27, 28, 1000, 10**6)] == [3, 4, 10, 100]
    assert block_length(100, 6) == 12


def test_the_standard_error_is_that_of_the_resamples() -> None:
    rng = np.random.default_rng(8)
    loss, other = autocorrelated(rng, 120, 0.6) ** 2, autocorrelated(rng, 120, 0.6) ** 2
    length = block_length(120, 1)
    blocks = 120 // length
    starts = rng.integers(120, size=(20_000, blocks, 1))
    resampled = (loss - other)[(starts + np.arange(length)) % 120].mean(axis=(1, 2))
    found = mean_difference(loss, other)
    error = resampled.std() * math.sqrt(blocks / (blocks - 1))
    assert found.difference / found.statistic == pytest.approx(error, rel=0.02)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.statistic), blocks - 1))


# Blocks see part of the autocorrelation, so the level is kept within a factor of two.
@pytest.mark.parametrize(("points", "share"), [(100, 0.0), (100, 0.5), (400, 0.0), (400, 0.7)])
def test_blocks_keep_their_level_on_forecasts_that_are_not_optimal(points: int, share: float) -> None:
    shocks = np.random.default_rng(points).normal(size=(2, 4000, points + 100))
    errors = lfilter([1], [1, -share], shocks, axis=-1)[..., 100:] ** 2
    false = np.mean(mean_difference(*errors).p < 0.05)
    assert 0.03 < false < 0.075
    assert share < 0.7 or false < np.mean(diebold_mariano(*errors).p < 0.05) - 0.05


def test_the_mean_difference_of_few_targets_or_of_a_gap_is_not_tested() -> None:
    loss = np.random.default_rng(9).gamma(1.0, size=(3, 40))
    loss[1, 3] = np.nan
    found = mean_difference(loss, np.ones(40), alternative="less")
    assert np.isnan(found.p).tolist() == [False, True, False]
    assert found.p[2] == pytest.approx(mean_difference(loss[2], np.ones(40), alternative="less").p)
    assert np.isnan(mean_difference(np.ones(9), np.zeros(9)).p)
    assert mean_difference(loss[0], loss[0]).p == 1.0
