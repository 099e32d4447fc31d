"""How many replicates a paired comparison takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtr, ndtri, stdtrit

from bench.stats.intervals import LEVEL, FloatArray

POWER = 0.8
"""How often the comparison should find a difference that is there."""

_BEFORE = 6  # so many replicates before the approximate number, which large effects undercut, the search begins
_MANY = 100_000  # from here on two replicates more or less no longer matter


def detection(effect: ArrayLike, count: ArrayLike, *, level: float = LEVEL) -> FloatArray:
    """The power of the two-sided paired t-test over `count` replicates against the effect d_z `effect`.

    From the noncentral t distribution; NaN below two replicates.
    """
    n, size = np.asarray(count, dtype=np.float64), np.abs(np.asarray(effect, dtype=np.float64))
    freedom = np.where(n > 1, n - 1, np.nan)
    limit, shift = stdtrit(freedom, (1 + level) / 2), size * np.sqrt(n)
    other_side = np.nan_to_num(nctdtr(freedom, shift, -limit))  # so small for some effects that it underflows to NaN
    return np.asarray(1 - nctdtr(freedom, shift, limit) + other_side, dtype=np.float64)


def replicates(effect: ArrayLike, *, level: float = LEVEL, power: float = POWER) -> FloatArray:
    """The smallest number of replicates, in all, that finds the effect d_z `effect` with probability `power`.

    Infinite where the effect is 0, NaN where it is NaN. An effect estimated from few replicates is uncertain, so the
    number is an order of magnitude: it tells "three more" from "three hundred".

    Parameters
    ----------
    effect
        Cohen's d_z, of any shape; its sign does not matter.
    level
        One minus the level of the test.
    power
        Between 0 and 1.

    References
    ----------
    W. C. Guenther, The American Statistician 35 (1981): ``((z_a + z_b) / d)² + z_a² / 2``, from which the exact
    number is reached in a few steps.
    """
    size = np.abs(np.asarray(effect, dtype=np.float64))
    a, b = ndtri((1 + level) / 2), ndtri(power)
    with np.errstate(divide="ignore"):
        count: FloatArray = np.maximum(2.0, np.ceil(((a + b) / size) ** 2 + a**2 / 2 - _BEFORE))
    for _ in range(2 * _BEFORE):
        short = (count < _MANY) & (detection(size, np.minimum(count, _MANY), level=level) < power)
        count = count + short
    return count
