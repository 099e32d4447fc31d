"""The median of a sample with a confidence interval that assumes nothing about its distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from bench.stats.intervals import LEVEL, FloatArray


@dataclass(frozen=True)
class Median:
    """A median and its interval; `bounds` is `None` where there are too few values for the level."""

    value: float
    bounds: tuple[float, float] | None
    count: int


def median(values: FloatArray, *, level: float = LEVEL) -> Median:
    """The median of ``values`` ``[n]``, ``n ≥ 1``, between two of its order statistics.

    As many values lie below the median as heads fall in `n` tosses, so the `k`-th smallest and the `k`-th largest
    value enclose it with probability ``1 - 2 P(Bin(n, 1/2) < k)``; `k` is the largest for which that is at least
    `level`. With a level of 95 % that takes 6 values. The values are taken to be independent.

    References
    ----------
    H. A. David & H. N. Nagaraja, *Order Statistics*, 3rd edition, 2003, section 7.1.
    """
    ordered = np.sort(values)
    n = len(ordered)
    inside = [k for k in range(1, n // 2 + 1) if 1 - 2 * bdtr(k - 1, n, 0.5) >= level]
    bounds = (float(ordered[inside[-1] - 1]), float(ordered[n - inside[-1]])) if inside else None
    return Median(float(np.median(ordered)), bounds, n)
