from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter

from bench.seeds import generator
from bench.stats.blocks import MINIMUM_BLOCKS, block_length, loss_ratio
from bench.stats.intervals import RESAMPLES, expanded_levels

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
