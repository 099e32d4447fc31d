from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats.tuning import budget


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 7), elements=st.floats(0, 100)))
def test_it_is_the_mean_of_the_smallest_over_every_choice_of_trials(errors: np.ndarray) -> None:
    loop = [np.mean([min(draw) for draw in itertools.combinations(errors, n)]) for n in range(1, len(errors) + 1)]
    assert budget(errors).expected.tolist() == pytest.approx(loop, abs=1e-9)


def test_it_has_no_bias() -> None:
    # The smallest of n uniform draws is expected at 1 / (n + 1).
    found = np.mean(
        [budget(draws, resamples=1).expected for draws in np.random.default_rng(0).random((3000, 12))], axis=0
    )
    assert found.tolist() == pytest.approx([1 / (n + 1) for n in range(1, 13)], abs=0.006)


def test_the_interval_covers_the_curve_about_as_often_as_stated() -> None:
    covered = np.zeros(10)
    for draws in np.random.default_rng(1).random((400, 20)):
        found = budget(draws, resamples=300)
        truth = 1 / (found.trials[:10] + 1)
        covered += (found.low[:10] <= truth) & (truth <= found.high[:10])
    # Falling with the number of trials, as Tang et al. found: the best of few is known better than that of many.
    assert (covered[:5] / 400 > 0.88).all()
    assert (covered / 400 > 0.75).all()


def test_a_failed_trial_is_paid_for_and_never_the_best() -> None:
    found = budget(np.array([0.5, np.nan, 0.2, np.inf]))
    assert np.isnan(found.expected[:2]).all(), "two draws may both fail"
    assert found.expected[2] == pytest.approx((3 * 0.2 + 0.5) / 4)
    assert found.expected[3] == 0.2


def test_intervals_end_at_half_of_the_trials_and_hold_the_curve() -> None:
    found = budget(np.random.default_rng(2).gamma(2.0, size=30))
    assert np.isnan(found.low).tolist() == [False] * 15 + [True] * 15
    assert (found.low[:15] <= found.expected[:15]).all()
    assert (found.expected[:15] <= found.high[:15]).all()
    assert (np.diff(found.expected) <= 0).all()


def test_one_trial_and_none() -> None:
    assert budget(np.array([3.0])).expected.tolist() == [3.0]
    assert budget(np.array([])).expected.shape == (0,)
