from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.aggregates import aggregate, interquartile_mean


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 25)), elements=st.floats(-100, 100)))
def test_it_is_the_trimmed_mean_of_scipy(scores: np.ndarray) -> None:
    np.testing.assert_allclose(interquartile_mean(scores), stats.trim_mean(scores, 0.25, axis=-1), atol=1e-9)


def test_the_interval_agrees_with_a_plain_loop_over_strata() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, 5)) + 2 * np.arange(6)[:, None]
    found = aggregate(scores[None], resamples=20_000)
    loop = [stats.trim_mean(np.concatenate([rng.choice(own, size=5) for own in scores]), 0.25) for _ in range(4000)]
    reach = np.sqrt(5 / 4) * stats.t.ppf(0.975, 4 * 6)  # five seeds in each of six datasets
    low, high = np.quantile(loop, stats.norm.cdf([-reach, reach]))
    assert found.value[0] == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))
    assert [found.low[0], found.high[0]] == pytest.approx([low, high], abs=0.08 * (high - low))


def test_missing_seeds_are_drawn_around_and_a_lost_dataset_is_left_out() -> None:
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(4, 5))
    holed = np.vstack([whole, np.full((1, 5), np.nan)])
    holed[0, 2] = np.inf
    found = aggregate(np.stack([holed, np.full((5, 5), np.nan)]))
    assert found.count.tolist() == [19, 0]
    assert found.value[0] == pytest.approx(stats.trim_mean(holed[np.isfinite(holed)], 0.25))
    assert found.low[0] < found.value[0] < found.high[0]
    assert np.isnan([found.value[1], found.low[1], found.high[1]]).all()


def test_a_resample_keeps_every_score_in_its_dataset() -> None:
    # Seeds of one dataset are alike here, so every resample is the same.
    scores = np.repeat(np.arange(8.0)[:, None], [3], axis=1)
    scores[5, 1:] = np.nan
    found = aggregate(scores[None])
    assert found.low == pytest.approx(found.value)
    assert found.high == pytest.approx(found.value)


def test_one_seed_shows_no_spread_and_equal_input_gives_equal_intervals() -> None:
    scores = np.random.default_rng(2).normal(size=(2, 7, 4))
    one = aggregate(scores[..., :1])
    assert np.isnan([one.low, one.high]).all()
    assert not np.isnan(one.value).any()
    again, found = aggregate(scores.copy()), aggregate(scores)
    assert np.array_equal(found.low, again.low)
    assert aggregate(scores[:0]).value.shape == (0,)


def test_the_interval_covers_what_many_seeds_would_give() -> None:
    rng = np.random.default_rng(3)
    centres = np.linspace(0, 1, 20)[:, None]
    truth = interquartile_mean((centres + 0.2 * rng.normal(size=(20, 20_000))).ravel())
    found = aggregate(centres + 0.2 * rng.normal(size=(400, 20, 10)), resamples=500)
    # Each stratum of ten is resampled with a variance too small by a tenth: about 0.94 are covered.
    assert 0.90 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.975
