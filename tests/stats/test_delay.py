"""The lag between prediction and truth, on planted delays."""

import numpy as np
import pytest
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
