"""Bootstrap intervals over replicates, for every cell at once.

Values are arrays ``[..., seeds]``; one that is not finite is a replicate that is missing, and is left out. The same
resamples of the replicates serve every cell, drawn from a fixed generator: equal input gives equal intervals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from bench.seeds import generator
from bench.stats.bca import bca

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEVEL = 0.95
RESAMPLES = 2000
_CHUNK = 2**19  # resampled values held at once: few enough that their memory is reused


@dataclass(frozen=True, eq=False)
class Interval:
    """A value with its confidence interval, for each cell.

    Parameters
    ----------
    value
        ``[...]``; NaN where no replicate is present, or where they overflow.
    low, high
        ``[...]``; NaN where fewer than two replicates are present, or where they overflow.
    count
        ``[...]``: how many replicates are present.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    count: IntArray


def mean(values: FloatArray, *, level: float = LEVEL, resamples: int = RESAMPLES) -> Interval:
    """The mean over replicates, with its expanded BCa bootstrap interval.

    Any bootstrap interval is too narrow for few replicates, by the factor ``sqrt((n - 1) / n)`` and for want of
    Student's tails; the expanded one reaches ``sqrt(n / (n - 1)) t`` standard deviations instead of 1.96. Skewed
    values are corrected for as BCa does. The interval never leaves the range of the values.

    Parameters
    ----------
    values
        ``[..., seeds]``.
    level
        Coverage aimed at.
    resamples
        Bootstrap resamples.

    References
    ----------
    T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69 (2015), § 4.3, for
    the expansion; `bench.stats.bca` for the rest.
    """
    shape, seeds = values.shape[:-1], values.shape[-1]
    flat = values.reshape(math.prod(shape), seeds)  # [N, seeds]
    present: BoolArray = np.asarray(np.isfinite(flat))
    count = present.sum(axis=1)
    value, low, high = (np.full(len(count), np.nan) for _ in range(3))
    for n, rows in _by_count(count):
        # Replicates that are present move to the front: rows with equal counts share their resamples.
        order = np.argsort(~present[rows], axis=1, kind="stable")[:, :n]
        sample = np.take_along_axis(flat[rows], order, axis=1)  # [rows, n]
        with np.errstate(over="ignore", invalid="ignore"):  # a mean may overflow: NaN below
            value[rows] = sample.mean(axis=1)
            if n > 1:
                resampled = sample @ _weights(n, resamples).T  # [rows, resamples]
                left_out = (sample.sum(axis=1, keepdims=True) - sample) / (n - 1)  # [rows, n]
                low[rows], high[rows] = bca(resampled, value[rows], left_out, reach=_reach(n, level))
    value, low, high = (np.where(np.isfinite(numbers), numbers, np.nan) for numbers in (value, low, high))
    return Interval(value.reshape(shape), low.reshape(shape), high.reshape(shape), count.reshape(shape))


def expanded_levels(count: int, level: float) -> tuple[float, float]:
    """The two bootstrap quantiles of an expanded percentile interval from `count` values."""
    z = _reach(count, level)
    return float(ndtr(-z)), float(ndtr(z))


def _reach(count: int, level: float) -> float:
    return float(math.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 + level) / 2))


def _by_count(count: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Rows with equal, positive counts, in pieces that fit in memory."""
    step = max(1, _CHUNK // RESAMPLES)
    for n in np.unique(count[count > 0]):
        rows = np.flatnonzero(count == n)
        for start in range(0, len(rows), step):
            yield int(n), rows[start : start + step]


def _weights(count: int, resamples: int) -> FloatArray:
    """``[resamples, count]``: the share of each replicate in each resample; rows add up to 1."""
    draws = generator(0, "bootstrap", count).multinomial(count, np.full(count, 1 / count), size=resamples)
    return draws / count
