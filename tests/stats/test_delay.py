"""The lag between prediction and truth, on planted delays."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from bench.stats.delay import delay

WALK = np.cumsum(np.random.default_rng(0).normal(size=400))


def moved(steps, noise=0.0):
    padded = np.roll(WALK, steps) + noise * np.random.default_rng(1).normal(size=len(WALK))
    return WALK[20:-20], padded[20:-20]


@pytest.mark.parametrize("steps", [-3, 0, 1, 2, 7])
def test_a_planted_delay_is_found(steps):
    found = delay(*moved(steps))
    assert found.steps == steps
    assert found.correlation == pytest.approx(1)


def test_it_is_found_under_noise_as_large_as_the_steps():
    assert delay(*moved(1, noise=0.5)).steps == 1


def test_levels_would_hardly_tell_what_steps_do():
    truth, late = moved(1)
    level = np.corrcoef(truth, late)[0, 1]
    assert level > 0.95
    assert abs(delay(truth, late).at_zero) < 0.2


def test_the_correlation_is_that_of_numpy():
    truth, late = moved(2, noise=1.0)
    steps = np.diff(truth), np.diff(late)
    assert delay(truth, late).correlation == pytest.approx(np.corrcoef(steps[0][:-2], steps[1][2:])[0, 1])


def test_what_does_not_move_or_is_short_has_no_delay():
    assert delay(WALK, np.zeros_like(WALK)) is None
    assert delay(WALK[:20], WALK[:20]) is None


def test_one_step_forecasts_of_every_fifth_point_tell_the_delay_within_it():
    truth = WALK[10:310]
    for steps in (1, 2):
        late = WALK[10 - steps : 310 - steps : 5]
        found = delay(truth, late, every=5, most=5)
        assert (found.steps, found.significant) == (steps, True)
        assert found.correlation == pytest.approx(1)


def test_independent_series_have_a_delay_that_is_told_in_one_of_twenty_at_most():
    walks = np.cumsum(np.random.default_rng(3).normal(size=(1000, 2, 101)), axis=2)
    most = binom.ppf(0.99, len(walks), 0.05)
    assert sum(delay(truth, other).significant for truth, other in walks) <= most
    assert sum(delay(truth, other[::5], every=5, most=5).significant for truth, other in walks) <= most


def test_independent_random_walks_are_hardly_ever_late():
    """Of levels, the best of 20 lags is not 0 for some 151 of these 200 pairs; of moves, chance has its 5 % at most."""
    walks = np.cumsum(np.random.default_rng(7).normal(size=(200, 2, 200)), axis=2)
    assert sum(delay(truth, other).late for truth, other in walks) <= 10


def test_persistence_on_a_walk_is_one_step_late():
    for walk in np.cumsum(np.random.default_rng(8).normal(size=(50, 201)), axis=1):
        found = delay(walk[1:], walk[:-1])
        assert (found.steps, found.late) == (1, True)


def test_the_mean_and_any_other_constant_are_never_late():
    for walk in np.cumsum(np.random.default_rng(9).normal(size=(50, 200)), axis=1):
        assert delay(walk, np.full(200, walk.mean())) is None
        assert delay(walk, np.full(200, 7.0)) is None


FALSE = binom.ppf(0.999, 100, 0.05)
"""So many of 100 are late by chance, at most, where 5 % are."""


def smooth(rng, past, points):
    """Walks whose moves are an autoregression: ``[2, points]``."""
    return np.cumsum(lfilter([1], [1, -past], rng.normal(size=(2, points + 300)))[:, 300:], axis=1)


@pytest.mark.parametrize("past", [0.9, 0.97])
@pytest.mark.parametrize("points", [80, 200, 1000])
def test_independent_smooth_series_are_hardly_ever_late(past, points):
    """With the chance of independent moves, 17 to 25 of these 100 are."""
    rng = np.random.default_rng([10, points])
    assert sum(delay(*smooth(rng, past, points)).late for _ in range(100)) <= FALSE


def test_independent_moving_sums_are_significant_in_one_of_twenty():
    """With the chance of independent moves, some 50 of these 100 are."""
    walks = np.cumsum(lfilter(np.ones(10), 1, np.random.default_rng(11).normal(size=(100, 2, 310)))[..., 10:], axis=2)
    assert sum(delay(truth, other).significant for truth, other in walks) <= FALSE


def cycles(noise, points, period=20, count=100):
    """Without and with noise."""
    rng = np.random.default_rng([12, points])
    signals = np.sin(2 * np.pi * np.arange(points) / period + rng.uniform(0, 2 * np.pi, size=(count, 1)))
    return zip(signals, signals + noise * rng.normal(size=signals.shape), strict=True)


@pytest.mark.parametrize(("period", "noise", "points"), [(20, 0.3, 200), (20, 1.0, 80), (50, 1.0, 200)])
def test_a_cycle_without_its_noise_is_not_late(period, noise, points):
    """Its best lag is decided by noise; were that enough, up to 45 of these 300 would be late."""
    late = [delay(noisy, signal).late for signal, noisy in cycles(noise, points, period, count=300)]
    assert sum(late) <= binom.ppf(0.999, 300, 0.05)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_noisy_cycle_shifted_is_late_by_that(steps):
    rng = np.random.default_rng(13)
    found = [delay(noisy[steps:], noisy[:-steps] + 0.3 * rng.normal(size=200 - steps)) for _, noisy in cycles(0.3, 200)]
    assert sum(one.late and one.steps == steps for one in found) >= 95


def test_the_linear_forecast_from_one_cycle_is_not_late():
    """All surprises it holds are past ones, a tenth of each; it is nearest to its target nevertheless."""
    averages = [
        (noisy[20:], np.convolve(noisy, np.cos(2 * np.pi * np.arange(1, 21) / 20) / 10)[19:-20])
        for _, noisy in cycles(0.3, 220)
    ]
    assert sum(delay(truth, average).late for truth, average in averages) <= FALSE


def test_a_constant_error_or_a_trend_hides_no_delay():
    for walk in np.cumsum(np.random.default_rng(14).normal(1.0, 1.0, size=(50, 201)), axis=1):
        found = delay(walk[1:], walk[:-1] + 5)
        assert (found.steps, found.late) == (1, True)


def test_a_series_that_its_past_explains_has_the_delay_of_no_rounding_error():
    """Twice the cosine times the last move, less the one before, is the next: nothing but rounding is left."""
    cycle = np.sin(2 * np.pi * np.arange(220) / 20)
    found = delay(cycle[3:], cycle[:-3])
    assert found.correlation == pytest.approx(1)
    assert found.steps % 20 == 3


@pytest.mark.parametrize("at", [5, 50, 150, 198])
def test_a_series_that_moves_once_has_the_delay_of_that_move(at):
    """Most columns of the past of such moves are zero."""
    step = np.where(np.arange(203) < at, 0.0, 1.0)
    assert delay(step[3:], step[1:-2]).steps == 2
