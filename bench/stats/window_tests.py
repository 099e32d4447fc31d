"""Tests over the test window, whose errors are autocorrelated: Diebold–Mariano, and a block bootstrap.

The Diebold–Mariano test decides whether two forecasts of one series differ in loss.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr

from bench.array_types import BoolArray, FloatArray
from bench.seeds import generator
from bench.stats.bootstrap import LEVEL, RESAMPLES, expanded_levels
from bench.stats.paired import ROUNDING

Alternative = Literal["two-sided", "less", "greater"]


@dataclass(frozen=True, eq=False)
class ForecastTest:
    """A test of the mean of ``loss - other`` over one series, ``[...]`` each; NaN where it cannot be made.

    Parameters
    ----------
    count
        Targets.
    difference
        The mean of ``loss - other``.
    statistic, p
        Student's t and its p-value.
    replaced
        Where a variance with rectangular weights was not positive, and Bartlett's weights took their place.
    """

    count: int
    difference: FloatArray
    statistic: FloatArray
    p: FloatArray
    replaced: BoolArray


def diebold_mariano(
    loss: FloatArray, other: FloatArray, *, horizon: int = 1, alternative: Alternative = "two-sided"
) -> ForecastTest:
    """Test whether `loss` and `other` have the same mean.

    The variance of the mean takes the autocovariances up to lag ``horizon - 1`` with equal weights, which is right
    for optimal forecasts. Where that gives no positive variance, Bartlett's weights over the same lags do.

    Parameters
    ----------
    loss, other
        ``[..., T]``, in the order of time, of shapes that broadcast. One that holds a value that is not finite is
        not tested: closing the gap would make neighbours of errors that are not.
    horizon
        Steps ahead of the forecasts.
    alternative
        ``"less"``: `loss` is smaller than `other`.

    References
    ----------
    F. X. Diebold and R. S. Mariano, Journal of Business & Economic Statistics 13 (1995), eq. 2-4. D. Harvey,
    S. Leybourne and P. Newbold, International Journal of Forecasting 13 (1997), eq. 9, for the correction and
    Student's tails. D. Harvey, S. Leybourne and E. Whitehouse, ibid. 33 (2017), for Bartlett's weights.
    """
    gap = aligned_difference(loss, other)
    points = gap.shape[-1]
    if not 1 <= horizon < points:
        nothing = np.full(gap.shape[:-1], np.nan)
        return ForecastTest(points, nothing, nothing, nothing, np.zeros(gap.shape[:-1], dtype=np.bool_))
    first = gap[..., :1]  # taken off before sums: what is constant stays so, to the last digit
    moves = gap - first
    mean = first[..., 0] + moves.mean(axis=-1)
    variance, replaced = _variance(moves - moves.mean(axis=-1, keepdims=True), horizon)
    correction = (points + 1 - 2 * horizon + horizon * (horizon - 1) / points) / points
    statistic, p = student(mean, np.sqrt(variance / points / correction), freedom=points - 1, alternative=alternative)
    return ForecastTest(points, mean, statistic, p, replaced)


def student(
    mean: FloatArray, error: FloatArray, *, freedom: float, alternative: Alternative = "two-sided"
) -> tuple[FloatArray, FloatArray]:
    """Student's t of `mean` with its standard `error`, and the p-value.

    Where the error is 0, t is NaN; p is then 1 where the mean is 0 too, else NaN.
    """
    statistic = np.full(np.shape(mean), np.nan)
    np.divide(mean, error, out=statistic, where=error > 0)
    if alternative == "two-sided":
        p = 2 * stdtr(freedom, -np.abs(statistic))
    else:
        p = stdtr(freedom, statistic if alternative == "less" else -statistic)
    return statistic, np.where((error == 0) & (mean == 0), 1.0, p)


def aligned_difference(loss: FloatArray, other: FloatArray) -> FloatArray:
    """``loss - other``, NaN all along a series that holds a value that is not finite.

    Where it varies by rounding alone it is constant, and 0 where it is that small itself.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        gap: FloatArray = np.asarray(loss - other, dtype=np.float64)
    gap = np.where(np.isfinite(gap).all(axis=-1, keepdims=True), gap, np.nan)
    if not gap.shape[-1]:
        return gap
    rounding = ROUNDING * np.maximum(np.abs(loss), np.abs(other)).max(axis=-1, keepdims=True)
    constant = np.where(np.abs(gap[..., :1]) <= rounding, 0.0, gap[..., :1])
    return np.where(np.ptp(gap, axis=-1, keepdims=True) <= rounding, constant, gap)


def _variance(centred: FloatArray, horizon: int) -> tuple[FloatArray, BoolArray]:
    """The long-run variance of ``[..., T]``, and where Bartlett's weights were needed for it."""
    points = centred.shape[-1]
    lags = np.arange(horizon)
    autocovariance = np.stack(
        [(centred[..., lag:] * centred[..., : points - lag]).sum(axis=-1) / points for lag in lags], axis=-1
    )
    twice = np.where(lags == 0, 1.0, 2.0)
    rectangular = autocovariance @ twice
    replaced = (rectangular <= 0) & (autocovariance[..., 0] > 0)
    bartlett = autocovariance @ (twice * (1 - lags / horizon))
    return np.maximum(np.where(replaced, bartlett, rectangular), 0.0), replaced


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
