"""Bias-corrected and accelerated bootstrap intervals, for many cells at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

FloatArray = NDArray[np.float64]
_TIE = 1e-12
"""Resamples this close to the value, relative to their size, are equal to it but for rounding."""


def bca(
    resampled: FloatArray, value: FloatArray, left_out: FloatArray, *, reach: float
) -> tuple[FloatArray, FloatArray]:
    """The two ends of the interval of each row.

    The quantiles of the percentile interval are moved by the bias of the resamples, and by how fast the spread of the
    statistic grows with its value. Where these are not known, because the values do not vary, the quantiles stay.

    Parameters
    ----------
    resampled
        ``[rows, resamples]``: the statistic of each resample; sorted in place.
    value
        ``[rows]``: the statistic of the sample.
    left_out
        ``[rows, n]``: the statistic of the sample without each of its values (the jackknife).
    reach
        How many standard deviations the interval goes to either side where nothing has to be corrected: 1.96 for
        95 %, more where the sample is small.

    Returns
    -------
    tuple
        ``[rows]`` each; NaN where a resample is.

    References
    ----------
    B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987), equations 2.3, 4.4 and 7.3.
    """
    resampled.sort(axis=1)
    bias = _bias(resampled, value)
    acceleration = _acceleration(left_out)
    low, high = (_quantile(resampled, _level(bias, acceleration, side)) for side in (-reach, reach))
    return low, high


def _bias(ordered: FloatArray, value: FloatArray) -> FloatArray:
    """How far the sample's value lies from the median of the resamples, as a normal quantile; half of a tie counts."""
    room = _TIE * np.maximum(np.abs(ordered[:, 0]), np.abs(ordered[:, -1]))
    below = (ordered < (value - room)[:, None]).mean(axis=1) + (ordered <= (value + room)[:, None]).mean(axis=1)
    return _finite(ndtri(below / 2))


def _acceleration(left_out: FloatArray) -> FloatArray:
    influence = left_out.mean(axis=1, keepdims=True) - left_out
    largest = np.abs(influence).max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where nothing varies
        influence = influence / largest
        return _finite((influence**3).sum(axis=1) / (6 * (influence**2).sum(axis=1) ** 1.5))


def _finite(numbers: FloatArray) -> FloatArray:
    """`numbers`, 0 where they are not: no correction."""
    return np.where(np.isfinite(numbers), numbers, 0.0)


def _level(bias: FloatArray, acceleration: FloatArray, side: float) -> FloatArray:
    """Where the quantile at `side` moves to; past the pole of the correction, to the end on that side."""
    moved = bias + side
    room = 1 - acceleration * moved
    with np.errstate(divide="ignore"):
        return np.where(room > 0, ndtr(bias + moved / room), float(side > 0))


def _quantile(ordered: FloatArray, level: FloatArray) -> FloatArray:
    """Of each row of `ordered` the quantile at its own level, between neighbours by their distance."""
    place = level * (ordered.shape[1] - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, above]
    return np.where(np.isnan(ordered[:, -1]), np.nan, low + (high - low) * (place - below))
