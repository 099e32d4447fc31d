"""Block bootstrap over the test window: what one stretch of test data can tell, whose errors are autocorrelated."""

from __future__ import annotations

import math

import numpy as np

from bench.seeds import generator
from bench.stats.diebold_mariano import Alternative, ForecastTest, aligned_difference, student
from bench.stats.intervals import LEVEL, RESAMPLES, FloatArray, expanded_levels


def loss_ratio(
    loss: FloatArray, reference: FloatArray, *, horizon: int = 1, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The interval of ``mean(loss) / mean(reference)`` under a circular block bootstrap of the test targets.

    Both series are resampled together, so a target that is hard for both moves the ratio little.
    ``1 - ratio`` against persistence is the skill. The percentile interval is expanded as in `intervals.mean`,
    with the blocks as what is counted.

    Parameters
    ----------
    loss, reference
        ``[T]``, not negative, in the order of time: two models' losses at the same test targets.
    horizon
        Steps ahead: errors this far apart share inputs, so no block is shorter than twice this.
    level
        Coverage aimed at.
    resamples
        Bootstrap resamples.

    Returns
    -------
    tuple
        The low and the high end; NaN where the targets fill fewer than `MINIMUM_BLOCKS` blocks, or where the
        reference makes no error.

    References
    ----------
    D. N. Politis and J. P. Romano, "A circular block-resampling procedure for stationary data" (1992). The block
    length grows as ``T^(1/3)``, the rate that is best for a variance (P. Hall, J. L. Horowitz and B.-Y. Jing,
    Biometrika 82, 1995).
    """
    points = len(loss)
    length = block_length(points, horizon)
    if points < MINIMUM_BLOCKS * length or not reference.any():
        return math.nan, math.nan
    draws = math.ceil(points / length)
    starts = generator(0, "blocks", points, length).integers(points, size=(resamples, draws))
    above, below = (_block_sums(series, length)[starts].sum(axis=1) for series in (loss, reference))
    ratio = above[below > 0] / below[below > 0]
    low, high = np.quantile(ratio, expanded_levels(draws, level))
    return float(low), float(high)


def mean_difference(
    loss: FloatArray, other: FloatArray, *, horizon: int = 1, alternative: Alternative = "two-sided"
) -> ForecastTest:
    """Test whether `loss` and `other` have the same mean, as `diebold_mariano` does, by the same circular blocks.

    The standard error is that of the block bootstrap, which has a closed form, with Student's tails for as many
    values as there are blocks. It counts autocorrelation beyond the horizon too, which forecasts that are not
    optimal have: there the Diebold-Mariano test is too sure.

    Parameters
    ----------
    loss, other
        ``[..., T]``, as in `diebold_mariano`.
    horizon
        As in `loss_ratio`.
    alternative
        ``"less"``: `loss` is smaller than `other`.

    References
    ----------
    S. N. Lahiri, "Resampling Methods for Dependent Data" (2003), § 3.2, for the closed form.
    """
    gap = aligned_difference(loss, other)
    points = gap.shape[-1]
    length = block_length(points, horizon)
    first = gap[..., :1]  # taken off before sums: what is constant stays so, to the last digit
    moves = gap - first
    mean = first[..., 0] + moves.mean(axis=-1) if points else np.full(gap.shape[:-1], np.nan)
    blocks = points / length
    if blocks < MINIMUM_BLOCKS:
        error = np.full(mean.shape, np.nan)
    else:
        error = (_block_sums(moves, length) / length).std(axis=-1) / np.sqrt(blocks - 1)
    statistic, p = student(mean, error, freedom=blocks - 1, alternative=alternative)
    return ForecastTest(points, mean, statistic, p, np.zeros(mean.shape, dtype=np.bool_))


MINIMUM_BLOCKS = 5
"""With fewer blocks the interval would be a guess."""


def block_length(points: int, horizon: int) -> int:
    """Targets in one block: ``T^(1/3)``, and at least ``2 · horizon``."""
    return max(2 * horizon, math.ceil(float(np.cbrt(points))))


def _block_sums(series: FloatArray, length: int) -> FloatArray:
    """``[..., T]``: the sum of the `length` values from each place on, wrapping round at the end."""
    points = series.shape[-1]
    round_trip = np.concatenate([series, series[..., :length]], axis=-1)
    total = np.cumsum(np.insert(round_trip, 0, 0.0, axis=-1), axis=-1)
    sums: FloatArray = total[..., length : length + points] - total[..., :points]
    return sums
