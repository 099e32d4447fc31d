"""Resampled rankings against probabilities that are known: of normal means, of explicit loops, of simulated draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kendalltau, rankdata

from bench.array_types import FloatArray
from bench.stats.resampling import block_length, draw_blocks, draw_seeds, draw_trials, rank_stability, selection


def standardised(values: FloatArray) -> FloatArray:
    """``[..., n]`` with exactly the mean 0 and the variance 1 of a sample."""
    values = values - values.mean(axis=-1, keepdims=True)
    return values / values.std(axis=-1, ddof=1, keepdims=True)


def test_two_models_swap_as_often_as_their_normal_means_do() -> None:
    """The means differ by one standard error of their difference: the order turns with probability Φ(-1)."""
    seeds = 200
    noise = standardised(np.random.default_rng(1).normal(size=(2, seeds)))
    noise[1] = standardised(noise[1] - noise[0] * (noise[0] @ noise[1]) / (seeds - 1))  # uncorrelated
    mse = 100 + noise + np.array([[0.0], [np.sqrt(2 / seeds)]])
    drawn = draw_seeds(list(mse), "a", draws=20_000)
    stable = rank_stability(mse.mean(axis=1)[None], drawn[None])
    assert stable.order == (0, 1)
    assert stable.stays == pytest.approx(ndtr(1), abs=0.012)
    assert stable.swapped == pytest.approx([ndtr(-1)], abs=0.012)
    assert stable.first == pytest.approx([ndtr(1)], abs=0.012)
    assert stable.tau == pytest.approx(ndtr(1) - ndtr(-1), abs=0.024)


def test_few_seeds_are_not_taken_for_more_than_they_are() -> None:
    """Five seeds: the spread of the mean is that of Student's statistics, not narrower by sqrt(4 / 5)."""
    mse = 100 + standardised(np.random.default_rng(2).normal(size=(1, 5)))
    drawn = draw_seeds(list(mse), "b", draws=50_000)
    assert drawn.mean() == pytest.approx(100, abs=0.01)
    assert drawn.std() == pytest.approx(1 / np.sqrt(5), rel=0.02)


def test_a_model_without_spread_stays_where_it_is() -> None:
    drawn = draw_seeds([np.full(10, 4.0), np.array([4.0])], "c")
    assert np.ptp(drawn, axis=0).tolist() == [0.0, 0.0]


def test_blocks_are_those_of_a_loop_around_the_circle() -> None:
    losses = np.random.default_rng(3).gamma(2.0, size=(2, 50))
    size = block_length(50)
    assert size == 7
    block = np.array(
        [[sum(own[(start + k) % 50] for k in range(size)) / size for start in range(50)] for own in losses]
    )
    drawn = draw_blocks(losses, "d", draws=40_000)
    blocks = 8  # of 7 targets: 50 and more
    assert drawn.mean(axis=0) == pytest.approx(losses.mean(axis=1), rel=0.005)
    assert np.cov(drawn.T) == pytest.approx(np.cov(block, ddof=0) / blocks, rel=0.05, abs=2e-4)


def test_losses_that_persist_count_as_fewer() -> None:
    """The variance of the mean of an AR(1) with 0.8 is (1 + 0.8) / (1 - 0.8) = 9 times that of independent values."""
    rng, ratios = np.random.default_rng(4), []
    for run in range(20):
        noise = rng.normal(size=2000)
        losses = np.empty(2000)
        losses[0] = noise[0] / 0.6
        for t in range(1, 2000):
            losses[t] = 0.8 * losses[t - 1] + noise[t]
        drawn = draw_blocks(losses[None], "e", str(run), draws=400)
        ratios.append(float(drawn.var()) / (9 / 0.36 / 2000))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.25)  # blocks of 44 lose about a tenth, as theory has it


def test_tau_is_that_of_scipy_with_ties() -> None:
    rng = np.random.default_rng(5)
    given, drawn = rng.integers(3, size=(4, 6)) + 0.0, rng.integers(3, size=(4, 30, 6)) + 0.0
    ranked = rank_stability(given, drawn)
    before = rankdata(given, axis=1).mean(axis=0)
    taus = [kendalltau(before, rankdata(drawn[:, k], axis=1).mean(axis=0)).statistic for k in range(30)]
    assert ranked.tau == pytest.approx(np.mean(taus), abs=1e-12)
    assert ranked.tau_low == pytest.approx(np.quantile(taus, 0.05), abs=1e-12)


def test_the_chosen_trial_is_that_of_simulated_draws() -> None:
    """Of eight trials three finished; drawn again, the smallest of those that are drawn is chosen."""
    errors, draws = np.array([1.0, 2.0, 5.0]), 200_000
    padded = np.append(errors, [np.inf] * 5)
    best = padded[np.random.default_rng(6).integers(8, size=(draws, 8))].min(axis=1)
    best = best[np.isfinite(best)]
    shares = [float((best == each).mean()) for each in errors]
    assert selection(errors, 8) == pytest.approx(shares, abs=0.004)
    drawn = draw_trials(errors, 8, "f", draws=draws)
    assert [float((drawn == each).mean()) for each in errors] == pytest.approx(shares, abs=0.006)
    assert selection(np.arange(20.0), 20).sum() == pytest.approx(1.0)
    assert selection(np.arange(20.0), 20)[0] == pytest.approx(1 - 0.95**20)
